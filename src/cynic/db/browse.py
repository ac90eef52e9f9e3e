"""A generic reader of any table: filters, sort, keyset pages. It reads and never writes.

Names come from the caller and are checked against the catalogue before they stand in a query, always
quoted as identifiers; values are always parameters. Run it on a connection of the role `cynic_reader`,
which cannot write; the session is read-only besides.

A page ends with a cursor that says where the next one begins: by value, not by offset, so rows that
arrive or go between two pages neither repeat nor hide others.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString, cast

from psycopg import errors, sql

from cynic.base.errors import CynicError, InvalidDataError, NotFoundError, UsageError
from cynic.db import sqlfile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import psycopg

PAGE_ROWS_DEFAULT = 50
PAGE_ROWS_MAX = 1000

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("browse.sql")))

OPERATORS: Mapping[str, LiteralString] = {
    "=": "{column} = {value}",
    "!=": "{column} <> {value}",
    "<": "{column} < {value}",
    "<=": "{column} <= {value}",
    ">": "{column} > {value}",
    ">=": "{column} >= {value}",
    "~": "{column}::text ILIKE '%%' || {value} || '%%'",
    "has": "{value} = ANY ({column})",
}
"""Comparisons by the sign a caller writes; `~` is "contains, whatever the case", `has` is for arrays."""


class UnknownTableError(NotFoundError):
    """No table of that name in this schema."""

    code = "unknown-table"


class UnknownColumnError(InvalidDataError):
    """The table has no column of that name."""

    code = "unknown-column"


class TableForbiddenError(CynicError):
    """The table is there, and not for the reading role: it holds keys."""

    code = "table-forbidden"
    http_status = 403


class BadFilterError(InvalidDataError):
    """A filter, a sort or a value that cannot be read."""

    code = "bad-filter"


class BadCursorError(InvalidDataError):
    """The cursor belongs to another query, or is damaged."""

    code = "bad-cursor"


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition; `value` is None for IS NULL and IS NOT NULL ("=" and "!=" alone)."""

    column: str
    operator: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Sort:
    """One column of the order; NULLs come last in both directions."""

    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to read. Filters hold together (AND); the primary key is added to the sort by itself."""

    table: str
    columns: Sequence[str] = ()
    """Which columns; none means all."""
    filters: Sequence[Filter] = ()
    sort: Sequence[Sort] = ()
    limit: int = PAGE_ROWS_DEFAULT
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one page, in the order asked for; `cursor` is None on the last one."""

    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]
    cursor: str | None

    def documents(self) -> Iterator[dict[str, object]]:
        """Each row as a mapping from column to value."""
        for row in self.rows:
            yield dict(zip(self.columns, row, strict=True))


@dataclass(frozen=True, slots=True)
class Relation:
    """A table as the list of tables shows it."""

    name: str
    comment: str | None
    rows_estimate: int | None


def parse_filter(text: str) -> Filter:
    """Read `column<op>value`, as in `verdict=HOWL`, `q_score>=80`, `name~spam`, `tags has x`.

    The value `NULL` (in capitals) asks for a missing one.
    """
    if " has " in text:
        column, _, value = text.partition(" has ")
        return Filter(column.strip(), "has", value.strip())
    for index, sign in enumerate(text):
        if sign in "!<>=~":
            operator = text[index : index + 2] if text[index : index + 2] in OPERATORS else sign
            if operator not in OPERATORS:
                break
            value = text[index + len(operator) :]
            return Filter(text[:index].strip(), operator, None if value == "NULL" else value)
    raise BadFilterError(
        f"cannot read the filter {text!r}",
        hint=f"write COLUMN, one of {' '.join(OPERATORS)}, and a value",
    )


def parse_sort(text: str) -> Sort:
    """Read `column` or `-column`, the latter from large to small."""
    return Sort(text.removeprefix("-"), descending=text.startswith("-"))


def relations(conn: psycopg.Connection) -> list[Relation]:
    """Every table of the schema."""
    return [Relation(*row) for row in conn.execute(_SQL["relations"])]


