"""`cynic doctor`: look at everything cynic needs, and say what is wrong and what to do."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from cynic.base.errors import CynicError
from cynic.base.version import __version__
from cynic.cli.context import emit, json_option, open_database, schema_option, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cynic.base.settings import Settings
    from cynic.db.connect import Database

DISK_FREE_BYTES_MIN = 1 << 30


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; `hint` says what to do when it is not well."""

    name: str
    ok: bool
    found: str
    hint: str | None = None


@click.command()
@schema_option
@json_option
def doctor(*, schema: str | None, as_json: bool) -> None:
    """Look at everything cynic needs and say what is wrong; exit 6 when something is."""
    checks = list(_checks(settings(schema), schema))
    if as_json:
        emit([{"check": c.name, "ok": c.ok, "found": c.found, "hint": c.hint} for c in checks])
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            click.echo(f"{'ok   ' if check.ok else 'WRONG'} {check.name:{width}}  {check.found}")
            if check.hint and not check.ok:
                click.echo(f"      {'':{width}}  {check.hint}")
    if not all(check.ok for check in checks):
        click.get_current_context().exit(6)


def _checks(chosen: Settings, schema: str | None) -> Iterator[Check]:
    yield Check("cynic", ok=True, found=f"{__version__}, Python {platform.python_version()}")
    yield Check("database from", ok=True, found=chosen.database_source)
    if chosen.database is None:
        yield from _embedded(chosen)
    try:
        with open_database(schema) as database:
            yield from _database(database)
    except CynicError as error:
        yield Check("database", ok=False, found=f"{error.message} [{error.code}]", hint=error.hint)


def _embedded(chosen: Settings) -> Iterator[Check]:
    from cynic.db.binaries import find_binaries
    from cynic.db.embedded import locate, status

    try:
        binaries = find_binaries()
        found = f"PostgreSQL {binaries.version} ({binaries.source}) in {binaries.bin_dir}"
        yield Check("programs", ok=True, found=found)
        location = locate(chosen.home)
    except CynicError as error:
        yield Check("programs", ok=False, found=error.message, hint=error.hint)
        return
    yield Check("home", ok=True, found=str(chosen.home))
    yield Check("data", ok=True, found=str(location.data_dir))
    yield Check("server was", ok=True, found=str(status(chosen.home)))
    root = next(
        folder for folder in (location.data_dir, *location.data_dir.parents) if folder.exists()
    )
    free = shutil.disk_usage(root).free
    yield Check(
        "disk",
        ok=free >= DISK_FREE_BYTES_MIN,
        found=f"{free / (1 << 30):.1f} GiB free",
        hint="PostgreSQL stops when its disk is full: free at least 1 GiB",
    )


def _database(database: Database) -> Iterator[Check]:
    from cynic.db import catalogue
    from cynic.db.migrate import Migrator, statement

    with database.connect() as conn:
        version = conn.info.parameter_status("server_version") or "?"
        yield Check("server", ok=True, found=f"PostgreSQL {version}: {database.shown}")
        migrator = Migrator(conn, database.schema)
        states = migrator.status()
        wrong = [state for state in states if state.state != "applied"]
        yield Check(
            "migrations",
            ok=not wrong,
            found=f"{len(states) - len(wrong)} of {len(states)} applied in schema {migrator.schema}",
            hint="run cynic db migrate; cynic db status lists them",
        )
        row = conn.execute(statement("may_be"), {"role": "cynic_app"}).fetchone()
        yield Check(
            "roles",
            ok=bool(row and row[0]),
            found="cynic_app can be taken"
            if row and row[0]
            else "cynic_app is missing or may not be taken",
            hint="let a role with CREATEROLE run cynic db migrate once",
        )
        if not wrong:
            report = catalogue.verify(conn, migrator.schema)
            yield Check("schema", ok=report.ok, found=report.summary(), hint="run cynic db verify")
