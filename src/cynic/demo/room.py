"""Where a demonstration works: a schema of its own that no other one works in, and a folder for its pictures."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from psycopg import sql

from cynic.base.errors import ConflictError, TryAgainError, UnavailableError
from cynic.db import sqlfile
from cynic.db.migrate import Migrator, drop_schema

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    import psycopg

    from cynic.db.connect import Database

SCHEMA: Final = "cynic_demo"
MARK: Final = "domain: demo. Made by `cynic demo`, which drops it and makes it anew each time."
"""The schema's comment. Only a schema that has it is ever dropped."""

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("room.sql")))


class DemoRunningError(TryAgainError):
    """Another demonstration works in the schema."""

    code = "demo-running"


class NotADemoError(ConflictError):
    """The schema exists and was not made by a demonstration."""

    code = "not-a-demo"


class OutputError(UnavailableError):
    """The pictures cannot be written where they should be."""

    code = "output-not-writable"


@contextmanager
def held(database: Database) -> Generator[psycopg.Connection]:
    """A connection that holds the demonstration's schema until it closes, however that comes about.

    `DemoRunningError` when another one does; `NotADemoError` when the schema is somebody's own.
    """
    with database.connect(new_schema=True) as conn:
        row = conn.execute(_SQL["hold"], {"schema": SCHEMA}).fetchone()
        if not (row and row[0]):
            raise DemoRunningError(
                f"another cynic demo works in the schema {SCHEMA} of this database",
                hint="wait until it has ended",
            )
        _check(conn)
        yield conn


def make_anew(conn: psycopg.Connection) -> None:
    """The schema, empty and migrated; `conn` holds it."""
    _check(conn)
    drop_schema(conn, SCHEMA)
    with conn.transaction():
        name = sql.Identifier(SCHEMA)
        conn.execute(sql.SQL("CREATE SCHEMA {}").format(name))
        conn.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(name, sql.Literal(MARK)))
    Migrator(conn, SCHEMA).up()


def _check(conn: psycopg.Connection) -> None:
    row = conn.execute(_SQL["comment"], {"schema": SCHEMA}).fetchone()
    if row is not None and row[0] != MARK:
        raise NotADemoError(
            f"the schema {SCHEMA} was not made by a demo, so it stays as it is",
            hint=f"if nothing in it matters: ALTER SCHEMA {SCHEMA} RENAME TO … or DROP SCHEMA {SCHEMA} CASCADE",
        )


def make_folder(folder: Path, names: Iterable[str]) -> None:
    """Make the folder and try to write in it; `OutputError` before any work rather than after it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"0")
        for path in (folder / name for name in names):
            if path.exists():
                path.open("ab").close()
    except OSError as error:
        raise _unwritable(folder, error) from error


def write(folder: Path, drawn: Mapping[str, str]) -> list[Path]:
    """Write each file; `OutputError` when one cannot be."""
    try:
        for name, text in drawn.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise _unwritable(folder, error) from error
    return [folder / name for name in drawn]


def _unwritable(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        f"pictures cannot be written to {folder}: {error.strerror or error}",
        hint="name another folder with --out",
    )
