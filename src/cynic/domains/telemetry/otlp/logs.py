"""One log record of an export request as a plain record, with the call it reports if it is the only report of one.

Message content and the details of an inference (`gen_ai.client.inference.operation.details`) belong to a span and are
joined to it by their ids; what they tell is counted with the span, not again. Coding agents send events instead of
spans: those are calls of their own.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from cynic.domains.telemetry.otlp import facts as facts_of
from cynic.domains.telemetry.otlp.attributes import encode, plain, read
from cynic.domains.telemetry.otlp.refusals import BadItemError
from cynic.domains.telemetry.otlp.spans import (
    NAME_CHARACTERS_MAX,
    NO_SPAN,
    NO_TRACE,
    NS_PER_MS,
    SPAN_CHARACTERS_MAX,
    SPAN_ID_BYTES,
    TRACE_ID_BYTES,
    refuse_nul,
    stored_origin,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

    from cynic.domains.telemetry.otlp.facts import Facts
    from cynic.domains.telemetry.otlp.spans import Origin

SEVERITIES: Final = range(1, 25)


@dataclass(slots=True)
class EventRecord:
    """One log record; `facts` only where it alone reports a call."""

    digest: bytes
    event_name: str | None
    trace_id: str | None
    span_id: str | None
    session_id: str | None
    time_ns: int
    severity: int | None
    body: str | None
    attributes: str
    envelope: str
    scope: str
    facts: Facts | None
    source: Callable[[], bytes] = bytes
    """Makes an export request that holds this record alone, for when it cannot be stored."""

    @property
    def start_ns(self) -> int:
        """When the call that it reports began: an event comes at its end."""
        took = self.facts.duration_ms if self.facts else None
        return self.time_ns - (took or 0) * NS_PER_MS

    @property
    def duration_ms(self) -> int | None:
        """How long the call took that it reports; None when not told."""
        return self.facts.duration_ms if self.facts else None

    @property
    def status(self) -> str:
        """Whether the call that it reports failed."""
        failed = self.facts is not None and (self.facts.is_failure or self.facts.error_type)
        return "error" if failed else "ok"


def record(log: LogRecord, shared: Origin) -> EventRecord:
    """Read one log record; `BadItemError` says why it cannot be stored."""
    trace_id, span_id = log.trace_id, log.span_id
    if trace_id and len(trace_id) != TRACE_ID_BYTES:
        raise BadItemError("bad-trace-id", f"a trace id has 16 bytes: {trace_id.hex()[:64]!r}")
    if span_id and len(span_id) != SPAN_ID_BYTES:
        raise BadItemError("bad-span-id", f"a span id has 8 bytes: {span_id.hex()[:64]!r}")
    time_ns = log.time_unix_nano or log.observed_time_unix_nano
    if not time_ns:
        raise BadItemError(
            "no-time", "the record says neither when it happened nor when it was seen"
        )
    attributes, twice = read(log.attributes)
    name = _event_name(log, attributes)
    try:
        facts = facts_of.derive(attributes, name)
    except facts_of.OverLongError as error:
        raise BadItemError("over-long", str(error)) from error
    raw = encode(attributes)
    body = encode(plain(log.body)) if log.HasField("body") else None
    envelope = _envelope(log, twice) + shared.json
    if (
        len(raw) + len(envelope) + len(body or "") > SPAN_CHARACTERS_MAX
        or len(name) > NAME_CHARACTERS_MAX
    ):
        raise BadItemError("over-long", "the record has more characters than can be kept")
    refuse_nul(raw, envelope, name)
    if body:
        refuse_nul(body, "{}", "")
    digest = hashlib.sha256(shared.json.encode())
    digest.update(log.SerializeToString(deterministic=True))
    of_span = span_id.hex() if span_id and span_id != NO_SPAN else None
    return EventRecord(
        digest=digest.digest(),
        event_name=name or None,
        trace_id=trace_id.hex() if trace_id and trace_id != NO_TRACE else None,
        span_id=of_span,
        session_id=facts.session_id or shared.session_id,
        time_ns=time_ns,
        severity=log.severity_number if log.severity_number in SEVERITIES else None,
        body=body,
        attributes=raw,
        envelope=envelope,
        scope=shared.scope,
        facts=_own_call(facts, name, of_span),
    )


def again(  # noqa: PLR0917  # the columns of a stored log record
    digest: bytes,
    name: str | None,
    trace_id: str | None,
    span_id: str | None,
    session_id: str | None,
    attributes: str,
    envelope: str,
) -> EventRecord:
    """The record of a log record that was stored, its facts derived with the table of today."""
    raw = cast("dict[str, Any]", json.loads(envelope))
    try:
        facts = facts_of.derive(cast("dict[str, object]", json.loads(attributes)), name or "")
    except facts_of.OverLongError:
        facts = facts_of.Facts()
    shared = stored_origin(raw)
    return EventRecord(
        digest=digest,
        event_name=name,
        trace_id=trace_id,
        span_id=span_id,
        session_id=facts.session_id or shared.session_id or session_id,
        time_ns=raw["time"] or raw["observed"],
        severity=None,
        body=None,
        attributes=attributes,
        envelope=envelope,
        scope=shared.scope,
        facts=_own_call(facts, name or "", span_id),
    )


def _own_call(facts: Facts, name: str, span_id: str | None) -> Facts | None:
    """The facts of a call that no span reports."""
    if span_id is not None and not facts_of.is_of_client(name):
        return None
    return facts if facts.kind in {"model", "embedding", "tool"} else None


def _event_name(log: LogRecord, attributes: dict[str, object]) -> str:
    """The event's name, in whichever of three places this client puts it."""
    if log.event_name:
        return log.event_name
    told = attributes.get("event.name")
    body = log.body.string_value if log.body.WhichOneof("value") == "string_value" else ""
    if isinstance(told, str) and told:
        # Some clients leave their prefix out of the attribute and put the whole name in the body.
        return body if body.endswith(f".{told}") and len(body) <= NAME_CHARACTERS_MAX else told
    return body if facts_of.is_of_client(body) and len(body) <= NAME_CHARACTERS_MAX else ""


def _envelope(log: LogRecord, twice: list[list[object]]) -> str:
    more: dict[str, object] = {"time": log.time_unix_nano, "observed": log.observed_time_unix_nano}
    if log.severity_number:
        more["severity"] = log.severity_number
    if log.severity_text:
        more["severity_text"] = log.severity_text
    if log.flags:
        more["flags"] = log.flags
    if log.dropped_attributes_count:
        more["dropped"] = log.dropped_attributes_count
    if twice:
        more["duplicates"] = twice
    return f"{encode(more)[:-1]},"
