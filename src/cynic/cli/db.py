"""`cynic db`: the database itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cynic.cli.context import FileProgress, emit, json_option, open_database, say, schema_option
from cynic.cli.main import LazyGroup

if TYPE_CHECKING:
    from cynic.db.migrate import State


@click.group(
    cls=LazyGroup,
    lazy={
        "migrate": ("cynic.cli.db:migrate", "Bring the schema up to date, or up to one migration."),
        "down": ("cynic.cli.db:down", "Undo the migrations after one; their data is lost."),
        "status": ("cynic.cli.db:status", "List the migrations and whether each is applied."),
        "verify": ("cynic.cli.db:verify", "Compare the live schema with the contract."),
        "browse": ("cynic.cli.browse:browse", "Read any table: filter, sort, page, export."),
        "retention": (
            "cynic.cli.retention:retention",
            "Delete what has outlived its retention rule.",
        ),
        "backup": ("cynic.cli.db:backup", "Write a checked backup to a file."),
        "restore": ("cynic.cli.db:restore", "Restore a backup into an empty database."),
        "url": ("cynic.cli.db:url", "Show how to connect, and where the data is."),
        "shell": ("cynic.cli.db:shell", "Open psql on the database."),
    },
)
def db() -> None:
    """The database: migrate, verify, back up, browse."""


@click.command()
@click.option("--to", metavar="NNN", help="Last migration to apply: a number or a full name.")
@click.option(
    "--sql", "as_sql", is_flag=True, help="Print the SQL for an empty database; connect to none."
)
@schema_option
@json_option
def migrate(*, to: str | None, as_sql: bool, schema: str | None, as_json: bool) -> None:
    """Bring the schema up to date, or up to one migration.

    Any number of processes may do this at once: one works, the others wait and find it done.
    """
    from cynic.db.migrate import Migrator
    from cynic.db.offline import script

    if as_sql:
        for piece in script(to, schema or click.get_current_context().find_root().obj["schema"]):
            click.echo(piece, nl=False)
        return
    progress = FileProgress("migrating")
    with open_database(schema) as database, database.connect(new_schema=True) as conn:
        try:
            migrator = Migrator(conn, database.schema, progress=progress)
            applied = migrator.up(to)
            if not applied:
                migrator.grant()
        finally:
            progress.close()
    if as_json:
        emit({"schema": migrator.schema, "applied": applied})
    else:
        say(f"{len(applied)} migrations applied" if applied else "nothing to apply")


@click.command()
@click.option(
    "--to",
    metavar="NNN",
    required=True,
    help="Last migration to keep: a number or a full name; 0 keeps none.",
)
@schema_option
@json_option
def down(*, to: str, schema: str | None, as_json: bool) -> None:
    """Undo the migrations after one. The tables they made go, and the data in them."""
    from cynic.db.migrate import Migrator

    progress = FileProgress("undoing")
    with open_database(schema) as database, database.connect(new_schema=True) as conn:
        try:
            undone = Migrator(conn, database.schema, progress=progress).down(to)
        finally:
            progress.close()
    if as_json:
        emit({"undone": undone})
    else:
        say(f"{len(undone)} migrations undone")


@click.command()
@schema_option
@json_option
def status(*, schema: str | None, as_json: bool) -> None:
    """List the migrations and whether each is applied, pending, edited or unknown."""
    from cynic.db.migrate import Migrator

    with open_database(schema) as database, database.connect() as conn:
        states = Migrator(conn, database.schema).status()
    if as_json:
        emit([{"name": s.name, "state": s.state, "applied_at": s.applied_at} for s in states])
    else:
        for state in states:
            click.echo(_status_line(state))


def _status_line(state: State) -> str:
    when = f"  {state.applied_at:%Y-%m-%d %H:%M:%S%z}" if state.applied_at else ""
    return f"{state.state:8} {state.name}{when}"


@click.command()
@schema_option
@json_option
def verify(*, schema: str | None, as_json: bool) -> None:
    """Compare the live schema with the contract, object by object; exit 6 where they differ."""
    from cynic.db import catalogue

    with open_database(schema) as database, database.connect() as conn:
        report = catalogue.verify(conn, database.schema)
    if as_json:
        emit(report.as_document())
    else:
        for line in report.lines():
            click.echo(line)
        say(report.summary())
    if not report.ok:
        click.get_current_context().exit(6)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@schema_option
def backup(file: Path, schema: str | None) -> None:
    """Write a backup to FILE with the server's own pg_dump, and check that it can be read back."""
    from cynic.db.backup import back_up

    progress = FileProgress("backing up")
    with open_database(schema) as database:
        try:
            summary = back_up(database, file, progress)
        finally:
            progress.close()
    say(f"{file}: {summary.tables} tables, {summary.size_bytes} bytes")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@schema_option
def restore(file: Path, schema: str | None) -> None:
    """Restore FILE into an empty database, whole or not at all, and verify the result."""
    from cynic.db.backup import restore_into

    progress = FileProgress("restoring")
    with open_database(schema) as database:
        try:
            summary = restore_into(database, file, progress)
        finally:
            progress.close()
    say(f"{summary.tables} tables restored and verified")


@click.command()
@json_option
def url(*, as_json: bool) -> None:
    """Show how to connect (a libpq keyword string), and where the data is kept."""
    with open_database() as database:
        if as_json:
            emit({"conninfo": database.shown, "source": database.source, "data": database.data_dir})
            return
        click.echo(database.shown)
        say(f"from: {database.source}")
        if database.data_dir is not None:
            say(f"data: {database.data_dir}")


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def shell(arguments: tuple[str, ...]) -> None:
    """Open psql on the database; ARGUMENTS go to psql."""
    import subprocess

    from cynic.db.tools import program

    with open_database() as database:
        psql = program("psql")
        # The pager and the like belong to the person at the terminal: psql inherits everything.
        done = subprocess.run(
            [psql, "-d", database.conninfo, *arguments], check=False, env=os.environ
        )
    click.get_current_context().exit(done.returncode)
