"""OpenTelemetry over HTTP: `POST /v1/traces` and `/v1/logs`, as the OTLP specification (1.5) has it.

Protobuf or JSON, gzip or not, answered in the request's encoding; 200 says that everything taken is committed, and how
many items were set aside. 400, 413 and 415 will never work; 429 and 503 may, after Retry-After seconds.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import TYPE_CHECKING, Final, cast

from fastapi import APIRouter, Request  # FastAPI reads them
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from cynic.api.problems import RETRY_AFTER_SECONDS
from cynic.api.state import in_thread
from cynic.base.errors import CynicError, UnavailableError, UsageError
from cynic.domains.telemetry.otlp import request as otlp_request
from cynic.domains.telemetry.otlp import wire
from cynic.flows.otlp_store import Batch
from cynic.flows.submission import TooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cynic.domains.telemetry.otlp.refusals import Encoding, Signal
    from cynic.domains.telemetry.otlp.request import Received
    from cynic.flows.otlp_receiver import Receiver

UNPACKED_BYTES_MAX: Final = 32 << 20
READERS_MAX: Final = 2
"""Requests that are read at once: more would only take turns, and hold memory meanwhile."""
MEDIA_TYPES: Final[dict[str, Encoding]] = {
    "application/x-protobuf": "protobuf",
    "application/protobuf": "protobuf",
    "application/json": "json",
}
ANSWER_TYPES: Final = {"protobuf": "application/x-protobuf", "json": "application/json"}
GRPC_CODES: Final = {400: 3, 413: 8, 415: 3, 429: 8, 503: 14}
"""google.rpc.Code of a status: INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNAVAILABLE."""

router = APIRouter(tags=["telemetry"])


class MediaTypeError(UsageError):
    """The body is of a type, or packed in a way, that is not taken."""

    code = "unsupported-media-type"
    http_status = 415


def _described(signal: str) -> dict[str, object]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        "requestBody": {
            "required": True,
            "description": f"an ExportRequest of opentelemetry-proto for {signal}, gzip or not",
            "content": {
                "application/x-protobuf": binary,
                "application/json": {"schema": {"type": "object"}},
            },
        }
    }


_ANSWERS: Final[dict[int | str, dict[str, object]]] = {
    200: {
        "description": "committed; `partialSuccess` counts what was set aside",
        "content": {"application/x-protobuf": {}, "application/json": {}},
    },
    **{
        status: {"description": meaning}
        for status, meaning in {
            400: "the body is no such request, and never will be",
            413: "the body is over the limit, as it is or unpacked",
            415: "neither protobuf nor JSON, or packed otherwise than with gzip",
            503: "too much waits already, or the database does not answer; see Retry-After",
        }.items()
    },
}


@router.post(
    "/v1/traces", responses=_ANSWERS, openapi_extra=_described("traces"), response_class=Response
)
async def traces(request: Request) -> Response:
    """Take spans: 200 says that they are committed. The same spans again change nothing."""
    return await _take(request, "traces")


@router.post(
    "/v1/logs", responses=_ANSWERS, openapi_extra=_described("logs"), response_class=Response
)
async def logs(request: Request) -> Response:
    """Take log records: 200 says that they are committed. The same records again change nothing."""
    return await _take(request, "logs")


async def _take(request: Request, signal: Signal) -> Response:
    encoding = MEDIA_TYPES.get(
        request.headers.get("content-type", "").partition(";")[0].strip().lower()
    )
    try:
        if encoding is None:
            raise MediaTypeError(
                "the content type must be application/x-protobuf or application/json",
                hint="over gRPC nothing is taken: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
            )
        unpack = _unpacking(request.headers.get("content-encoding", ""))
        received = await _store(request, signal, encoding, unpack)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody is there to read it
    except CynicError as error:
        return _refusal(error, encoding or "json")
    return Response(_answer(received, signal, encoding), media_type=ANSWER_TYPES[encoding])


async def _store(
    request: Request, signal: Signal, encoding: Encoding, unpack: Callable[[bytes], bytes]
) -> Received:
    receiver = cast("Receiver", request.app.state.receiver)
    readers = cast("asyncio.Semaphore", request.app.state.otlp_readers)
    body = await request.body()
    with receiver.room(len(body)):
        async with readers:
            whole = await in_thread(unpack, body) if unpack is not _as_it_is else body
            more = receiver.room(len(whole) - len(body)) if len(whole) > len(body) else None
            if more is None:
                received = await in_thread(otlp_request.read, signal, encoding, whole)
            else:
                with more:
                    received = await in_thread(otlp_request.read, signal, encoding, whole)
        del whole, body
        if received.spans or received.events or received.letters:
            batch = Batch(received.spans, received.events, received.letters)
            await asyncio.wrap_future(receiver.submit(batch))
    return received


def _unpacking(named: str) -> Callable[[bytes], bytes]:
    match named.strip().lower():
        case "" | "identity":
            return _as_it_is
        case "gzip" | "x-gzip":
            return _gunzip
        case _:
            raise MediaTypeError(f"the content encoding {named[:40]!r} is not taken; gzip is")


def _as_it_is(body: bytes) -> bytes:
    return body


def _gunzip(body: bytes) -> bytes:
    """Unpack, but never more than the limit, whatever the body claims."""
    parts: list[bytes] = []
    size = 0
    while body:
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            part = unpacker.decompress(body, UNPACKED_BYTES_MAX - size + 1)
        except zlib.error as error:
            raise UsageError(f"the body is not gzip: {error}") from error
        size += len(part)
        if size > UNPACKED_BYTES_MAX:
            raise TooLargeError(f"the body unpacks to more than {UNPACKED_BYTES_MAX} bytes")
        if not unpacker.eof:
            raise UsageError("the gzip body ends too early")
        parts.append(part)
        body = unpacker.unused_data
    return b"".join(parts)


def _answer(received: Received, signal: Signal, encoding: Encoding) -> bytes:
    """An ExportResponse; empty when everything was stored."""
    rejected = len(received.letters)
    if not rejected:
        return b"" if encoding == "protobuf" else b"{}"
    reasons = sorted({f"{letter.reason} ({letter.detail})" for letter in received.letters})
    message = f"set aside, to be driven again with cynic telemetry retry: {'; '.join(reasons)}"[
        :1000
    ]
    if encoding == "protobuf":
        return wire.field(1, wire.number(1, rejected) + wire.field(2, message.encode()))
    name = {"traces": "rejectedSpans", "logs": "rejectedLogRecords"}[signal]
    partial = {name: str(rejected), "errorMessage": message}
    return json.dumps({"partialSuccess": partial}).encode()


def _refusal(error: CynicError, encoding: Encoding) -> Response:
    """A google.rpc.Status, as the specification asks for."""
    status = error.http_status
    message = f"{error.message} [{error.code}]" + (f"; {error.hint}" if error.hint else "")
    code = GRPC_CODES.get(status, 13)
    if encoding == "protobuf":
        body = wire.number(1, code) + wire.field(2, message.encode(errors="replace"))
    else:
        body = json.dumps({"code": code, "message": message}).encode()
    headers = (
        {"Retry-After": RETRY_AFTER_SECONDS} if status == UnavailableError.http_status else None
    )
    return Response(body, status, headers, ANSWER_TYPES[encoding])
