"""One span of an export request as a plain record: raw parts as JSON, times in nanoseconds, and its facts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from cynic.domains.telemetry.otlp import facts as facts_of
from cynic.domains.telemetry.otlp.attributes import encode, has_nul, read
from cynic.domains.telemetry.otlp.refusals import BadItemError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.message import Message
    from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from cynic.domains.telemetry.otlp.facts import Facts

TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8
NAME_CHARACTERS_MAX: Final = 1024
SPAN_CHARACTERS_MAX: Final = 4 << 20
NO_TRACE: Final = bytes(TRACE_ID_BYTES)
NO_SPAN: Final = bytes(SPAN_ID_BYTES)
STATUSES: Final = ("unset", "ok", "error")
NS_PER_MS: Final = 1_000_000
DURATION_MS_MAX: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Origin:
    """What the items of one scope share: their resource and scope, as members of a JSON object."""

    json: str
    service: str | None
    scope: str
    session_id: str | None


Source = tuple["Callable[[], bytes]", "Message | BadItemError", Origin]
"""One item: what makes a request of it alone, its message (or why there is none), and what its scope shares."""


@dataclass(slots=True)
class SpanRecord:
    """One span; `start_ns` and `end_ns` since 1970, `end_ns` 0 while it is not over."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    start_ns: int
    end_ns: int
    status: str
    attributes: str
    envelope: str
    service: str | None
    scope: str
    facts: Facts
    source: Callable[[], bytes] = bytes
    """Makes an export request that holds this span alone, for when it cannot be stored."""

    @property
    def session_id(self) -> str | None:
        """The session that the span names."""
        return self.facts.session_id

    @property
    def duration_ms(self) -> int | None:
        """How long it took; None while it is not over, or when it ended before it began."""
        return duration_ms(self.start_ns, self.end_ns)


