"""Which reports are one call: of a model, and of a tool.

Two instrumentations of one call report it twice, nested in one trace or apart in two; a response id then names it. Some
servers give one id to several calls, so an id alone is not enough: two reports are one call only when they were under
way at the same time. The earliest report owns the call, whichever came first, so that the order of arrival changes
nothing; what it does not tell is filled in from the others.

Times are microseconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from decimal import Decimal

    from cynic.domains.telemetry.otlp.logs import EventRecord
    from cynic.domains.telemetry.otlp.spans import SpanRecord

SLACK_US: Final = 1_000_000
"""Two instrumentations need not agree to the microsecond on when a call was under way."""
UNKNOWN: Final = "unknown"


@dataclass(slots=True, kw_only=True)
class Call:
    """One call of a model, as a row of `llm_usage`. `row_id` is None while it is not stored."""

    row_id: int | None = None
    call_key: str
    adapter: str
    model: str
    response_id: str | None
    trace_id: str | None
    span_id: str | None
    session_id: str | None
    operation: str | None
    status: str | None
    reported_by: str | None
    started_us: int | None
    ended_us: int
    duration_ms: int | None
    tokens_input: int
    tokens_output: int
    tokens_cache_read: int | None
    tokens_cache_write: int | None
    tokens_reasoning: int | None
    claimed_cost_usd: Decimal | None
    is_usage_told: bool
    is_input_exclusive: bool
    cost_usd: Decimal | None = field(default=None, compare=False)
    """Our price, no part of what reports say; None while none is known."""
    ledger_id: int | None = field(default=None, compare=False)
    """The row of the ledger in which it was booked."""


@dataclass(slots=True, kw_only=True)
class Tool:
    """One call of a tool, as a row of `tool_usage`. Documents are JSON text; `row_id` is None while it is not stored."""

    row_id: int | None = None
    call_id: str
    tool_name: str
    parameters: str | None
    result: str | None
    duration_ms: int | None
    status: str
    started_us: int
    ended_us: int
    session_id: str | None
    trace_id: str | None
    span_id: str | None
    error_type: str | None = None


def of_span(span: SpanRecord) -> Call:
    """The call that a span of a model reports."""
    key = f"{span.trace_id} {span.span_id}"
    return _call(
        span, key, span.trace_id, span.span_id, span.start_ns, span.end_ns or span.start_ns
    )


def of_event(event: EventRecord) -> Call:
    """The call that an event alone reports; it has no place in a trace."""
    return _call(event, f"event {event.digest.hex()}", None, None, event.start_ns, event.time_ns)


def _call(
    item: SpanRecord | EventRecord,
    key: str,
    trace_id: str | None,
    span_id: str | None,
    start_ns: int,
    end_ns: int,
) -> Call:
    facts = item.facts
    assert facts is not None  # noqa: S101 - callers choose calls by their facts
    adapter = facts.provider or UNKNOWN
    return Call(
        call_key=key if facts.response_id is None else f"{adapter} {facts.response_id}",
        adapter=adapter,
        model=facts.model or UNKNOWN,
        response_id=facts.response_id,
        trace_id=trace_id,
        span_id=span_id,
        session_id=facts.session_id or item.session_id,
        operation=facts.operation,
        status=item.status,
        reported_by=item.scope or None,
        started_us=start_ns // 1000,
        ended_us=end_ns // 1000,
        duration_ms=item.duration_ms,
        tokens_input=facts.tokens_input or 0,
        tokens_output=facts.tokens_output or 0,
        tokens_cache_read=facts.tokens_cache_read,
        tokens_cache_write=facts.tokens_cache_write,
        tokens_reasoning=facts.tokens_reasoning,
        claimed_cost_usd=facts.cost_usd,
        is_usage_told=facts.is_usage_told,
        is_input_exclusive=facts.is_input_exclusive,
    )


def is_same_call(one: Call, other: Call) -> bool:
    """Whether two reports with one response id are of one call."""
    if one.adapter != other.adapter and UNKNOWN not in {one.adapter, other.adapter}:
        return False
    if one.started_us is None or other.started_us is None:
        return True  # a transcript knows no beginning, and never repeats an id
    slack = SLACK_US if one.reported_by != other.reported_by else 0
    return _overlap(one.started_us, one.ended_us, other.started_us, other.ended_us, slack)


def is_same_tool(one: Tool, other: Tool) -> bool:
    """Whether two reports with one id of a tool call are of one call."""
    if one.trace_id is None or other.trace_id is None:
        return True
    return _overlap(one.started_us, one.ended_us, other.started_us, other.ended_us, 0)


def _overlap(start: int, end: int, other_start: int, other_end: int, slack: int) -> bool:
    return start == other_start or (start - slack < other_end and other_start - slack < end)


def _owner(call: Call) -> tuple[bool, int, str, str]:
    """The least owns the call: a span before an event, the earliest before the others."""
    return (call.trace_id is None, call.started_us or 0, call.trace_id or "", call.span_id or "")


def combined(stored: Call, report: Call) -> Call:
    """The call after one more report of it; keeps the row, the key and, of a repeated report, what is new."""
    first, second = sorted((report, stored), key=_owner)
    told = first if first.is_usage_told else second
    other = second if told is first else first
    both = told.is_usage_told and other.is_usage_told
    return replace(
        first,
        row_id=stored.row_id,
        ledger_id=stored.ledger_id,
        call_key=stored.call_key,
        response_id=stored.response_id or report.response_id,
        adapter=first.adapter if first.adapter != UNKNOWN else second.adapter,
        model=first.model if first.model != UNKNOWN else second.model,
        session_id=first.session_id or second.session_id,
        operation=first.operation or second.operation,
        status=second.status if first.status in {None, "unset"} else first.status,
        tokens_input=max(told.tokens_input, other.tokens_input) if both else told.tokens_input,
        tokens_output=max(told.tokens_output, other.tokens_output) if both else told.tokens_output,
        tokens_cache_read=_most(told.tokens_cache_read, other.tokens_cache_read),
        tokens_cache_write=_most(told.tokens_cache_write, other.tokens_cache_write),
        tokens_reasoning=_most(told.tokens_reasoning, other.tokens_reasoning),
        claimed_cost_usd=first.claimed_cost_usd
        if first.claimed_cost_usd is not None
        else second.claimed_cost_usd,
        is_usage_told=told.is_usage_told,
        is_input_exclusive=first.is_input_exclusive or second.is_input_exclusive,
    )


def _most(one: int | None, other: int | None) -> int | None:
    known = [number for number in (one, other) if number is not None]
    return max(known, default=None)


def combined_tool(stored: Tool, report: Tool) -> Tool:
    """The tool call after one more report of it."""
    if (
        stored.trace_id is None
    ):  # from a hook or a transcript: it knows the call, the span knows its place
        return replace(
            stored,
            trace_id=report.trace_id,
            span_id=report.span_id,
            duration_ms=report.duration_ms if stored.duration_ms is None else stored.duration_ms,
            status=report.status if stored.status == "pending" else stored.status,
            result=None,
        )
    first, second = sorted(
        (stored, report), key=lambda tool: (tool.started_us, -tool.ended_us, tool.span_id or "")
    )
    return replace(
        first,
        row_id=stored.row_id,
        call_id=stored.call_id,
        parameters=first.parameters or second.parameters,
        result=first.result or second.result,
        session_id=first.session_id or second.session_id,
        status="error" if "error" in {first.status, second.status} else first.status,
        error_type=first.error_type or second.error_type,
    )
