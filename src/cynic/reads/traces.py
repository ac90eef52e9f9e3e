"""Traces: pages of them, newest or dearest first, and one as a tree of spans with times, tokens and errors."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, LiteralString, cast

from psycopg.rows import class_row, dict_row

from cynic.base.errors import NotFoundError
from cynic.db import sqlfile
from cynic.domains.telemetry import span_tree
from cynic.reads.place import BadQueryError, numbered_cost, numbered_cursor, numbered_time
from cynic.reads.sessions import plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    import psycopg

PAGE_ROWS_DEFAULT: Final = 20
PAGE_ROWS_MAX: Final = 500
SPANS_MAX: Final = 5_000
"""Spans shown of one trace, those that began first; `span_count` says how many there are."""
ERROR_CHARACTERS_MAX: Final = 2_000

Order = Literal["newest", "cost"]

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("traces.sql")))


class NoSuchTraceError(NotFoundError):
    """No trace has this id."""

    code = "no-such-trace"


class NoSuchSpanError(NotFoundError):
    """The trace has no span with this id."""

    code = "no-such-span"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which traces; all conditions hold together. A moment without an offset is UTC."""

    session_id: str | None = None
    service: str | None = None
    operation: str | None = None
    failed: bool = False
    """Only those in which a span ended in an error."""
    since: datetime | None = None
    """Begun at this moment or later."""
    until: datetime | None = None
    """Begun before this moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One trace as a list shows it. What was not told is None, and not 0."""

    id: int
    trace_id: str
    operation: str
    service_name: str | None
    session_id: str | None
    root_span_id: str | None
    """None until the root has come."""
    started_at: datetime
    ended_at: datetime | None
    duration_ms: int | None
    status: str
    span_count: int
    error_count: int
    tokens_input: int | None
    """Of the model calls counted in this trace, cached ones included; None when no call told any."""
    tokens_output: int | None
    order_usd: Decimal | None
    """What the list by cost is ordered by."""
    model_calls: int
    """Calls that are counted in this trace; one that another trace reports as well may be counted there."""
    cost_usd: Decimal | None
    """Of the calls whose price is known; None when no price is."""
    unpriced_calls: int
    """How many model calls `cost_usd` does not hold."""

    def document(self) -> dict[str, object]:
        """The line as JSON values; money as text, exact."""
        found = cast("dict[str, object]", plain(asdict(self)))
        del found["id"], found["order_usd"]
        return found


