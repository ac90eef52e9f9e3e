"""The shapes of the answers about traces and usage, as OpenAPI shows them. What was not told is null, and not 0."""

from __future__ import annotations

from datetime import date, datetime  # noqa: TC003  # pydantic reads them
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from cynic.api.session_models import Money  # noqa: TC001  # pydantic reads it

Number = Annotated[str, Field(pattern=r"^-?\d+(\.\d+)?$", description="exact, as text")]


class TraceLine(BaseModel):
    """One trace as a list shows it."""

    trace_id: str
    operation: str
    service_name: str | None
    session_id: str | None
    root_span_id: Annotated[str | None, Field(description="null until the root has come")]
    started_at: datetime
    ended_at: datetime | None
    duration_ms: int | None
    status: Literal["unset", "ok", "error"]
    span_count: int
    error_count: int
    tokens_input: Annotated[int | None, Field(description="of the model calls counted here")]
    tokens_output: int | None
    model_calls: int
    cost_usd: Annotated[Money | None, Field(description="of the calls whose price is known")]
    unpriced_calls: int


class TracePage(BaseModel):
    """Traces, newest or dearest first; `cursor` leads to the next page."""

    traces: list[TraceLine]
    cursor: str | None


class CallShown(BaseModel):
    """A model call that is counted. Cache and reasoning tokens are parts, not extras."""

    adapter: str
    model: str
    tokens_input: int | None
    tokens_output: int | None
    tokens_cache_read: int | None
    tokens_cache_write: int | None
    tokens_reasoning: int | None
    cost_usd: Money | None


class SpanShown(BaseModel):
    """A span at its place: spans come depth first, each after its parent."""

    span_id: str
    parent_span_id: str | None
    depth: int
    standing: Annotated[
        Literal["root", "child", "orphan", "cycle"],
        Field(description="orphan: its parent is not here; cycle: its parents lead back to itself"),
    ]
    children: int
    operation: str
    kind: str
    status: Literal["unset", "ok", "error"]
    error: str | None
    started_at: datetime
    ended_at: datetime | None
    duration_ms: int | None
    tool: str | None
    tool_status: str | None
    calls: list[CallShown]
    claimed_input: Annotated[
        int | None, Field(description="tokens that the span tells and that are not counted here")
    ]
    claimed_output: int | None


class TraceShown(TraceLine):
    """One trace with its spans, at most 5000 of them, those that began first."""

    spans: list[SpanShown]


class WholeSpan(BaseModel):
    """Everything that a span said."""

    trace_id: str
    span_id: str
    attributes: Any
    envelope: Any


class TokensShown(BaseModel):
    """What model calls told; sums hold only what was told, and the counts beside them say of how many calls."""

    calls: int
    untold_calls: Annotated[int, Field(description="calls that told no tokens")]
    tokens_input: int | None
    tokens_output: int | None
    tokens_cache_read: int | None
    tokens_cache_write: int | None
    tokens_reasoning: int | None
    cost_usd: Annotated[Money | None, Field(description="of the calls whose price is known")]
    unpriced_calls: int


class ModelDay(TokensShown):
    """One model on one day (UTC)."""

    day: date
    adapter: str
    model: str


class UsageShown(BaseModel):
    """Tokens by day and model, newest day first, and their sum; both ends are included."""

    since: date
    until: date
    total: TokensShown
    days: list[ModelDay]


class HourShown(BaseModel):
    """One metric in one hour; percentiles are measured values, null for counts and once they are not known any more."""

    hour_bucket: datetime
    metric_name: str
    operation: str | None
    adapter: str | None
    model: str | None
    sample_count: int | None
    value: Annotated[Number, Field(description="the sum")]
    p50: Number | None
    p95: Number | None
    p99: Number | None
    changing: Annotated[
        bool, Field(description="rows of the hour changed since; it will be computed anew")
    ]


class Hours(BaseModel):
    """A metric hour by hour, newest first."""

    hours: list[HourShown]


class StoreSnapshot(BaseModel):
    """How the store was at a moment."""

    captured_at: datetime
    database_bytes: int
    disk_free_bytes: Annotated[int | None, Field(description="null where it cannot be seen")]
    hours_waiting: int
    oldest_trace_at: datetime | None
    newest_trace_at: datetime | None
    tables: dict[str, dict[str, int | None]]


class StoreSnapshots(BaseModel):
    """Snapshots, newest first."""

    snapshots: list[StoreSnapshot]
