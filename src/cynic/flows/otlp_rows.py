"""Between the records of telemetry and the rows of its tables, in the order in which `otlp_store.sql` names columns.

Times are microseconds since 1970 in records and timestamps in rows.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from cynic.domains.telemetry.otlp.calls import Call, Tool
from cynic.domains.telemetry.otlp.merge import Trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cynic.db.copying import Kind
    from cynic.domains.telemetry.otlp.logs import EventRecord
    from cynic.domains.telemetry.otlp.spans import SpanRecord

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
TRACES: Final[Sequence[Kind]] = (
    "text", "text", "time", "time", "int4", "text", "json", "text", "text", "text", "int4", "int4", "int8", "int8",
    "numeric",
)  # fmt: skip
SPANS: Final[Sequence[Kind]] = (
    "text", "text", "text", "text", "time", "time", "int4", "json", "text", "text", "text", "int8", "int8", "json", "int4",
)  # fmt: skip
CALLS: Final[Sequence[Kind]] = (
    "text", "text", "int4", "int4", "int4", "time", "text", "text", "int4", "int4", "text", "text", "text", "text",
    "text", "time", "text", "int4", "numeric", "bool", "bool", "numeric", "int8",
)  # fmt: skip
TOOLS: Final[Sequence[Kind]] = (
    "text", "json", "json", "int4", "text", "time", "text", "text", "text", "text",
)  # fmt: skip
EVENTS: Final[Sequence[Kind]] = (
    "bytes", "text", "text", "text", "text", "time", "int2", "json", "json", "json", "int4",
)  # fmt: skip


def us(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def time(at_us: int) -> datetime:
    """The timestamp of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=at_us)


def read_trace(row: tuple[Any, ...]) -> Trace:
    """A row of `stored_traces`."""
    return Trace(
        trace_id=row[0],
        operation=row[1],
        started_us=us(row[2]),
        ended_us=None if row[3] is None else us(row[3]),
        status=row[4],
        root_span_id=row[5],
        session_id=row[6],
        service_name=row[7],
        span_count=row[8],
        error_count=row[9],
        tokens_input=row[10],
        tokens_output=row[11],
        root_session=row[12],
        cost_usd=row[13],
        is_stored=True,
    )


def read_call(row: tuple[Any, ...]) -> Call:
    """A row of `stored_calls`."""
    started_at, ended_at = row[11], row[12]
    return Call(
        row_id=row[0],
        call_key=row[1] or f"row {row[0]}",
        adapter=row[2],
        model=row[3],
        response_id=row[4],
        trace_id=row[5],
        span_id=row[6],
        session_id=row[7],
        operation=row[8],
        status=row[9],
        reported_by=row[10],
        started_us=None if started_at is None else us(started_at),
        ended_us=us(ended_at),
        duration_ms=row[13],
        tokens_input=row[14],
        tokens_output=row[15],
        tokens_cache_read=row[16],
        tokens_cache_write=row[17],
        tokens_reasoning=row[18],
        claimed_cost_usd=row[19],
        is_usage_told=row[20],
        is_input_exclusive=row[21],
        ledger_id=row[22],
    )


def read_tool(row: tuple[Any, ...]) -> Tool:
    """A row of `stored_tools`."""
    started_us = us(row[7])
    return Tool(
        row_id=row[0],
        call_id=row[1],
        tool_name=row[2],
        parameters=row[3],
        result=row[4],
        duration_ms=row[5],
        status=row[6],
        started_us=started_us,
        ended_us=started_us + (row[5] or 0) * 1000,
        session_id=row[8],
        trace_id=row[9],
        span_id=row[10],
    )


def trace_row(trace: Trace) -> tuple[object, ...]:
    """A row for `copy_traces`."""
    return (
        trace.trace_id, trace.operation, trace.started_us, trace.ended_us, trace.duration_ms, trace.status,
        trace.metadata or "{}", trace.session_id, trace.service_name, trace.root_span_id, trace.span_count,
        trace.error_count, trace.tokens_input, trace.tokens_output, trace.cost_usd,
    )  # fmt: skip


