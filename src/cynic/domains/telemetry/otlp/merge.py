"""What a batch of spans and events changes in what is stored.

`State` holds the rows that the batch may touch, `plan` says what to write. The caller sees to it that nobody else
writes meanwhile. Whatever the order of arrival, and however often something arrives, the rows end up the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cynic.domains.telemetry.otlp import calls
from cynic.domains.telemetry.otlp.attributes import encode
from cynic.domains.telemetry.otlp.calls import Call, Tool
from cynic.domains.telemetry.otlp.documents import json_text
from cynic.domains.telemetry.otlp.facts import MODEL_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from cynic.domains.telemetry.otlp.logs import EventRecord
    from cynic.domains.telemetry.otlp.spans import SpanRecord

Key = tuple[str, str]


@dataclass(slots=True)
class Trace:
    """One row of `traces`; times in microseconds since 1970."""

    trace_id: str
    operation: str
    started_us: int
    ended_us: int | None
    status: str = "unset"
    root_span_id: str | None = None
    session_id: str | None = None
    service_name: str | None = None
    span_count: int = 0
    error_count: int = 0
    tokens_input: int | None = None
    tokens_output: int | None = None
    cost_usd: Decimal | None = None
    """Our price of its calls; None while none is known."""
    root_session: str | None = None
    """The session that the root names; it stays, whatever the others name."""
    metadata: str | None = None
    """JSON of what the root names beside; None while it says nothing new."""
    is_stored: bool = False

    @property
    def duration_ms(self) -> int | None:
        """Whole milliseconds from beginning to end; None for what no clock would give."""
        if self.ended_us is None or self.ended_us < self.started_us:
            return None
        took = (self.ended_us - self.started_us + 500) // 1000
        return took if took < 2**31 else None


@dataclass(slots=True)
class State:
    """What is stored already of what a batch may touch."""

    traces: dict[str, Trace] = field(default_factory=dict[str, Trace])
    ends: dict[Key, int | None] = field(default_factory=dict["Key", "int | None"])
    """Of the batch's spans those that are stored: when they ended."""
    calls: list[Call] = field(default_factory=list[Call])
    tools: dict[str, Tool] = field(default_factory=dict[str, Tool])


@dataclass(slots=True)
class Plan:
    """What is to be written."""

    traces: dict[str, Trace] = field(default_factory=dict[str, Trace])
    new_spans: list[SpanRecord] = field(default_factory=list["SpanRecord"])
    changed_spans: list[SpanRecord] = field(default_factory=list["SpanRecord"])
    new_calls: dict[str, Call] = field(default_factory=dict[str, Call])
    """By their key."""
    changed_calls: dict[int, Call] = field(default_factory=dict[int, Call])
    gone_calls: list[Call] = field(default_factory=list["Call"])
    new_tools: dict[str, Tool] = field(default_factory=dict[str, Tool])
    """By their id."""
    changed_tools: dict[int, Tool] = field(default_factory=dict[int, Tool])
    recount: set[str] = field(default_factory=set[str])
    """Traces whose counts and tokens are to be taken from their rows again."""


def latest(spans: Iterable[SpanRecord]) -> list[SpanRecord]:
    """One record for each span: of several the one that ended last, the first of equals."""
    found: dict[Key, SpanRecord] = {}
    for span in spans:
        key = (span.trace_id, span.span_id)
        known = found.get(key)
        if known is None or span.end_ns // 1000 > known.end_ns // 1000:
            found[key] = span
    return list(found.values())


def tool_key(item: SpanRecord | EventRecord, trace_id: str | None, span_id: str | None) -> str:
    """What makes a tool call one: its id where that is known elsewhere too, else trace and id, else trace and span."""
    facts = item.facts
    told = facts.tool_call_id if facts else None
    if told is not None and facts is not None and facts.has_global_call_id:
        return told
    if trace_id is not None:
        return f"{trace_id} {told or span_id}"
    return f"event {told or ''} {span_id or ''}"


def plan(
    spans: Sequence[SpanRecord],
    events: Sequence[EventRecord],
    state: State,
    *,
    again: bool = False,
) -> Plan:
    """What `spans` (one record for each, see `latest`) and `events` (new ones only) change.

    `again` takes stored spans as changed, whenever they ended: their facts are derived anew.
    """
    made = Plan()
    book = _Calls(state.calls, made)
    if again:  # owners of calls first: what the others tell is filled in after
        spans = sorted(spans, key=lambda span: not book.owns(span))
    tools = _Tools(state.tools, made)
    for span in spans:
        key = (span.trace_id, span.span_id)
        kind = span.facts.kind
        if key not in state.ends:
            made.new_spans.append(span)
            if kind in MODEL_KINDS:
                book.report(calls.of_span(span))
            elif kind == "tool":
                tools.report(_tool_of_span(span))
        elif again or ends_later(span, state.ends[key]):
            made.changed_spans.append(span)
            made.recount.add(span.trace_id)
            book.replace(key, calls.of_span(span) if kind in MODEL_KINDS else None)
            if kind == "tool":
                tools.report(_tool_of_span(span))
        else:
            continue
        _follow(made, state, span)
    for event in events:
        _take_event(event, book, tools)
    _count(made)
    return made


