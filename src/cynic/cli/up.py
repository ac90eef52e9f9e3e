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
from cynic.cli.context import FileProgress, open_database, say, settings

if TYPE_CHECKING:
    from cynic.db.connect import Database


class NotLoopbackError(UsageError):
    """Without API keys the service binds to loopback only."""

    code = "not-loopback"


@click.command()
@click.option("--host", default=DEFAULT_HOST, show_default=True, help="Address to bind to.")
@click.option("--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--no-worker", is_flag=True, help="Serve only; another process does the background work."
)
def up(*, host: str, port: int, no_worker: bool) -> None:
    """Start the service, and the embedded database if it is the one. Ctrl-C stops all of it."""
    refuse_open_address(host)
    from cynic.db import cluster

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    # Driver and web framework take as long to import as initdb takes to run: do both at once.
    imports = threading.Thread(target=_import_framework, daemon=True)
    imports.start()
    try:
        if (chosen := settings()).database is None:
            cluster.ensure(chosen.home, say)
        with open_database() as database:
            _migrate(database)
            imports.join()
            _serve(database, host, port, with_worker=not no_worker)
    except KeyboardInterrupt:
        say("stopped")


def _interrupt(*_: object) -> None:
    """Turn a request to end into Ctrl-C, so that the database is stopped as well."""
    raise KeyboardInterrupt


def refuse_open_address(host: str) -> None:
    """Refuse an address that other machines can reach."""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        raise NotLoopbackError(
            f"{host} can be reached from other machines, and there is no authentication",
            hint="bind to 127.0.0.1 or ::1, and put an authenticating proxy in front",
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


def _serve(database: Database, host: str, port: int, *, with_worker: bool) -> None:
    from cynic.api.app import create_app
    from cynic.api.serve import serve

    serve(
        create_app(database, with_worker=with_worker),
        host,
        port,
        ready=_greet,
    )


def _greet(url: str) -> None:
    """The address, and what a newcomer can do with it at once."""
    say(f"cynic is up: {url}  (Ctrl-C stops it; {url}/readyz says how it is)")
    example = '{"item_type": "text", "item_content": "to be or not", "votes": [{"dog": "Sage", "score": 0.7}]}'
    say(f"judge something: curl {url}/api/v1/judgments -d '{example}'")
