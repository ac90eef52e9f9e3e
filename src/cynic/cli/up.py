"""`cynic up`: the database, its schema and the service, until Ctrl-C."""

from __future__ import annotations

import importlib
import ipaddress
import signal
import threading
from typing import TYPE_CHECKING

import click

from cynic.base.errors import UsageError
from cynic.base.settings import DEFAULT_HOST, DEFAULT_PORT
from cynic.cli.context import FileProgress, open_database, say, schema_option, settings

if TYPE_CHECKING:
    from cynic.db.connect import Database
    from cynic.domains.system.keys import GivenKey


class NotLoopbackError(UsageError):
    """Without API keys the service binds to loopback only."""

    code = "not-loopback"


@click.command()
@click.option("--host", default=DEFAULT_HOST, show_default=True, help="Address to bind to.")
@click.option("--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(0, 65535))
@schema_option
@click.option(
    "--no-worker", is_flag=True, help="Serve only; another process does the background work."
)
def up(*, host: str, port: int, no_worker: bool, schema: str | None) -> None:
    """Start the service, and the embedded database if it is the one. Ctrl-C stops all of it.

    Without an API key the service binds to loopback only.
    """
    from cynic.db import cluster
    from cynic.domains.system.keys import read_setting

    chosen = settings(schema)
    env_keys = read_setting(chosen.api_keys)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    # Driver and web framework take as long to import as initdb takes to run: do both at once.
    imports = threading.Thread(target=_import_framework, daemon=True)
    imports.start()
    try:
        if chosen.database is None:
            cluster.ensure(chosen.home, say)
        with open_database(schema) as database:
            _migrate(database)
            check_address(host, env_keys, database)
            imports.join()
            from cynic.api.app import create_app
            from cynic.api.serve import serve

            app = create_app(
                database,
                with_worker=not no_worker,
                env_keys=env_keys,
                open_to_network=not is_loopback(host),
            )
            filling = threading.Thread(target=_fill_prices, args=[database], daemon=True)

            def ready(url: str) -> None:
                _greet(url)
                filling.start()

            try:
                serve(app, host, port, ready=ready)
            finally:
                if filling.ident is not None:
                    filling.join()
    except KeyboardInterrupt:
        say("stopped")
    finally:
        imports.join()  # an interpreter that ends under a thread that imports may abort


def _interrupt(*_: object) -> None:
    """Turn a request to end into Ctrl-C, so that the database is stopped as well."""
    raise KeyboardInterrupt


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address; a name other than localhost counts as reachable."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_address(host: str, env_keys: tuple[GivenKey, ...], database: Database) -> None:
    """Refuse an address that other machines can reach while there is no key that opens the service.

    A key that expired or was revoked is enough: authentication is on with it, and nobody gets in.
    """
    if is_loopback(host) or env_keys:
        return
    from cynic.flows.keys import any_key

    with database.connect("cynic_app") as conn:
        if any_key(conn):
            return
    raise NotLoopbackError(
        f"{host} can be reached from other machines, and there is no API key",
        hint="make one with cynic keys create NAME (or set CYNIC_API_KEYS), or bind to 127.0.0.1 or ::1",
    )


def _import_framework() -> None:
    importlib.import_module("cynic.api.app")
    importlib.import_module("cynic.api.serve")


def _migrate(database: Database) -> None:
    from cynic.db.migrate import Migrator

    progress = FileProgress("migrating")
    try:
        with database.connect(new_schema=True) as conn:
            applied = Migrator(conn, database.schema, progress=progress).up()
    finally:
        progress.close()
    if applied:
        say(f"schema: {len(applied)} migrations applied")


def _fill_prices(database: Database) -> None:
    """At the first start: the price list of the package, if that is installed. Later ones come by command."""
    from psycopg import Error

    from cynic.base import clock
    from cynic.base.errors import CynicError
    from cynic.flows.prices import first_fill

    try:
        with database.connect("cynic_app") as conn:
            filled = first_fill(conn, clock.now())
    except (CynicError, Error) as error:
        say(f"prices: not filled: {error}")
        return
    if filled is not None:
        say(f"prices: {filled.rows} of {filled.source} {filled.version}")


def _greet(url: str) -> None:
    """The address, and what a newcomer can do with it at once."""
    say(f"cynic is up: {url}  (Ctrl-C stops it; {url}/readyz says how it is)")
    example = '{"item_type": "text", "item_content": "to be or not", "votes": [{"dog": "Sage", "score": 0.7}]}'
    say(f"judge something: curl {url}/api/v1/judgments -d '{example}'")
