"""Storing spans, events and dead letters: one transaction for what many requests brought.

One writer at a time in a schema (an advisory lock that ends with the transaction) reads what is stored of the batch's
traces and calls, works out in Python what changes (`domains.telemetry.otlp.merge`), and writes it: new rows by COPY,
changed ones by UPDATE. Nobody can lock anybody out: the lock comes first, and all else is behind it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.db import copying, sqlfile
from cynic.domains.telemetry.otlp import aliases, merge
from cynic.domains.telemetry.otlp.attributes import encode
from cynic.domains.telemetry.otlp.calls import Call, Tool
from cynic.domains.telemetry.otlp.merge import Plan, State, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    import psycopg

    from cynic.db.copying import Kind
    from cynic.domains.telemetry.otlp.logs import EventRecord
    from cynic.domains.telemetry.otlp.request import Letter
    from cynic.domains.telemetry.otlp.spans import SpanRecord

    Booking = Callable[[psycopg.Connection, Sequence[Call]], None]

_SQL: Final = cast(
    "Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("otlp_store.sql"))
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_TRACES: Final[Sequence[Kind]] = (
    "text", "text", "time", "time", "int4", "text", "json", "text", "text", "text", "int4", "int4", "int8", "int8",
)  # fmt: skip
_SPANS: Final[Sequence[Kind]] = (
    "text", "text", "text", "text", "time", "time", "int4", "json", "text", "text", "text", "int8", "int8", "json", "int4",
)  # fmt: skip
_CALLS: Final[Sequence[Kind]] = (
    "text", "text", "int4", "int4", "int4", "time", "text", "text", "int4", "int4", "text", "text", "text", "text",
    "text", "time", "text", "int4", "numeric", "bool", "bool",
)  # fmt: skip
_TOOLS: Final[Sequence[Kind]] = (
    "text", "json", "json", "int4", "text", "time", "text", "text", "text", "text",
)  # fmt: skip
_EVENTS: Final[Sequence[Kind]] = (
    "bytes", "text", "text", "text", "text", "time", "int2", "json", "json", "json", "int4",
)  # fmt: skip


@dataclass(slots=True)
class Batch:
    """What is to be stored together."""

    spans: list[SpanRecord] = field(default_factory=list["SpanRecord"])
    events: list[EventRecord] = field(default_factory=list["EventRecord"])
    letters: list[Letter] = field(default_factory=list["Letter"])


def store(
    conn: psycopg.Connection, batch: Batch, now: datetime, book: Booking | None = None
) -> Plan:
    """Store a batch in one transaction; returned means committed.

    `book` is called inside the transaction with the calls of models that are new in it, each of them once for ever:
    the place where money is booked.
    """
    with conn.transaction():
        made = Plan()
        if batch.spans or batch.events:
            conn.execute(_SQL["only_writer"])
            spans = merge.latest(batch.spans)
            events = _new_events(conn, batch.events)
            made = merge.plan(spans, events, _state(conn, spans, events))
            _write(conn, made, events)
            if book is not None and made.new_calls:
                book(conn, list(made.new_calls.values()))
        if batch.letters:
            _keep_letters(conn, batch.letters, now)
    return made


def _state(
    conn: psycopg.Connection, spans: Sequence[SpanRecord], events: Sequence[EventRecord]
) -> State:
    """Read what is stored of what the batch may touch."""
    state = State()
    ids = sorted({span.trace_id for span in spans})
    if ids:
        for row in conn.execute(_SQL["stored_traces"], {"ids": ids}):
            trace = _trace(row)
            state.traces[trace.trace_id] = trace
    old = [span for span in spans if span.trace_id in state.traces]
    if old:
        keys = {"traces": [span.trace_id for span in old], "spans": [span.span_id for span in old]}
        for trace_id, span_id, ended_at in conn.execute(_SQL["stored_ends"], keys):
            state.ends[trace_id, span_id] = None if ended_at is None else _us(ended_at)
    _read_calls(conn, state, spans, events)
    _read_tools(conn, state, spans, events)
    return state


def _read_calls(
    conn: psycopg.Connection,
    state: State,
    spans: Sequence[SpanRecord],
    events: Sequence[EventRecord],
) -> None:
    told = [
        item.facts.response_id
        for item in (*spans, *events)
        if item.facts is not None and item.facts.response_id is not None
    ]
    changed = sorted({trace_id for trace_id, _ in state.ends})
    keys = [f"event {event.digest.hex()}" for event in events if event.facts is not None]
    if told or changed or keys:
        given = {"responses": sorted(set(told)), "traces": changed, "keys": keys}
        state.calls = [_call(row) for row in conn.execute(_SQL["stored_calls"], given)]


def _read_tools(
    conn: psycopg.Connection,
    state: State,
    spans: Sequence[SpanRecord],
    events: Sequence[EventRecord],
) -> None:
    ids = {
        merge.tool_key(span, span.trace_id, span.span_id)
        for span in spans
        if span.facts.kind == "tool"
        and (span.trace_id in state.traces or span.facts.has_global_call_id)
    }
    ids |= {merge.tool_key(one, None, one.digest.hex()) for one in events if one.facts is not None}
    if ids:
        for row in conn.execute(_SQL["stored_tools"], {"ids": sorted(ids)}):
            tool = _tool(row)
            state.tools[tool.call_id] = tool


def _new_events(conn: psycopg.Connection, events: Iterable[EventRecord]) -> list[EventRecord]:
    by_digest = {event.digest: event for event in events}
    if by_digest:
        for (digest,) in conn.execute(_SQL["stored_events"], {"digests": list(by_digest)}):
            by_digest.pop(bytes(digest), None)
    return list(by_digest.values())


def _write(conn: psycopg.Connection, made: Plan, events: Sequence[EventRecord]) -> None:
    version = aliases.CURRENT.version
    traces = list(made.traces.values())
    if new := [trace for trace in traces if not trace.is_stored]:
        copying.copy(conn, _SQL["copy_traces"], _TRACES, map(_trace_row, new))
    if made.new_spans:
        rows = (_span_row(span, version) for span in made.new_spans)
        copying.copy(conn, _SQL["copy_spans"], _SPANS, rows)
    for span in made.changed_spans:
        conn.execute(_SQL["update_span"], _span_values(span, version))
    if made.gone_calls:
        conn.execute(_SQL["drop_calls"], {"ids": made.gone_calls})
    for call in made.changed_calls.values():
        conn.execute(_SQL["update_call"], _call_values(call))
    if made.new_calls:
        copying.copy(conn, _SQL["copy_calls"], _CALLS, map(_call_row, made.new_calls.values()))
    _write_tools(conn, made)
    if events:
        rows = (_event_row(event, version) for event in events)
        copying.copy(conn, _SQL["copy_events"], _EVENTS, rows)
    if old := [trace for trace in traces if trace.is_stored]:
        _update_traces(conn, old)
    if made.recount:
        conn.execute(_SQL["recount"], {"ids": sorted(made.recount)})
    if made.hours:
        conn.execute(_SQL["stale_hours"], {"hours": [_time(hour) for hour in sorted(made.hours)]})


def _write_tools(conn: psycopg.Connection, made: Plan) -> None:
    if made.new_tools:
        copying.copy(conn, _SQL["copy_tools"], _TOOLS, map(_tool_row, made.new_tools.values()))
    for tool in made.changed_tools.values():
        conn.execute(_SQL["update_tool"], _tool_values(tool))
    told = [*made.new_tools.values(), *made.changed_tools.values()]
    over = [tool for tool in told if tool.status != "pending"]
    if over:
        conn.execute(
            _SQL["signals"],
            {
                "ids": [f"tool {tool.call_id}" for tool in over],
                "sessions": [tool.session_id for tool in over],
                "inputs": [encode({"itemType": "tool", "tool": tool.tool_name}) for tool in over],
                "outcomes": [
                    encode({"status": tool.status, "reason": tool.error_type}) for tool in over
                ],
                "telemetries": [encode({"latencyMs": tool.duration_ms}) for tool in over],
                "metadatas": [
                    encode({"traceId": tool.trace_id, "spanId": tool.span_id}) for tool in over
                ],
                "ats": [_time(tool.ended_us) for tool in over],
            },
        )


def _keep_letters(conn: psycopg.Connection, letters: Iterable[Letter], now: datetime) -> None:
    by_digest = {
        hashlib.sha256(letter.signal.encode() + letter.content).digest(): letter
        for letter in letters
    }
    kept = by_digest.values()
    conn.execute(
        _SQL["dead_letters"],
        {
            "now": now,
            "digests": list(by_digest),
            "signals": [letter.signal for letter in kept],
            "encodings": [letter.encoding for letter in kept],
            "contents": [letter.content for letter in kept],
            "reasons": [letter.reason for letter in kept],
            "details": [letter.detail.replace("\0", "\u2400") for letter in kept],
        },
    )


def _us(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _time(at_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at_us)


def _trace(row: tuple[Any, ...]) -> Trace:
    return Trace(
        trace_id=row[0],
        operation=row[1],
        started_us=_us(row[2]),
        ended_us=None if row[3] is None else _us(row[3]),
        status=row[4],
        root_span_id=row[5],
        session_id=row[6],
        service_name=row[7],
        span_count=row[8],
        error_count=row[9],
        tokens_input=row[10],
        tokens_output=row[11],
        is_stored=True,
    )


def _call(row: tuple[Any, ...]) -> Call:
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
        started_us=None if started_at is None else _us(started_at),
        ended_us=_us(ended_at),
        duration_ms=row[13],
        tokens_input=row[14],
        tokens_output=row[15],
        tokens_cache_read=row[16],
        tokens_cache_write=row[17],
        tokens_reasoning=row[18],
        claimed_cost_usd=row[19],
        is_usage_told=row[20],
        is_input_exclusive=row[21],
    )


def _tool(row: tuple[Any, ...]) -> Tool:
    started_us = _us(row[7])
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


def _trace_row(trace: Trace) -> tuple[object, ...]:
    return (
        trace.trace_id, trace.operation, trace.started_us, trace.ended_us, trace.duration_ms, trace.status,
        trace.metadata or "{}", trace.session_id, trace.service_name, trace.root_span_id, trace.span_count,
        trace.error_count, trace.tokens_input, trace.tokens_output,
    )  # fmt: skip


def _span_row(span: SpanRecord, version: int) -> tuple[object, ...]:
    facts = span.facts
    return (
        span.trace_id, span.span_id, span.parent_id, span.name, span.start_ns // 1000, span.end_ns // 1000 or None,
        span.duration_ms, span.attributes, facts.kind, span.status, facts.session_id, facts.tokens_input,
        facts.tokens_output, span.envelope, version,
    )  # fmt: skip


def _span_values(span: SpanRecord, version: int) -> dict[str, object]:
    return {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_span_id": span.parent_id,
        "operation": span.name,
        "started_at": _time(span.start_ns // 1000),
        "ended_at": _time(span.end_ns // 1000) if span.end_ns else None,
        "duration_ms": span.duration_ms,
        "attributes": span.attributes,
        "kind": span.facts.kind,
        "status": span.status,
        "session_id": span.session_id,
        "tokens_input": span.facts.tokens_input,
        "tokens_output": span.facts.tokens_output,
        "envelope": span.envelope,
        "derived_version": version,
    }


def _call_row(call: Call) -> tuple[object, ...]:
    return (
        call.adapter, call.model, call.tokens_input, call.tokens_output, call.duration_ms, call.ended_us,
        call.session_id, call.response_id, call.tokens_cache_read, call.tokens_cache_write, call.call_key,
        call.trace_id, call.span_id, call.operation, call.status, call.started_us, call.reported_by,
        call.tokens_reasoning, call.claimed_cost_usd, call.is_usage_told, call.is_input_exclusive,
    )  # fmt: skip


def _call_values(call: Call) -> dict[str, object]:
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
        "started_at": None if call.started_us is None else _time(call.started_us),
        "created_at": _time(call.ended_us),
        "latency_ms": call.duration_ms,
        "tokens_input": call.tokens_input,
        "tokens_output": call.tokens_output,
        "tokens_cache_read": call.tokens_cache_read,
        "tokens_cache_write": call.tokens_cache_write,
        "tokens_reasoning": call.tokens_reasoning,
        "claimed_cost_usd": call.claimed_cost_usd,
        "is_usage_told": call.is_usage_told,
        "is_input_exclusive": call.is_input_exclusive,
    }


def _tool_row(tool: Tool) -> tuple[object, ...]:
    return (
        tool.tool_name, tool.parameters or "{}", tool.result, tool.duration_ms, tool.status, tool.started_us,
        tool.session_id, tool.call_id, tool.trace_id, tool.span_id,
    )  # fmt: skip


def _tool_values(tool: Tool) -> dict[str, object]:
    return {
        "id": tool.row_id,
        "tool_name": tool.tool_name,
        "parameters": tool.parameters,
        "result": tool.result,
        "duration_ms": tool.duration_ms,
        "status": tool.status,
        "used_at": _time(tool.started_us),
        "session_id": tool.session_id,
        "trace_id": tool.trace_id,
        "span_id": tool.span_id,
    }


def _event_row(event: EventRecord, version: int) -> tuple[object, ...]:
    return (
        event.digest, event.event_name, event.trace_id, event.span_id, event.session_id, event.time_ns // 1000,
        event.severity, event.body, event.attributes, event.envelope, version,
    )  # fmt: skip


def _update_traces(conn: psycopg.Connection, traces: Sequence[Trace]) -> None:
    conn.execute(
        _SQL["update_traces"],
        {
            "trace_id": [trace.trace_id for trace in traces],
            "operation": [trace.operation for trace in traces],
            "started_at": [_time(trace.started_us) for trace in traces],
            "ended_at": [
                None if trace.ended_us is None else _time(trace.ended_us) for trace in traces
            ],
            "duration_ms": [trace.duration_ms for trace in traces],
            "status": [trace.status for trace in traces],
            "metadata": [trace.metadata for trace in traces],
            "session_id": [trace.session_id for trace in traces],
            "service_name": [trace.service_name for trace in traces],
            "root_span_id": [trace.root_span_id for trace in traces],
            "span_count": [trace.span_count for trace in traces],
            "error_count": [trace.error_count for trace in traces],
            "tokens_input": [trace.tokens_input for trace in traces],
            "tokens_output": [trace.tokens_output for trace in traces],
        },
    )