def read(conn: psycopg.Connection, query: Query) -> Page:
    """Read one page.

    Raises `UnknownTableError`, `UnknownColumnError`, `BadFilterError` and `BadCursorError`; a value that
    does not fit its column's type is a `BadFilterError`.
    """
    if not 1 <= query.limit <= PAGE_ROWS_MAX:
        raise UsageError(f"a page has 1 to {PAGE_ROWS_MAX} rows, not {query.limit}")
    types = _columns(conn, query.table)
    shown = tuple(query.columns) or tuple(types)
    order = _order(conn, query)
    for name in (*shown, *(f.column for f in query.filters), *(s.column for s in order)):
        if name not in types:
            raise UnknownColumnError(
                f"{query.table} has no column {name}", details={"column": name}
            )
    statement, parameters = _Builder(query, types, shown, order).build()
    try:
        rows = conn.execute(statement, parameters).fetchall()
    except errors.InsufficientPrivilege as error:
        raise TableForbiddenError(f"{query.table} may not be read") from error
    except (errors.DataError, errors.UndefinedFunction) as error:
        said = error.diag.message_primary or error
        raise BadFilterError(f"{query.table}: {said}") from error
    more = len(rows) > query.limit
    kept = rows[: query.limit]
    width = len(shown)
    cursor = _encode(order, kept[-1][width:]) if more else None
    return Page(shown, [row[:width] for row in kept], cursor)


def read_all(conn: psycopg.Connection, query: Query) -> Iterator[Page]:
    """Read page after page to the end; memory holds one page."""
    cursor = query.cursor
    while True:
        page = read(
            conn,
            Query(
                table=query.table,
                columns=query.columns,
                filters=query.filters,
                sort=query.sort,
                limit=query.limit,
                cursor=cursor,
            ),
        )
        yield page
        cursor = page.cursor
        if cursor is None:
            return