def duration_ms(start_ns: int, end_ns: int) -> int | None:
    """Whole milliseconds, rounded to the nearest; None for what no clock would give."""
    if not 0 < start_ns <= end_ns:
        return None
    took = (end_ns - start_ns + NS_PER_MS // 2) // NS_PER_MS
    return took if took <= DURATION_MS_MAX else None


def origin(
    resource: Resource,
    scope: InstrumentationScope,
    schema_urls: tuple[str, str],
) -> Origin:
    """What the items of one scope share, read once for all of them."""
    of_resource, twice = read(resource.attributes)
    said: dict[str, object] = {"attributes": of_resource}
    if twice:
        said["duplicates"] = twice
    if resource.dropped_attributes_count:
        said["dropped"] = resource.dropped_attributes_count
    if schema_urls[0]:
        said["schema_url"] = schema_urls[0]
    by: dict[str, object] = {"name": scope.name}
    if scope.version:
        by["version"] = scope.version
    if scope.attributes:
        by["attributes"], twice = read(scope.attributes)
        if twice:
            by["duplicates"] = twice
    if scope.dropped_attributes_count:
        by["dropped"] = scope.dropped_attributes_count
    if schema_urls[1]:
        by["schema_url"] = schema_urls[1]
    return _origin(f'"scope":{encode(by)},"resource":{encode(said)}}}', of_resource, scope.name)


def _origin(text: str, of_resource: Mapping[str, object], scope: str) -> Origin:
    service, session = of_resource.get("service.name"), of_resource.get("session.id")
    return Origin(
        json=text,
        service=service[: facts_of.NAME_CHARACTERS_MAX] if isinstance(service, str) else None,
        scope=scope[: facts_of.NAME_CHARACTERS_MAX],
        session_id=session
        if isinstance(session, str) and 0 < len(session) <= facts_of.NAME_CHARACTERS_MAX
        else None,
    )


def record(span: Span, shared: Origin) -> SpanRecord:
    """Read one span; `BadItemError` says why it cannot be stored."""
    trace_id, span_id, parent_id = _ids(span)
    start_ns, end_ns = span.start_time_unix_nano, span.end_time_unix_nano
    if not start_ns:
        raise BadItemError("no-start-time", "the span does not say when it began")
    name = span.name
    if len(name) > NAME_CHARACTERS_MAX:
        raise BadItemError("over-long", f"the name has {len(name)} characters")
    attributes, twice = read(span.attributes)
    try:
        facts = facts_of.derive(attributes, name)
    except facts_of.OverLongError as error:
        raise BadItemError("over-long", str(error)) from error
    code = span.status.code
    status = STATUSES[code] if 0 <= code < len(STATUSES) else "unset"
    raw = encode(attributes)
    rest, thrown = _envelope(span, twice)
    envelope = rest + shared.json
    if len(raw) + len(envelope) > SPAN_CHARACTERS_MAX:
        raise BadItemError(
            "over-long", f"the span has {len(raw) + len(envelope)} characters of JSON"
        )
    refuse_nul(raw, envelope, name)
    if status == "error" and facts.error_type is None:
        facts.error_type = thrown
    elif facts.error_type is not None or facts.is_failure:
        status = "error"
    if facts.session_id is None:
        facts.session_id = shared.session_id
    return SpanRecord(
        trace_id, span_id, parent_id, name, start_ns, end_ns, status, raw, envelope,
        shared.service, shared.scope, facts,
    )  # fmt: skip


def again(  # the columns of a stored span
    trace_id: str,
    span_id: str,
    parent_id: str | None,
    name: str,
    attributes: str,
    envelope: str,
) -> SpanRecord:
    """The record of a span that was stored, its facts derived with the table of today.

    Raises nothing that `record` did not: a name that is too long under a new table is left out with all facts.
    """
    raw = cast("dict[str, Any]", json.loads(envelope))
    try:
        facts = facts_of.derive(cast("dict[str, object]", json.loads(attributes)), name)
    except facts_of.OverLongError:
        facts = facts_of.Facts()
    code = cast("int", raw.get("status", {}).get("code", 0))
    status = STATUSES[code] if 0 <= code < len(STATUSES) else "unset"
    if status == "error" and facts.error_type is None:
        for event in raw.get("events", ()):
            kind = event.get("attributes", {}).get("exception.type")
            if event.get("name") == "exception" and isinstance(kind, str):
                facts.error_type = kind[: facts_of.NAME_CHARACTERS_MAX]
    elif facts.error_type is not None or facts.is_failure:
        status = "error"
    shared = stored_origin(raw)
    if facts.session_id is None:
        facts.session_id = shared.session_id
    return SpanRecord(
        trace_id, span_id, parent_id, name, raw["start"], raw["end"], status, attributes, envelope,
        shared.service, shared.scope, facts,
    )  # fmt: skip


def stored_origin(envelope: Mapping[str, Any]) -> Origin:
    """What the items of one scope shared, from the envelope of one of them."""
    of_resource = cast("dict[str, object]", envelope["resource"]["attributes"])
    return _origin("", of_resource, cast("str", envelope["scope"]["name"]))


def _ids(span: Span) -> tuple[str, str, str | None]:
    trace_id, span_id, parent_id = span.trace_id, span.span_id, span.parent_span_id
    if len(trace_id) != TRACE_ID_BYTES or trace_id == NO_TRACE:
        raise BadItemError(
            "bad-trace-id", f"a trace id has 16 bytes, not all zero: {trace_id.hex()[:64]!r}"
        )
    if len(span_id) != SPAN_ID_BYTES or span_id == NO_SPAN:
        raise BadItemError(
            "bad-span-id", f"a span id has 8 bytes, not all zero: {span_id.hex()[:64]!r}"
        )
    if not parent_id or parent_id == NO_SPAN:
        return trace_id.hex(), span_id.hex(), None
    if len(parent_id) != SPAN_ID_BYTES:
        raise BadItemError("bad-parent-id", f"a span id has 8 bytes: {parent_id.hex()[:64]!r}")
    if parent_id == span_id:
        raise BadItemError("own-parent", "the span names itself as its parent")
    return trace_id.hex(), span_id.hex(), parent_id.hex()


def refuse_nul(raw: str, envelope: str, name: str) -> None:
    """Raise when a NUL character is in what is to be stored."""
    if "\0" in name or (("\\u0000" in raw or "\\u0000" in envelope) and _nul_inside(raw, envelope)):
        raise BadItemError("nul", "a NUL character, which PostgreSQL cannot keep")


def _nul_inside(*documents: str) -> bool:
    """Whether an escape is one: the text may also hold a backslash that is followed by u0000."""
    return any(has_nul(json.loads(document)) for document in documents)


def _envelope(span: Span, twice: list[list[object]]) -> tuple[str, str | None]:
    """The beginning of the envelope, up to what all items of the scope share; and the type of the last exception."""
    text = (
        f'{{"start":{span.start_time_unix_nano},"end":{span.end_time_unix_nano},"kind":{span.kind},'
    )
    more: dict[str, object] = {}
    thrown = None
    if span.HasField("status"):
        more["status"] = {"code": span.status.code, "message": span.status.message}
    if span.trace_state:
        more["trace_state"] = span.trace_state
    if span.flags:
        more["flags"] = span.flags
    if twice:
        more["duplicates"] = twice
    dropped = (span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count)
    if any(dropped):
        more["dropped"] = dict(zip(("attributes", "events", "links"), dropped, strict=True))
    if span.events:
        more["events"], thrown = _events(span)
    if span.links:
        more["links"] = [
            _with_attributes(
                {
                    "trace_id": link.trace_id.hex(),
                    "span_id": link.span_id.hex(),
                    "trace_state": link.trace_state,
                    "flags": link.flags,
                },
                link,
            )
            for link in span.links
        ]
    return (f"{text}{encode(more)[1:-1]}," if more else text), thrown


def _events(span: Span) -> tuple[list[dict[str, object]], str | None]:
    found: list[dict[str, object]] = []
    thrown = None
    for event in span.events:
        one = _with_attributes({"time": event.time_unix_nano, "name": event.name}, event)
        if event.name == "exception":
            kind = read(event.attributes)[0].get("exception.type")
            thrown = kind[: facts_of.NAME_CHARACTERS_MAX] if isinstance(kind, str) else thrown
        found.append(one)
    return found, thrown


def _with_attributes(one: dict[str, object], part: Span.Event | Span.Link) -> dict[str, object]:
    attributes, twice = read(part.attributes)
    if attributes:
        one["attributes"] = attributes
    if twice:
        one["duplicates"] = twice
    if part.dropped_attributes_count:
        one["dropped"] = part.dropped_attributes_count
    return one
