"""Builds a valid row for any table: what must be given is given, parents are made first, the rest stays default."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from expectations import Range, Words
from psycopg import sql
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg
    from expectations import Expectation

_COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, NULL),
           -- A key with a default, as 'default' is for services, is given too: the default's row may be there already.
           (a.attnotnull AND NOT a.atthasdef) OR (a.atttypid = 'varchar'::regtype AND EXISTS (
               SELECT FROM pg_constraint AS k
               WHERE k.conrelid = c.oid AND k.contype = 'u' AND k.conkey = ARRAY[a.attnum]))
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
      AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity = ''
    ORDER BY a.attnum
"""
_PARENTS = """
    SELECT c.relname, a.attname, f.relname, b.attname
    FROM pg_constraint AS k
    JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_class AS f ON f.oid = k.confrelid
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
    JOIN pg_attribute AS b ON b.attrelid = f.oid AND b.attnum = k.confkey[1]
    WHERE k.contype = 'f' AND k.connamespace = current_schema()::regnamespace
"""
COMPANIONS: Mapping[str, Mapping[str, object]] = {
    # A row may say ANCHORED only with the transaction that anchored it.
    "judgments": {"anchor_tx": "signature"},
}


class RowBuilder:
    """Inserts rows over one connection; the caller decides what is rolled back."""

    def __init__(self, conn: psycopg.Connection, expected: Mapping[str, Expectation]) -> None:
        self._conn = conn
        self._expected = expected
        self._number = count(1)
        self._columns: dict[str, dict[str, tuple[str, bool]]] = {}
        for table, column, kind, required in conn.execute(_COLUMNS):
            self._columns.setdefault(table, {})[column] = (kind, required)
        self._parents = {(t, c): (parent, key) for t, c, parent, key in conn.execute(_PARENTS)}

    @property
    def tables(self) -> list[str]:
        """Every table, sorted."""
        return sorted(self._columns)

    def row(self, table: str) -> dict[str, Any]:
        """A valid row: its required columns, after the rows that they refer to were inserted."""
        return {
            **{
                column: self._value(table, column, kind)
                for column, (kind, required) in self._columns[table].items()
                if required
            },
            **COMPANIONS.get(table, {}),
        }

    def insert(self, table: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """Insert one row and return it as it was stored."""
        values = sql.SQL("({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(sql.Placeholder() * len(row)),
        )
        statement = sql.SQL("INSERT INTO {} {} RETURNING {}").format(
            sql.Identifier(table),
            values if row else sql.SQL("DEFAULT VALUES"),
            sql.SQL(", ").join(map(sql.Identifier, self._columns[table])),
        )
        stored = self._conn.execute(statement, list(row.values())).fetchone()
        assert stored is not None, f"{table}: a trigger swallowed the row"
        return dict(zip(self._columns[table], stored, strict=True))

    def _value(self, table: str, column: str, kind: str) -> Any:
        if (table, column) in self._parents:
            parent, key = self._parents[table, column]
            return self.insert(parent, self.row(parent))[key]
        match self._expected.get(f"{table}.{column}"):
            case Words(allowed):
                return allowed[0]
            case Range(low, high):
                inside = high if high is not None else (low or Decimal(0)) + 1
                return float(inside) if kind in {"real", "double precision"} else inside
            case None:
                return self._plain(kind)

    def _plain(self, kind: str) -> Any:
        if kind.endswith("[]"):
            return []
        number = next(self._number)
        made = {
            "uuid": uuid4(),
            "character varying": f"value {number}",
            "text": f"value {number}",
            "jsonb": Jsonb({}),
            "timestamp with time zone": datetime(2026, 1, 1, tzinfo=UTC),
            "boolean": False,
            "bigint": number,
            "integer": number,
            "smallint": number,
            "tsvector": "",
            "bytea": sha256(str(number).encode()).digest(),
        }
        return made[kind]
