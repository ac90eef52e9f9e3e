"""A whole export request, protobuf or JSON, into records; what cannot be stored is set aside with its bytes and the reason.

A request that will never work as a whole raises `UnreadableError`, also one that was sent to the wrong path.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from cynic.domains.telemetry.otlp import jsonform, logs, spans, wire
from cynic.domains.telemetry.otlp.logs import EventRecord
from cynic.domains.telemetry.otlp.refusals import BadItemError, Letter, UnreadableError, letter
from cynic.domains.telemetry.otlp.spans import SpanRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.message import Message

    from cynic.domains.telemetry.otlp.refusals import Encoding, Signal
    from cynic.domains.telemetry.otlp.spans import Source


@dataclass(slots=True)
class Received:
    """What a request holds."""

    spans: list[SpanRecord] = field(default_factory=list[SpanRecord])
    events: list[EventRecord] = field(default_factory=list[EventRecord])
    letters: list[Letter] = field(default_factory=list[Letter])


def read(signal: Signal, encoding: Encoding, body: bytes) -> Received:
    """Read one request. Raises `UnreadableError`."""
    received = Received()
    sources = _protobuf(signal, body) if encoding == "protobuf" else jsonform.items(signal, body)
    foreign = 0
    for content, item, shared in sources:
        try:
            if isinstance(item, BadItemError):
                raise item
            if isinstance(item, Span):
                foreign += _is_no_span(item)
                span = spans.record(item, shared)
                span.source = content
                received.spans.append(span)
            else:
                log = cast("LogRecord", item)
                foreign += _is_no_log(log)
                event = logs.record(log, shared)
                event.source = content
                received.events.append(event)
        except BadItemError as error:
            received.letters.append(letter(signal, content(), error.reason, error.detail))
    unreadable = sum(one.reason == "unreadable" for one in received.letters)
    whole = len(received.letters) + len(received.spans) + len(received.events)
    if foreign and foreign + unreadable == whole:
        other = "/v1/logs" if signal == "traces" else "/v1/traces"
        raise UnreadableError(
            f"this is no request for /v1/{signal}: none of its items is one of that kind",
            hint=f"send it to {other} (or the exporter's endpoint for that signal)",
        )
    _set_cycles_aside(received)
    return received


def _is_no_span(span: Span) -> bool:
    """A log record or a metric that was read as a span has none of what every span has."""
    return not (
        (len(span.trace_id) == spans.TRACE_ID_BYTES and span.span_id)
        or span.start_time_unix_nano
        or span.end_time_unix_nano
    )


def _is_no_log(log: LogRecord) -> bool:
    """A span that was read as a log record has no time of either kind."""
    return not (log.time_unix_nano or log.observed_time_unix_nano or log.severity_number)


def _protobuf(signal: Signal, body: bytes) -> Iterator[Source]:
    kind = ExportTraceServiceRequest if signal == "traces" else ExportLogsServiceRequest
    try:
        request = kind.FromString(body)
    except DecodeError:
        yield from _salvaged(signal, body)
        return
    yield from (
        _traces(request) if isinstance(request, ExportTraceServiceRequest) else _logs(request)
    )


def _traces(request: ExportTraceServiceRequest) -> Iterator[Source]:
    for of_resource in request.resource_spans:
        for of_scope in of_resource.scope_spans:
            shared = spans.origin(
                of_resource.resource, of_scope.scope, (of_resource.schema_url, of_scope.schema_url)
            )
            for span in of_scope.spans:
                yield _again(of_resource.resource, of_scope.scope, span), span, shared


def _logs(request: ExportLogsServiceRequest) -> Iterator[Source]:
    for of_resource in request.resource_logs:
        for of_scope in of_resource.scope_logs:
            shared = spans.origin(
                of_resource.resource, of_scope.scope, (of_resource.schema_url, of_scope.schema_url)
            )
            for log in of_scope.log_records:
                yield _again(of_resource.resource, of_scope.scope, log), log, shared


def _again(resource: Resource, scope: InstrumentationScope, item: Message) -> Callable[[], bytes]:
    return lambda: wire.request(
        resource.SerializeToString(), scope.SerializeToString(), item.SerializeToString()
    )


def _salvaged(signal: Signal, body: bytes) -> Iterator[Source]:
    """Item by item, so that one which cannot be read costs only itself."""
    try:
        found = list(wire.items(body))
    except wire.BrokenError as error:
        raise UnreadableError(f"the body is no protobuf request: {error}") from error
    kind = Span if signal == "traces" else LogRecord
    read_any = False
    sources: list[Source] = []
    for resource, scope, item in found:
        message: Message | BadItemError
        try:
            shared = spans.origin(
                Resource.FromString(resource), InstrumentationScope.FromString(scope), ("", "")
            )
            message = kind.FromString(item)
            read_any = True
        except DecodeError:
            shared = spans.origin(Resource(), InstrumentationScope(), ("", ""))
            message = BadItemError(
                "unreadable", "a field is not what the protocol says, or no UTF-8"
            )
        parts = (resource, scope, item)
        sources.append((lambda parts=parts: wire.request(*parts), message, shared))
    if not read_any and _is_other_signal(signal, body):
        raise UnreadableError(f"the body is a request of another signal than {signal}")
    if not sources:
        raise UnreadableError("the body is no protobuf request")
    yield from sources


def _is_other_signal(signal: Signal, body: bytes) -> bool:
    other = ExportLogsServiceRequest if signal == "traces" else ExportTraceServiceRequest
    try:
        other.FromString(body)
    except DecodeError:
        return False
    return True


def _set_cycles_aside(received: Received) -> None:
    """Spans that are their own ancestors within the request cannot hang in a tree."""
    at = {(span.trace_id, span.span_id): place for place, span in enumerate(received.spans)}
    parent = [
        at.get((span.trace_id, span.parent_id)) if span.parent_id else None
        for span in received.spans
    ]
    settled = [False] * len(parent)
    in_cycle: set[int] = set()
    for start in range(len(parent)):
        path: list[int] = []
        on_path: set[int] = set()
        place: int | None = start
        while place is not None and not settled[place]:
            if place in on_path:
                in_cycle.update(path[path.index(place) :])
                break
            path.append(place)
            on_path.add(place)
            place = parent[place]
        for seen in path:
            settled[seen] = True
    if in_cycle:
        for place in sorted(in_cycle):
            content = received.spans[place].source()
            received.letters.append(
                letter("traces", content, "parent-cycle", "the span is its own ancestor")
            )
        received.spans = [
            span for place, span in enumerate(received.spans) if place not in in_cycle
        ]
