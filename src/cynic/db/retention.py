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

_PREFIX = "cleanup_"
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
    for rule in rules(conn):
        if dry_run:
            yield Cleaned(rule, _dry(conn, rule, batch_rows))
        else:
            yield Cleaned(rule, sum(batches(conn, rule, batch_rows=batch_rows)))


def rules(conn: psycopg.Connection) -> list[str]:
    """Every rule of the schema, by name."""
    rows = conn.execute(_SQL["functions"]).fetchall()
    return [str(name).removeprefix(_PREFIX) for name, _ in rows]


def batches(conn: psycopg.Connection, rule: str, *, batch_rows: int = BATCH_ROWS) -> Iterator[int]:
    """Apply one rule until it finds nothing more; give the rows of each batch, which is committed by then."""
    while True:
        with conn.transaction():
            rows = sum(_one_batch(conn, rule, batch_rows))
        if not rows:
            return
        yield rows


def _dry(conn: psycopg.Connection, rule: str, batch_rows: int) -> int:
    import psycopg

    rows = 0
    with conn.transaction():
        rows = sum(batches(conn, rule, batch_rows=batch_rows))
        raise psycopg.Rollback
    return rows


def _one_batch(conn: psycopg.Connection, rule: str, batch_rows: int) -> list[int]:
    """Rows removed by one call: one number per table that the rule spans."""
    call = sql.SQL("SELECT * FROM {}(p_batch => {})").format(
        sql.Identifier(f"{_PREFIX}{rule}"), sql.Placeholder()
    )
    row = conn.execute(call, [batch_rows]).fetchone()
    return [int(count) for count in row or ()]
