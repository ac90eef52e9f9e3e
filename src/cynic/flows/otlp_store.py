"""Storing spans, events and dead letters: one transaction for what many requests brought.

One writer at a time in a schema (an advisory lock that ends with the transaction) reads what is stored of the batch's
traces and calls, works out in Python what changes (`domains.telemetry.otlp.merge`), and writes it: new rows by COPY,
changed ones by UPDATE. Nobody can lock anybody out: the lock comes first, and all else is behind it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.db import copying, sqlfile
from cynic.domains.telemetry.otlp import aliases, calls, merge
from cynic.domains.telemetry.otlp.attributes import encode
from cynic.domains.telemetry.otlp.calls import SLACK_US
from cynic.domains.telemetry.otlp.facts import MODEL_KINDS
from cynic.domains.telemetry.otlp.logs import EventRecord
from cynic.domains.telemetry.otlp.merge import Plan, State
from cynic.flows import otlp_rows as rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    import psycopg

    from cynic.domains.telemetry.otlp.calls import Call
    from cynic.domains.telemetry.otlp.merge import Trace
    from cynic.domains.telemetry.otlp.refusals import Letter
    from cynic.domains.telemetry.otlp.spans import SpanRecord
    from cynic.flows.otlp_money import Book

_SQL: Final = cast(
    "Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("otlp_store.sql"))
)


@dataclass(slots=True)
class Batch:
    """What is to be stored together."""

    spans: list[SpanRecord] = field(default_factory=list["SpanRecord"])
    events: list[EventRecord] = field(default_factory=list["EventRecord"])
    letters: list[Letter] = field(default_factory=list["Letter"])


def store(conn: psycopg.Connection, batch: Batch, now: datetime, book: Book | None = None) -> Plan:
    """Store a batch in one transaction; returned means committed.

    `book` prices and books the calls in the same transaction. That takes the lock of the budget until the end, so only
    the calls, which name their rows of the ledger, are written after it.
    """
    if book is not None:
        book.look(conn, now)
    with conn.transaction():
        made = Plan()
        if batch.spans or batch.events:
            conn.execute(_SQL["only_writer"])
            spans = merge.latest(batch.spans)
            events = _new_events(conn, batch.events)
            made = merge.plan(spans, events, _state(conn, spans, events))
            _write(conn, made, events, now, book)
        if batch.letters:
            _keep_letters(conn, batch.letters, now)
    return made


def rederive(
    conn: psycopg.Connection,
    spans: Sequence[SpanRecord],
    events: Sequence[EventRecord],
    now: datetime,
    book: Book | None = None,
) -> Plan:
    """Bring what was derived from stored spans and events up to date, in one transaction; what they said stays."""
    if book is not None:
        book.look(conn, now)
    with conn.transaction():
        conn.execute(_SQL["only_writer"])
        state = _state(conn, spans, events, again=True)
        kept = [span for span in spans if (span.trace_id, span.span_id) in state.ends]
        made = merge.plan(kept, events, state, again=True)
        for span in made.changed_spans:
            conn.execute(_SQL["update_facts"], rows.span_facts(span, aliases.CURRENT.version))
        made.changed_spans.clear()
        _write(conn, made, (), now, book)
    return made


def _state(
    conn: psycopg.Connection,
    spans: Sequence[SpanRecord],
    events: Sequence[EventRecord],
    *,
    again: bool = False,
) -> State:
    """Read what is stored of what the batch may touch; `again` is that of `merge.plan`."""
    state = State()
    ids = sorted({span.trace_id for span in spans})
    if ids:
        for row in conn.execute(_SQL["stored_traces"], {"ids": ids}):
            trace = rows.read_trace(row)
            state.traces[trace.trace_id] = trace
    old = [span for span in spans if span.trace_id in state.traces]
    if old:
        keys = {"traces": [span.trace_id for span in old], "spans": [span.span_id for span in old]}
        for trace_id, span_id, ended_at in conn.execute(_SQL["stored_ends"], keys):
            state.ends[trace_id, span_id] = None if ended_at is None else rows.us(ended_at)
    changed = {
        span.trace_id
        for span in old
        if (key := (span.trace_id, span.span_id)) in state.ends
        and (again or merge.ends_later(span, state.ends[key]))
    }
    _read_calls(conn, state, (*spans, *events), sorted(changed))
    _read_tools(conn, state, spans, events)
    return state


def _read_calls(
    conn: psycopg.Connection,
    state: State,
    items: Sequence[SpanRecord | EventRecord],
    changed: Sequence[str],
) -> None:
    reports = [_report(item) for item in items if _is_call(item)]
    told = [report for report in reports if report.response_id is not None]
    keys = {report.call_key for report in told}
    keys |= {report.call_key for report in reports if report.trace_id is None}
    if told or changed or keys:
        given = {
            "responses": [report.response_id for report in told],
            "froms": [rows.time((report.started_us or 0) - SLACK_US) for report in told],
            "tos": [rows.time(report.ended_us + SLACK_US) for report in told],
            "traces": list(changed),
            "keys": sorted(keys),
        }
        state.calls = [rows.read_call(row) for row in conn.execute(_SQL["stored_calls"], given)]


def _is_call(item: SpanRecord | EventRecord) -> bool:
    return item.facts is not None and item.facts.kind in MODEL_KINDS


def _report(item: SpanRecord | EventRecord) -> Call:
    return calls.of_event(item) if isinstance(item, EventRecord) else calls.of_span(item)


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
            tool = rows.read_tool(row)
            state.tools[tool.call_id] = tool


def _new_events(conn: psycopg.Connection, events: Iterable[EventRecord]) -> list[EventRecord]:
    by_digest = {event.digest: event for event in events}
    if by_digest:
        for (digest,) in conn.execute(_SQL["stored_events"], {"digests": list(by_digest)}):
            by_digest.pop(bytes(digest), None)
    return list(by_digest.values())


def _write(
    conn: psycopg.Connection,
    made: Plan,
    events: Sequence[EventRecord],
    now: datetime,
    book: Book | None,
) -> None:
    """Write a plan; traces first, because spans hang on them, and what is behind the lock of the budget last."""
    if book is not None:
        book.price(made)
    _write_traces(conn, made)
    _write_spans(conn, made, events, book)
    _write_tools(conn, made)
    calls = _NewCalls(made)
    if book is not None:
        book.enter(conn, made, now, calls.begin)
    _change_calls(conn, made)
    calls.write(conn)
    if made.recount:
        conn.execute(_SQL["recount"], {"ids": sorted(made.recount)})


def _write_traces(conn: psycopg.Connection, made: Plan) -> None:
    if old := [trace for trace in made.traces.values() if trace.is_stored]:
        _update_traces(conn, old)
    if new := [trace for trace in made.traces.values() if not trace.is_stored]:
        copying.copy(conn, _SQL["copy_traces"], rows.TRACES, map(rows.trace_row, new))


def _write_spans(
    conn: psycopg.Connection, made: Plan, events: Sequence[EventRecord], book: Book | None
) -> None:
    version = aliases.CURRENT.version

    def meanwhile() -> None:
        if book is not None:
            book.prepare(made)

    found = (rows.span_row(span, version) for span in made.new_spans)
    copying.copy(conn, _SQL["copy_spans"], rows.SPANS, found, meanwhile)
    for span in made.changed_spans:
        conn.execute(_SQL["update_span"], rows.span_values(span, version))
    if events:
        found = (rows.event_row(event, version) for event in events)
        copying.copy(conn, _SQL["copy_events"], rows.EVENTS, found)


class _NewCalls:
    """Rows for calls, which can be made ready but for their row of the ledger."""

    def __init__(self, made: Plan) -> None:
        self._calls = list(made.new_calls.values())
        self._begun: list[bytes] | None = None

    def begin(self) -> None:
        """Make ready what is known before the calls are booked."""
        found = map(rows.call_row, self._calls)
        kinds = rows.CALLS[:-1]
        self._begun = list(copying.begun(kinds, found, columns=len(rows.CALLS)))

    def write(self, conn: psycopg.Connection) -> None:
        if not self._calls:
            return
        if self._begun is None:
            self.begin()
        entries = [call.ledger_id for call in self._calls]
        data = copying.ended(self._begun or (), rows.CALLS[-1], entries)
        copying.copy_encoded(conn, _SQL["copy_calls"], data)


def _change_calls(conn: psycopg.Connection, made: Plan) -> None:
    if made.gone_calls:
        conn.execute(_SQL["drop_calls"], {"ids": [call.row_id for call in made.gone_calls]})
    for call in made.changed_calls.values():
        conn.execute(_SQL["update_call"], rows.call_values(call))


def _write_tools(conn: psycopg.Connection, made: Plan) -> None:
    if made.new_tools:
        copying.copy(
            conn, _SQL["copy_tools"], rows.TOOLS, map(rows.tool_row, made.new_tools.values())
        )
    for tool in made.changed_tools.values():
        conn.execute(_SQL["update_tool"], rows.tool_values(tool))
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
                "ats": [rows.time(tool.ended_us) for tool in over],
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


def _update_traces(conn: psycopg.Connection, traces: Sequence[Trace]) -> None:
    conn.execute(
        _SQL["update_traces"],
        {
            "trace_id": [trace.trace_id for trace in traces],
            "operation": [trace.operation for trace in traces],
            "started_at": [rows.time(trace.started_us) for trace in traces],
            "ended_at": [
                None if trace.ended_us is None else rows.time(trace.ended_us) for trace in traces
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
            "cost_usd": [trace.cost_usd for trace in traces],
        },
    )
