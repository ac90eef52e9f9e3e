"""A whole export request, protobuf or JSON, into records; what cannot be stored is set aside with its bytes and the reason.

JSON is that of OTLP: ids in hexadecimal, 64-bit integers as strings, enumerations as names or numbers, fields in either
spelling. A request that will never work as a whole raises `UnreadableError`, also one that was sent to the wrong path.
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from cynic.base.errors import UsageError
from cynic.domains.telemetry.otlp import logs, spans, wire
from cynic.domains.telemetry.otlp.logs import EventRecord
from cynic.domains.telemetry.otlp.spans import BadItemError, SpanRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cynic.domains.telemetry.otlp.spans import Origin

M = TypeVar("M", bound=Message)
Encoding = Literal["protobuf", "json"]
Signal = Literal["traces", "logs"]
ID_FIELDS: Final = frozenset(
    {"traceId", "trace_id", "spanId", "span_id", "parentSpanId", "parent_span_id"}
)
JSON_NAMES: Final = {
    "traces": (("resourceSpans", "resource_spans"), ("scopeSpans", "scope_spans"), ("spans",)),
    "logs": (
        ("resourceLogs", "resource_logs"),
        ("scopeLogs", "scope_logs"),
        ("logRecords", "log_records"),
    ),
}


class UnreadableError(UsageError):
    """The body is no export request of this path, and will not be one when it is sent again."""

    code = "unreadable-request"


@dataclass(frozen=True, slots=True)
class Letter:
    """One item that cannot be stored, as an export request of its own."""

    signal: Signal
    encoding: Encoding
    content: bytes
    reason: str
    detail: str


def letter(signal: Signal, content: bytes, reason: str, detail: str) -> Letter:
    """A letter whose content tells whether it is JSON: no protobuf request begins with `{` (field 15)."""
    encoding: Encoding = "json" if content.startswith(b"{") else "protobuf"
    return Letter(signal, encoding, content, reason, detail)


@dataclass(slots=True)
class Received:
    """What a request holds."""

    spans: list[SpanRecord] = field(default_factory=list[SpanRecord])
    events: list[EventRecord] = field(default_factory=list[EventRecord])
    letters: list[Letter] = field(default_factory=list[Letter])


_Source = tuple["Callable[[], bytes]", "Message | BadItemError", "Origin"]


def read(signal: Signal, encoding: Encoding, body: bytes) -> Received:
    """Read one request. Raises `UnreadableError`."""
    received = Received()
    sources = _protobuf(signal, body) if encoding == "protobuf" else _json(signal, body)
    foreign = 0
    for content, item, shared in sources:
        try:
            if isinstance(item, BadItemError):
                raise item  # noqa: TRY301 - one way out for items that could not even be read
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
    unreadable = sum(letter.reason == "unreadable" for letter in received.letters)
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


def _protobuf(signal: Signal, body: bytes) -> Iterator[_Source]:
    kind = ExportTraceServiceRequest if signal == "traces" else ExportLogsServiceRequest
    try:
        request = kind.FromString(body)
    except DecodeError:
        yield from _salvaged(signal, body)
        return
    yield from (
        _traces(request) if isinstance(request, ExportTraceServiceRequest) else _logs(request)
    )


def _traces(request: ExportTraceServiceRequest) -> Iterator[_Source]:
    for of_resource in request.resource_spans:
        for of_scope in of_resource.scope_spans:
            shared = spans.origin(
                of_resource.resource, of_scope.scope, (of_resource.schema_url, of_scope.schema_url)
            )
            for span in of_scope.spans:
                yield _again(of_resource.resource, of_scope.scope, span), span, shared


def _logs(request: ExportLogsServiceRequest) -> Iterator[_Source]:
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


def _salvaged(signal: Signal, body: bytes) -> Iterator[_Source]:
    """Item by item, so that one which cannot be read costs only itself."""
    try:
        found = list(wire.items(body))
    except wire.BrokenError as error:
        raise UnreadableError(f"the body is no protobuf request: {error}") from error
    kind = Span if signal == "traces" else LogRecord
    read_any = False
    sources: list[_Source] = []
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


def _json(signal: Signal, body: bytes) -> Iterator[_Source]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"the body is no JSON: {error}") from error
    outer, middle, inner = JSON_NAMES[signal]
    if not isinstance(document, dict):
        raise UnreadableError("the body must be a JSON object")
    document = cast("dict[str, Any]", document)
    if document and not any(name in document for name in outer):
        raise UnreadableError(
            f"the body has no {outer[0]}: it is no request for /v1/{signal}",
        )
    for of_resource in _list(document, outer):
        resource = of_resource.get("resource")
        for of_scope in _list(of_resource, middle):
            scope = of_scope.get("scope")
            shared = _json_origin(resource, scope, of_resource, of_scope)
            for item in _list(of_scope, inner):
                again = {
                    outer[0]: [
                        {
                            "resource": resource or {},
                            middle[0]: [{"scope": scope or {}, inner[0]: [item]}],
                        }
                    ]
                }
                message = (
                    _json_item(signal, item) if not isinstance(shared, BadItemError) else shared
                )
                yield (
                    (lambda again=again: json.dumps(again).encode()),
                    message,
                    shared if not isinstance(shared, BadItemError) else _NOWHERE,
                )


def _list(holder: Mapping[str, Any], names: tuple[str, ...]) -> list[dict[str, Any]]:
    found = next((holder[name] for name in names if holder.get(name) is not None), [])
    if not isinstance(found, list) or not all(
        isinstance(one, dict) for one in cast("list[object]", found)
    ):
        raise UnreadableError(f"{names[0]} must be a list of objects")
    return cast("list[dict[str, Any]]", found)


_NOWHERE: Final = spans.origin(Resource(), InstrumentationScope(), ("", ""))


def _json_origin(
    resource: object, scope: object, of_resource: Mapping[str, Any], of_scope: Mapping[str, Any]
) -> Origin | BadItemError:
    urls = tuple(
        url if isinstance(url, str) else ""
        for url in (
            of_resource.get("schemaUrl", of_resource.get("schema_url")),
            of_scope.get("schemaUrl", of_scope.get("schema_url")),
        )
    )
    try:
        return spans.origin(
            _parse(resource or {}, Resource()),
            _parse(scope or {}, InstrumentationScope()),
            cast("tuple[str, str]", urls),
        )
    except (json_format.ParseError, ValueError, TypeError, RecursionError) as error:
        return BadItemError("unreadable", str(error)[:500])


def _json_item(signal: Signal, item: Mapping[str, Any]) -> Message | BadItemError:
    try:
        raw = {
            name: _base64(name, value) if name in ID_FIELDS else value
            for name, value in item.items()
        }
        for name in ("links",):
            if isinstance(raw.get(name), list):
                raw[name] = [
                    {
                        key: _base64(key, value) if key in ID_FIELDS else value
                        for key, value in link.items()
                    }
                    for link in raw[name]
                ]
        return _parse(raw, Span() if signal == "traces" else LogRecord())
    except BadItemError as error:
        return error
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        return BadItemError("unreadable", str(error).encode(errors="replace").decode()[:500])


def _base64(name: str, value: object) -> object:
    """The id in the form that the library reads; OTLP writes hexadecimal."""
    if value is None or value == "":
        return ""
    try:
        if not isinstance(value, str):
            raise TypeError
        return b64encode(bytes.fromhex(value)).decode()
    except (ValueError, TypeError) as error:
        reason = {"t": "bad-trace-id", "s": "bad-span-id", "p": "bad-parent-id"}[name[0]]
        raise BadItemError(reason, f"{name} is no hexadecimal: {value!r:.80}") from error


def _parse(raw: object, message: M) -> M:
    return json_format.ParseDict(raw, message, ignore_unknown_fields=True)


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
