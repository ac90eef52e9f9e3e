"""What the commands share: settings, an open database, progress on a terminal, and output."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import click

from cynic.base.settings import Settings, load

if TYPE_CHECKING:
    from collections.abc import Generator

    from cynic.db.connect import Database
    from cynic.memory import Memory

json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on standard output."
)
schema_option = click.option(
    "--schema", metavar="NAME", help="Schema that holds the tables; one tenant is one schema."
)


def settings(schema: str | None = None) -> Settings:
    """The settings of this command: its options, then the group's, then the environment."""
    given = cast("dict[str, str | None]", click.get_current_context().find_root().obj or {})
    return load(database=given.get("database"), schema=schema or given.get("schema"))


@contextmanager
def open_database(schema: str | None = None) -> Generator[Database]:
    """The database of this command, started first if it is the embedded one."""
    from cynic.db.connect import database

    with database(settings(schema), progress=say) as found:
        yield found


@contextmanager
def open_memory(schema: str | None) -> Generator[Memory]:
    """The memory of this command; what it left for the shared counters is folded at its end."""
    from cynic.memory import Memory, ready

    with open_database(schema) as database:
        ready(database)
        with Memory(database, pool_size=1) as memory:
            yield memory
            memory.fold()


def say(message: str) -> None:
    """Talk to the person: on standard error, so that standard output stays data."""
    click.echo(message, err=True)


def emit(document: object) -> None:
    """Print one JSON document on standard output."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2, default=str))


class FileProgress:
    """Progress of a run of files: one line that is rewritten on a terminal, silence elsewhere."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._width = 0
        self._live = sys.stderr.isatty()

    def __call__(self, done: int, total: int, name: str) -> None:
        """Show that `done` of `total` are done and `name` is next."""
        if not self._live:
            return
        line = f"{self._verb} {done}/{total}  {name}"
        click.echo("\r" + line.ljust(self._width), err=True, nl=False)
        self._width = len(line)

    def close(self) -> None:
        """Wipe the line."""
        if self._live and self._width:
            click.echo("\r" + " " * self._width + "\r", err=True, nl=False)
