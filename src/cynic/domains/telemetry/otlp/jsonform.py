"""OTLP in JSON: ids in hexadecimal, 64-bit integers as strings, enumerations as names or numbers, either spelling of names.

The library reads the JSON of protobuf, which differs in the ids (base64 there); it is given one item at a time, so that
one which cannot be read costs only itself.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from google.protobuf import json_format
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from cynic.domains.telemetry.otlp import spans
from cynic.domains.telemetry.otlp.refusals import BadItemError, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cynic.domains.telemetry.otlp.refusals import Signal
    from cynic.domains.telemetry.otlp.spans import Origin, Source

M = TypeVar("M", bound=Message)
Document = dict[str, Any]
DETAIL_CHARACTERS_MAX: Final = 500
REASONS: Final = {
    "traceId": "bad-trace-id",
    "trace_id": "bad-trace-id",
    "spanId": "bad-span-id",
    "span_id": "bad-span-id",
    "parentSpanId": "bad-parent-id",
    "parent_span_id": "bad-parent-id",
}
NAMES: Final = {
    "traces": (("resourceSpans", "resource_spans"), ("scopeSpans", "scope_spans"), ("spans",)),
    "logs": (
        ("resourceLogs", "resource_logs"),
        ("scopeLogs", "scope_logs"),
        ("logRecords", "log_records"),
    ),
}
NOWHERE: Final = spans.origin(Resource(), InstrumentationScope(), ("", ""))
_HEXADECIMAL: Final = re.compile(r"([0-9A-Fa-f]{2})+")
_UNREADABLE: Final = (
    json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError, OverflowError,
)  # fmt: skip


def items(signal: Signal, body: bytes) -> Iterator[Source]:
    """Each item of a request. Raises `UnreadableError` for what is none."""
    try:
        document = cast("object", json.loads(body))
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"the body is no JSON: {error}") from error
    outer, middle, inner = NAMES[signal]
    if not isinstance(document, dict):
        raise UnreadableError("the body must be a JSON object")
    whole = cast("Document", document)
    if whole and not any(name in whole for name in outer):
        raise UnreadableError(f"the body has no {outer[0]}: it is no request for /v1/{signal}")
    for of_resource in _objects(whole, outer):
        for of_scope in _objects(of_resource, middle):
            shared = _origin(of_resource, of_scope)
            for item in _list(of_scope, inner):
                around = (of_resource, of_scope, item)
                if isinstance(shared, BadItemError):
                    yield _again(signal, *around), shared, NOWHERE
                else:
                    yield _again(signal, *around), _item(signal, item), shared


def _again(
    signal: Signal, of_resource: Document, of_scope: Document, item: object
) -> Callable[[], bytes]:
    """Makes a request of one item."""
    outer, middle, inner = NAMES[signal]

    def make() -> bytes:
        scope = {**_without(of_scope, inner), inner[0]: [item]}
        return json.dumps(
            {outer[0]: [{**_without(of_resource, middle), middle[0]: [scope]}]}
        ).encode()

    return make


def _without(holder: Document, names: tuple[str, ...]) -> Document:
    return {name: value for name, value in holder.items() if name not in names}


def _list(holder: Mapping[str, Any], names: tuple[str, ...]) -> list[object]:
    for name in names:
        found = cast("object", holder.get(name))
        if isinstance(found, list):
            return cast("list[object]", found)
        if found is not None:
            raise UnreadableError(f"{name} must be a list")
    return []


def _objects(holder: Mapping[str, Any], names: tuple[str, ...]) -> list[Document]:
    found = _list(holder, names)
    if not all(isinstance(one, dict) for one in found):
        raise UnreadableError(f"{names[0]} must be a list of objects")
    return cast("list[Document]", found)


def _origin(of_resource: Document, of_scope: Document) -> Origin | BadItemError:
    try:
        return spans.origin(
            _parse(of_resource.get("resource") or {}, Resource()),
            _parse(of_scope.get("scope") or {}, InstrumentationScope()),
            (_url(of_resource), _url(of_scope)),
        )
    except _UNREADABLE as error:
        return _unreadable(error)


def _url(holder: Document) -> str:
    found = holder.get("schemaUrl", holder.get("schema_url"))
    return found if isinstance(found, str) else ""


def _item(signal: Signal, item: object) -> Message | BadItemError:
    if not isinstance(item, dict):
        return BadItemError("unreadable", "the item is no JSON object")
    try:
        raw = _with_bytes(cast("Document", item))
        links = cast("object", raw.get("links"))
        if isinstance(links, list):
            raw["links"] = [_with_bytes(link) for link in cast("list[Document]", links)]
        return _parse(raw, Span() if signal == "traces" else LogRecord())
    except BadItemError as error:
        return error
    except _UNREADABLE as error:
        return _unreadable(error)


def _unreadable(error: Exception) -> BadItemError:
    text = str(error)[:DETAIL_CHARACTERS_MAX]
    return BadItemError("unreadable", text.encode(errors="replace").decode())


def _with_bytes(item: Document) -> Document:
    """The item with its ids as the library reads them."""
    return {
        name: _base64(name, value) if name in REASONS else value for name, value in item.items()
    }


def _base64(name: str, value: object) -> str:
    if value is None or value == "":
        return ""
    if not (isinstance(value, str) and _HEXADECIMAL.fullmatch(value)):
        raise BadItemError(REASONS[name], f"{name} is no hexadecimal: {value!r:.80}")
    return b64encode(bytes.fromhex(value)).decode()


def _parse(raw: Document, message: M) -> M:
    return json_format.ParseDict(raw, message, ignore_unknown_fields=True)
