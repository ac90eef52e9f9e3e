"""The schema as values: tables with their columns, keys, indexes and triggers, and the functions."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, LiteralString, cast

from cynic.db import sqlfile

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

DOMAINS = (
    "core",
    "learning",
    "dogs",
    "users",
    "system",
    "cost",
    "anchoring",
    "social",
    "discovery",
    "orchestration",
    "telemetry",
    "memory",
)
"""In the order in which the schema's document tells of them."""

_SHORT_TYPES = (
    ("character varying", "varchar"),
    ("timestamp with time zone", "timestamptz"),
    ("double precision", "double"),
)
_CAST = re.compile(
    r"::(?:character varying|text|jsonb|numeric|double precision|real|uuid|interval|regclass)(?:\[\])?(?!\w)"
)
_ONE_OF = re.compile(r"= ANY \(\(?ARRAY\[([^\]]*)\]\)?\)")
_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("model.sql")))


def short(expression: str) -> str:
    """Write an expression as a person would: without casts that only repeat a type, and with IN lists."""
    return _ONE_OF.sub(r"IN (\1)", _CAST.sub("", " ".join(expression.split())))


class ModelError(Exception):
    """The schema breaks a convention that the generated files rest on."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column, in the words of the server."""

    name: str
    type: str
    not_null: bool
    default: str | None
    """Also the expression of a generated column."""
    generated: bool
    comment: str | None

    @property
    def short_type(self) -> str:
        """The type under its usual short name."""
        text = self.type
        for long, short in _SHORT_TYPES:
            text = text.replace(long, short)
        return text

    @property
    def short_default(self) -> str | None:
        """The default without the casts that only repeat the column's type."""
        return None if self.default is None else short(self.default)


@dataclass(frozen=True, slots=True)
class Constraint:
    """A key or a CHECK; `target` is the table that a foreign key refers to."""

    name: str
    kind: Literal["p", "u", "x", "f", "c"]
    definition: str
    target: str | None
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """An index that is no key's own."""

    name: str
    definition: str
    comment: str | None

    @property
    def summary(self) -> str:
        """The method, the columns and the condition, without the names of table and index."""
        return self.definition.partition(" USING ")[2]

    @property
    def unique(self) -> bool:
        """Whether it also refuses a second row of the same."""
        return self.definition.startswith("CREATE UNIQUE")


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger with the function it calls; `always` fires under replication, too."""

    name: str
    definition: str
    always: bool
    function: str
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table; its comment begins with its domain, which is cut off here."""

    name: str
    domain: str
    comment: str
    columns: tuple[Column, ...]
    constraints: tuple[Constraint, ...]
    indexes: tuple[Index, ...]
    triggers: tuple[Trigger, ...]

    def keys(self, kind: str) -> list[Constraint]:
        """Choose the constraints of one kind: p primary, u unique, f foreign key, c check."""
        return [constraint for constraint in self.constraints if constraint.kind == kind]

    def marks(self, column: str) -> str:
        """PK, FK, UK for the keys that the column is part of."""
        names = (("p", "PK"), ("f", "FK"), ("u", "UK"))
        return " ".join(
            mark for kind, mark in names if any(column in k.columns for k in self.keys(kind))
        )


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the schema."""

    name: str
    arguments: str
    result: str
    comment: str
    volatility: str
    definer: bool
    body: str


@dataclass(frozen=True, slots=True)
class Schema:
    """Everything that the generated files tell of."""

    tables: Mapping[str, Table]
    functions: tuple[Function, ...]

    def of_domain(self, domain: str) -> list[Table]:
        """List the tables of one domain by name."""
        return [table for table in self.tables.values() if table.domain == domain]


def read(conn: psycopg.Connection) -> Schema:
    """Read the schema that the search_path names first; raises `ModelError` on a table without a domain."""
    columns = _grouped(conn, "columns")
    constraints = _grouped(conn, "constraints")
    indexes = _grouped(conn, "indexes")
    triggers = _grouped(conn, "triggers")
    tables: dict[str, Table] = {}
    for table, comment in conn.execute(_SQL["tables"]):
        domain, _, text = comment.partition(": ")
        if domain not in DOMAINS or not text:
            raise ModelError(f"the comment of table {table} must begin with its domain and a colon")
        tables[table] = Table(
            name=table,
            domain=domain,
            comment=text,
            columns=tuple(Column(*row) for row in columns[table]),
            constraints=tuple(
                Constraint(name, kind, definition, target, tuple(own))
                for name, kind, definition, target, own in constraints[table]
            ),
            indexes=tuple(Index(*row) for row in indexes[table]),
            triggers=tuple(Trigger(*row) for row in triggers[table]),
        )
    return Schema(tables, tuple(Function(*row) for row in conn.execute(_SQL["functions"])))


def _grouped(conn: psycopg.Connection, statement: str) -> defaultdict[str, list[tuple[Any, ...]]]:
    groups: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for name, *rest in conn.execute(_SQL[statement]):
        groups[name].append(tuple(rest))
    return groups