@dataclass(frozen=True, slots=True)
class Page:
    """Traces in the order asked for; `cursor` leads to the next page and is None on the last one."""

    lines: list[Line]
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A model call that is counted, as the span that stands for it shows it."""

    adapter: str
    model: str
    tokens_input: int | None
    """None when the call told no tokens."""
    tokens_output: int | None
    tokens_cache_read: int | None
    tokens_cache_write: int | None
    tokens_reasoning: int | None
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One span at its place in the tree."""

    span_id: str
    parent_span_id: str | None
    depth: int
    standing: str
    """root, child, orphan (its parent is not here) or cycle (its parents lead back to it)."""
    children: int
    operation: str
    kind: str
    status: str
    error: str | None
    started_at: datetime
    ended_at: datetime | None
    duration_ms: int | None
    tool: str | None
    tool_status: str | None
    calls: tuple[Call, ...]
    """The model calls that this span is counted for."""
    claimed_input: int | None
    """Tokens that the span tells and that are not counted here: a roll-up, or a call that another span is counted for."""
    claimed_output: int | None


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace: its line, and its spans depth first."""

    line: Line
    spans: list[Span]

    def document(self) -> dict[str, object]:
        """The trace as JSON values."""
        spans = [cast("dict[str, object]", plain(asdict(span))) for span in self.spans]
        return {**self.line.document(), "spans": spans}


def page(
    conn: psycopg.Connection,
    filters: Filters | None = None,
    *,
    order: Order = "newest",
    limit: int = PAGE_ROWS_DEFAULT,
    cursor: str | None = None,
) -> Page:
    """Read one page. By cost, traces without a known price are left out: they have no place in that order."""
    filters = filters or Filters()
    if not 1 <= limit <= PAGE_ROWS_MAX:
        raise BadQueryError(f"a page has 1 to {PAGE_ROWS_MAX} traces, not {limit}")
    parameters: dict[str, object] = {
        "session_id": filters.session_id,
        "service": filters.service,
        "operation": filters.operation,
        "failed": filters.failed,
        "since": _aware(filters.since),
        "until": _aware(filters.until),
        "limit": limit + 1,
    }
    if order == "cost":
        name = "dearest"
        parameters["before_usd"], parameters["before_id"] = numbered_cost(cursor)
    else:
        name = "of_session" if filters.session_id else "failed" if filters.failed else "newest"
        parameters["before_at"], parameters["before_id"] = numbered_time(cursor)
    with conn.cursor(row_factory=class_row(Line)) as rows:
        found = rows.execute(_SQL[name], parameters).fetchall()
    kept = found[:limit]
    more = len(found) > limit
    return Page(kept, _cursor(kept[-1], order) if more else None)


def one(conn: psycopg.Connection, trace_id: str) -> Trace:
    """One trace with its spans."""
    parameters = {"trace_id": trace_id, "limit": SPANS_MAX}
    with conn.cursor(row_factory=class_row(Line)) as lines:
        line = lines.execute(_SQL["one"], parameters).fetchone()
    if line is None:
        raise NoSuchTraceError(f"there is no trace {trace_id}")
    with conn.cursor(row_factory=dict_row) as rows:
        spans = rows.execute(_SQL["spans"], parameters).fetchall()
        calls = rows.execute(_SQL["model_calls"], parameters).fetchall()
        tools = rows.execute(_SQL["tool_calls"], parameters).fetchall()
    return Trace(line, _placed(spans, calls, tools))


def span(conn: psycopg.Connection, trace_id: str, span_id: str) -> dict[str, object]:
    """Everything that one span said: its attributes and the rest of it, as they came."""
    parameters = {"trace_id": trace_id, "span_id": span_id}
    row = conn.execute(_SQL["span"], parameters).fetchone()
    if row is None:
        raise NoSuchSpanError(f"trace {trace_id} has no span {span_id}")
    return {"trace_id": trace_id, "span_id": span_id, "attributes": row[0], "envelope": row[1]}


def _placed(
    spans: list[dict[str, object]], calls: list[dict[str, object]], tools: list[dict[str, object]]
) -> list[Span]:
    counted: dict[object, list[Call]] = {}
    for row in calls:
        told = row.pop("is_usage_told")
        span_id = row.pop("span_id")
        if not told:
            row |= {"tokens_input": None, "tokens_output": None}
        counted.setdefault(span_id, []).append(Call(**row))  # pyright: ignore[reportArgumentType]
    used = {row["span_id"]: row for row in tools}
    ids = [cast("tuple[str, str | None]", (s["span_id"], s["parent_span_id"])) for s in spans]
    placed: list[Span] = []
    for node in span_tree.tree(ids):
        row = spans[node.index]
        own = tuple(counted.get(row["span_id"], ()))
        if own:
            row |= {"claimed_input": None, "claimed_output": None}
        error = cast("str | None", row["error"])
        row["error"] = error[:ERROR_CHARACTERS_MAX] if error else None
        tool = used.get(row["span_id"], {})
        placed.append(
            Span(
                **row,  # pyright: ignore[reportArgumentType]
                depth=node.depth,
                standing=node.standing,
                children=node.children,
                tool=cast("str | None", tool.get("tool_name")),
                tool_status=cast("str | None", tool.get("status")),
                calls=own,
            )
        )
    return placed


def _cursor(line: Line, order: Order) -> str:
    if order == "cost":
        return numbered_cursor(cast("Decimal", line.order_usd), line.id)
    return numbered_cursor(line.started_at, line.id)


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