def span_row(span: SpanRecord, version: int) -> tuple[object, ...]:
    """A row for `copy_spans`."""
    facts = span.facts
    return (
        span.trace_id, span.span_id, span.parent_id, span.name, span.start_ns // 1000, span.end_ns // 1000 or None,
        span.duration_ms, span.attributes, facts.kind, span.status, facts.session_id, facts.tokens_input,
        facts.tokens_output, span.envelope, version,
    )  # fmt: skip


def span_facts(span: SpanRecord, version: int) -> dict[str, object]:
    """The parameters of `update_facts`."""
    return {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "kind": span.facts.kind,
        "status": span.status,
        "session_id": span.session_id,
        "tokens_input": span.facts.tokens_input,
        "tokens_output": span.facts.tokens_output,
        "derived_version": version,
    }


def span_values(span: SpanRecord, version: int) -> dict[str, object]:
    """The parameters of `update_span`."""
    return {
        **span_facts(span, version),
        "parent_span_id": span.parent_id,
        "operation": span.name,
        "started_at": time(span.start_ns // 1000),
        "ended_at": time(span.end_ns // 1000) if span.end_ns else None,
        "duration_ms": span.duration_ms,
        "attributes": span.attributes,
        "envelope": span.envelope,
    }


def call_row(call: Call) -> tuple[object, ...]:
    """A row for `copy_calls`, but for its last column, the row of the ledger."""
    return (
        call.adapter, call.model, call.tokens_input, call.tokens_output, call.duration_ms, call.ended_us,
        call.session_id, call.response_id, call.tokens_cache_read, call.tokens_cache_write, call.call_key,
        call.trace_id, call.span_id, call.operation, call.status, call.started_us, call.reported_by,
        call.tokens_reasoning, call.claimed_cost_usd, call.is_usage_told, call.is_input_exclusive,
        call.cost_usd,
    )  # fmt: skip


def call_values(call: Call) -> dict[str, object]:
    """The parameters of `update_call`."""
    return {
        "id": call.row_id,
        "call_key": call.call_key,
        "adapter": call.adapter,
        "model": call.model,
        "response_id": call.response_id,
        "trace_id": call.trace_id,
        "span_id": call.span_id,
        "session_id": call.session_id,
        "operation": call.operation,
        "status": call.status,
        "reported_by": call.reported_by,
        "started_at": None if call.started_us is None else time(call.started_us),
        "created_at": time(call.ended_us),
        "latency_ms": call.duration_ms,
        "tokens_input": call.tokens_input,
        "tokens_output": call.tokens_output,
        "tokens_cache_read": call.tokens_cache_read,
        "tokens_cache_write": call.tokens_cache_write,
        "tokens_reasoning": call.tokens_reasoning,
        "claimed_cost_usd": call.claimed_cost_usd,
        "is_usage_told": call.is_usage_told,
        "is_input_exclusive": call.is_input_exclusive,
        "cost_usd": call.cost_usd,
        "ledger_id": call.ledger_id,
    }


def tool_row(tool: Tool) -> tuple[object, ...]:
    """A row for `copy_tools`."""
    return (
        tool.tool_name, tool.parameters or "{}", tool.result, tool.duration_ms, tool.status, tool.started_us,
        tool.session_id, tool.call_id, tool.trace_id, tool.span_id,
    )  # fmt: skip


def tool_values(tool: Tool) -> dict[str, object]:
    """The parameters of `update_tool`."""
    return {
        "id": tool.row_id,
        "tool_name": tool.tool_name,
        "parameters": tool.parameters,
        "result": tool.result,
        "duration_ms": tool.duration_ms,
        "status": tool.status,
        "used_at": time(tool.started_us),
        "session_id": tool.session_id,
        "trace_id": tool.trace_id,
        "span_id": tool.span_id,
    }


def event_row(event: EventRecord, version: int) -> tuple[object, ...]:
    """A row for `copy_events`."""
    return (
        event.digest, event.event_name, event.trace_id, event.span_id, event.session_id, event.time_ns // 1000,
        event.severity, event.body, event.attributes, event.envelope, version,
    )  # fmt: skip
