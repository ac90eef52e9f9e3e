"""Retention: call every cleanup function of the schema until it finds nothing more.

The rules live in the database, one function per rule, so that a scheduler inside it can run the same ones.
Each call deletes one batch in a transaction of its own: no long lock, no long transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString, cast

from psycopg import sql

from cynic.db import sqlfile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import psycopg

BATCH_ROWS = 10_000

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("retention.sql")))


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What one rule removed."""

    rule: str
    """The function's name without `cleanup_`."""
    rows: int


def run(
    conn: psycopg.Connection, *, dry_run: bool = False, batch_rows: int = BATCH_ROWS
) -> Iterator[Cleaned]:
    """Apply every rule in turn; with `dry_run` count what would go and keep it.

    A dry run deletes and rolls back, rule by rule, so it sees exactly what a run would remove.
    """
    for name, _ in conn.execute(_SQL["functions"]).fetchall():
        rows = _dry(conn, name, batch_rows) if dry_run else _until_done(conn, name, batch_rows)
        yield Cleaned(str(name).removeprefix("cleanup_"), rows)


def _dry(conn: psycopg.Connection, name: str, batch_rows: int) -> int:
    import psycopg

    rows = 0
    with conn.transaction():
        rows = _until_done(conn, name, batch_rows)
        raise psycopg.Rollback
    return rows


def _until_done(conn: psycopg.Connection, name: str, batch_rows: int) -> int:
    total = 0
    while True:
        with conn.transaction():
            counts = _one_batch(conn, name, batch_rows)
        total += sum(counts)
        if max(counts, default=0) < batch_rows:
            return total


def _one_batch(conn: psycopg.Connection, name: str, batch_rows: int) -> list[int]:
    """Rows removed by one call: one number per table that the rule spans."""
    call = sql.SQL("SELECT * FROM {}(p_batch => {})").format(
        sql.Identifier(name), sql.Placeholder()
    )
    row = conn.execute(call, [batch_rows]).fetchone()
    return [int(count) for count in row or ()]