def plain(value: object) -> object:
    """A cell of a table or a CSV file: JSON as text, everything else as it is."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value


def make_read_only(conn: psycopg.Connection) -> None:
    """Bound every statement of the session and refuse writes, whatever the role may do."""
    conn.execute(_SQL["limits"])


def _columns(conn: psycopg.Connection, table: str) -> dict[str, _Column]:
    if "\0" in table:
        raise UnknownTableError("there is no table of this name")
    rows = conn.execute(_SQL["columns"], {"table": table}).fetchall()
    types = {name: _Column(kind, required=required) for name, kind, required in rows}
    if not types:
        raise UnknownTableError(
            f"there is no table {table}",
            hint="cynic db browse lists them; cynic db status says whether the schema is up to date",
            details={"table": table},
        )
    return types


def _order(conn: psycopg.Connection, query: Query) -> list[Sort]:
    """The asked sort, completed by the primary key (or every column of a table without one)."""
    key = [row[0] for row in conn.execute(_SQL["key"], {"table": query.table})]
    asked = {sort.column for sort in query.sort}
    return [*query.sort, *(Sort(name) for name in key if name not in asked)]


def _encode(order: Sequence[Sort], values: Sequence[object]) -> str:
    document = [[sort.column, sort.descending] for sort in order], list(values)
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def _decode(order: Sequence[Sort], cursor: str) -> list[str | None]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        columns, values = json.loads(base64.urlsafe_b64decode(padded))
        texts = cast("list[object]", values) if isinstance(values, list) else [values]
    except (ValueError, TypeError, RecursionError) as error:
        raise BadCursorError("the cursor is damaged") from error
    if any(value is not None and not isinstance(value, str) for value in texts):
        raise BadCursorError("the cursor is damaged")
    if columns != [[sort.column, sort.descending] for sort in order] or len(texts) != len(order):
        raise BadCursorError("the cursor belongs to a query with another order")
    return cast("list[str | None]", texts)


@dataclass(frozen=True, slots=True)
class _Column:
    kind: str
    required: bool


@dataclass(slots=True)
class _Builder:
    """Composes one SELECT from checked names; every value is a parameter."""

    query: Query
    types: Mapping[str, _Column]
    shown: Sequence[str]
    order: Sequence[Sort]
    parameters: dict[str, object] = field(default_factory=dict[str, object])

    def build(self) -> tuple[sql.Composed, dict[str, object]]:
        """The statement and its parameters; each row carries its sort key as text behind it."""
        conditions = [self._filter(condition) for condition in self.query.filters]
        if self.query.cursor is not None:
            conditions.append(self._after(_decode(self.order, self.query.cursor)))
        columns = [sql.Identifier("t", name) for name in self.shown]
        keys = [sql.SQL("{}::text").format(sql.Identifier("t", s.column)) for s in self.order]
        statement = sql.SQL("SELECT {} FROM {} AS t").format(
            sql.SQL(", ").join([*columns, *keys]), sql.Identifier(self.query.table)
        )
        if conditions:
            statement += sql.SQL(" WHERE ") + sql.SQL(" AND ").join(conditions)
        if self.order:
            statement += sql.SQL(" ORDER BY ") + sql.SQL(", ").join(map(_direction, self.order))
        # One row more than asked tells whether there is a next page.
        return statement + sql.SQL(" LIMIT ") + self._value(
            self.query.limit + 1, "bigint"
        ), self.parameters

    def _filter(self, condition: Filter) -> sql.Composed:
        column = sql.Identifier("t", condition.column)
        if condition.value is None:
            if condition.operator not in {"=", "!="}:
                raise BadFilterError(f"NULL compares with = and != only, not {condition.operator}")
            test: LiteralString = "{} IS NULL" if condition.operator == "=" else "{} IS NOT NULL"
            return sql.SQL(test).format(column)
        plain = condition.operator == "~"
        kind = self.types[condition.column].kind
        if condition.operator == "has":
            if not kind.endswith("[]"):
                raise BadFilterError(f"{condition.column} is no array: `has` does not apply")
            kind = kind.removesuffix("[]")
        value = self._value(
            _escape(condition.value) if plain else condition.value, "text" if plain else kind
        )
        return sql.SQL(OPERATORS[condition.operator]).format(column=column, value=value)

    def _after(self, values: Sequence[str | None]) -> sql.Composed:
        """Rows that come after `values`: equal in the first n columns and later in the next one."""
        alternatives: list[sql.Composable] = []
        equal: list[sql.Composable] = []
        for sort, value in zip(self.order, values, strict=True):
            column = sql.Identifier("t", sort.column)
            kind = self.types[sort.column].kind
            if value is None:  # NULLs are last: nothing of this column comes after one
                equal.append(sql.SQL("{} IS NULL").format(column))
                continue
            bound = self._value(value, kind)
            later: LiteralString = "{0} < {1}" if sort.descending else "{0} > {1}"
            if not self.types[sort.column].required:
                later = f"({later} OR {{0}} IS NULL)"  # where it cannot be, an index is enough
            steps = [*equal, sql.SQL(later).format(column, bound)]
            alternatives.append(sql.SQL("({})").format(sql.SQL(" AND ").join(steps)))
            equal.append(sql.SQL("{} = {}").format(column, bound))
        return sql.SQL("({})").format(sql.SQL(" OR ").join(alternatives or [sql.SQL("false")]))

    def _value(self, value: object, kind: str) -> sql.Composed:
        """A parameter that compares as the column's own type (a name from the catalogue)."""
        name = f"v{len(self.parameters)}"
        self.parameters[name] = value
        return sql.Placeholder(name) + sql.SQL(cast("LiteralString", f"::{kind}"))


def _direction(sort: Sort) -> sql.Composed:
    way: LiteralString = "{} DESC NULLS LAST" if sort.descending else "{} ASC NULLS LAST"
    return sql.SQL(way).format(sql.Identifier("t", sort.column))


def _escape(text: str) -> str:
    """Let `%` and `_` mean themselves in a pattern."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