def ends_later(span: SpanRecord, stored_us: int | None) -> bool:
    """Whether a span that came again tells more than the one that is stored."""
    return bool(span.end_ns) and (stored_us is None or span.end_ns // 1000 > stored_us)


def _take_event(event: EventRecord, book: _Calls, tools: _Tools) -> None:
    if event.facts is None:
        return
    if event.facts.kind in MODEL_KINDS:
        book.report(calls.of_event(event))
    else:
        tools.report(
            _tool(
                event,
                tool_key(event, None, event.digest.hex()),
                None,
                None,
                event.start_ns,
                event.time_ns,
            )
        )


def _follow(made: Plan, state: State, span: SpanRecord) -> None:
    """Let the trace's row follow a span that is new or changed."""
    start_us, end_us = span.start_ns // 1000, span.end_ns // 1000 or None
    trace = made.traces.get(span.trace_id) or state.traces.get(span.trace_id)
    if trace is None:
        trace = Trace(span.trace_id, span.name, start_us, end_us)
    made.traces[span.trace_id] = trace
    if (span.trace_id, span.span_id) not in state.ends:
        trace.span_count += 1
        trace.error_count += span.status == "error"
    if _is_truer_root(trace, span, start_us):
        _take_root(trace, span, start_us, end_us)
    elif trace.root_span_id is None:
        _take_part(trace, span, start_us, end_us)
    elif trace.root_session is None:
        _least_session(trace, span.session_id)


def _is_truer_root(trace: Trace, span: SpanRecord, start_us: int) -> bool:
    """Whether the span has no parent, and began before the root that is known."""
    if span.parent_id is not None:
        return False
    known = trace.root_span_id
    return known in {None, span.span_id} or (start_us, span.span_id) < (
        trace.started_us,
        known or "",
    )


def _take_part(trace: Trace, span: SpanRecord, start_us: int, end_us: int | None) -> None:
    """Stretch a trace whose root is not there yet."""
    trace.started_us, trace.operation = min(
        (trace.started_us, trace.operation), (start_us, span.name)
    )
    if end_us is not None and (trace.ended_us is None or end_us > trace.ended_us):
        trace.ended_us = end_us
    if span.status == "error":
        trace.status = "error"
    _least_session(trace, span.session_id)


def _take_root(trace: Trace, span: SpanRecord, start_us: int, end_us: int | None) -> None:
    trace.root_span_id = span.span_id
    trace.operation, trace.status = span.name, span.status
    trace.started_us, trace.ended_us = start_us, end_us
    trace.service_name = span.service
    trace.root_session = span.session_id
    if span.session_id is not None:
        trace.session_id = span.session_id
    named = {
        "user": span.facts.user,
        "agent": span.facts.agent,
        "session": span.session_id,
    }
    trace.metadata = encode({name: value for name, value in named.items() if value is not None})


def _least_session(trace: Trace, session_id: str | None) -> None:
    if session_id is not None and (trace.session_id is None or session_id < trace.session_id):
        trace.session_id = session_id


def _count(made: Plan) -> None:
    """Add the tokens of new calls to their traces; the traces to recount get theirs from their rows."""
    for call in made.new_calls.values():
        trace = made.traces.get(call.trace_id) if call.trace_id else None
        if trace is not None and call.is_usage_told:
            trace.tokens_input = (trace.tokens_input or 0) + call.tokens_input
            trace.tokens_output = (trace.tokens_output or 0) + call.tokens_output


def _tool_of_span(span: SpanRecord) -> Tool:
    key = tool_key(span, span.trace_id, span.span_id)
    return _tool(
        span, key, span.trace_id, span.span_id, span.start_ns, span.end_ns or span.start_ns
    )


def _tool(
    item: SpanRecord | EventRecord,
    key: str,
    trace_id: str | None,
    span_id: str | None,
    start_ns: int,
    end_ns: int,
) -> Tool:
    facts = item.facts
    assert facts is not None  # noqa: S101 - callers choose tools by their facts
    failed = item.status == "error"
    over = end_ns > start_ns or item.duration_ms is not None
    return Tool(
        call_id=key,
        tool_name=facts.tool_name or calls.UNKNOWN,
        parameters=json_text(facts.tool_arguments),
        result=json_text(facts.tool_result),
        duration_ms=item.duration_ms,
        status="error" if failed else "ok" if over else "pending",
        started_us=start_ns // 1000,
        ended_us=end_ns // 1000,
        session_id=item.session_id,
        trace_id=trace_id,
        span_id=span_id,
        error_type=facts.error_type,
    )


class _Calls:
    """The calls that are stored or planned, by what reports may have in common with them."""

    def __init__(self, stored: Iterable[Call], made: Plan) -> None:
        self._made = made
        self._by_response: dict[str, list[Call]] = {}
        self._by_span: dict[Key, Call] = {}
        self._keys: set[str] = set()
        for call in stored:
            self._know(call)

    def _know(self, call: Call) -> None:
        if call.response_id is not None:
            self._by_response.setdefault(call.response_id, []).append(call)
        if call.trace_id is not None and call.span_id is not None:
            self._by_span[call.trace_id, call.span_id] = call
        self._keys.add(call.call_key)

    def _forget(self, call: Call) -> None:
        if call.response_id is not None:
            known = self._by_response[call.response_id]
            self._by_response[call.response_id] = [one for one in known if one is not call]
        if call.trace_id is not None and call.span_id is not None:
            self._by_span.pop((call.trace_id, call.span_id), None)

    def owns(self, span: SpanRecord) -> bool:
        """Whether a call is counted for this span."""
        return (span.trace_id, span.span_id) in self._by_span

    def report(self, call: Call) -> None:
        """Count a report: a call of its own, or one more report of a call that is known."""
        if call.response_id is not None:
            for known in self._by_response.get(call.response_id, ()):
                if calls.is_same_call(known, call):
                    self._change(known, calls.combined(known, call))
                    return
        elif call.call_key in self._keys:
            return  # an event that came twice in one batch
        if call.call_key in self._keys:
            call.call_key += f" {call.trace_id or call.started_us} {call.span_id or ''}".rstrip()
            if call.call_key in self._keys:
                return
        self._made.new_calls[call.call_key] = call
        self._know(call)

    def replace(self, key: Key, call: Call | None) -> None:
        """Count the later report of a span that was stored before."""
        known = self._by_span.get(key)
        if known is None:
            if call is not None:
                self.report(call)
            return
        if call is None or (
            call.response_id != known.response_id and known.response_id is not None
        ):
            self._drop(known)
            if call is not None:
                self.report(call)
            return
        call.row_id, call.ledger_id = known.row_id, known.ledger_id
        if known.response_id is not None:
            call.call_key = known.call_key
        self._change(known, call)

    def _change(self, known: Call, now: Call) -> None:
        if now == known:
            return
        made = self._made
        self._forget(known)
        self._know(now)
        if known.row_id is None:
            made.new_calls[known.call_key] = now
        else:
            made.changed_calls[known.row_id] = now
            made.recount |= {one for one in (known.trace_id, now.trace_id) if one is not None}

    def _drop(self, known: Call) -> None:
        self._forget(known)
        self._keys.discard(known.call_key)
        if known.row_id is None:
            del self._made.new_calls[known.call_key]
        else:
            self._made.gone_calls.append(known)
            self._made.changed_calls.pop(known.row_id, None)
            if known.trace_id is not None:
                self._made.recount.add(known.trace_id)


class _Tools:
    """The tool calls that are stored or planned, by their id."""

    def __init__(self, stored: dict[str, Tool], made: Plan) -> None:
        self._made = made
        self._known = dict(stored)

    def report(self, tool: Tool) -> None:
        """Count a report: a call of its own, or one more report of a call that is known."""
        known = self._known.get(tool.call_id)
        if (
            known is not None
            and known.span_id != tool.span_id
            and not calls.is_same_tool(known, tool)
        ):
            tool.call_id += f" {tool.span_id}"
            known = self._known.get(tool.call_id)
        if known is None:
            self._known[tool.call_id] = tool
            self._made.new_tools[tool.call_id] = tool
            return
        if known.trace_id is not None and known.span_id == tool.span_id:
            tool.row_id = known.row_id
            now = tool
        else:
            now = calls.combined_tool(known, tool)
        self._known[tool.call_id] = now
        if known.row_id is None:
            self._made.new_tools[now.call_id] = now
        elif now != known:
            self._made.changed_tools[known.row_id] = now
