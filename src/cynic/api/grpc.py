"""An answer to those who speak gRPC to the HTTP port: a clear one, instead of a connection that breaks.

gRPC begins with the preface of HTTP/2 (RFC 9113, 3.4). What comes back is an empty SETTINGS frame and a GOAWAY with the
error HTTP_1_1_REQUIRED, whose debug data names the variable that switches an exporter to HTTP; gRPC libraries show it.
"""

from __future__ import annotations

import struct
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HINT: Final = b"cynic takes OTLP over HTTP, not gRPC: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
SETTINGS, GOAWAY = 4, 7
HTTP_1_1_REQUIRED: Final = 0x0D


def _frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, 0]) + bytes(4) + payload


ANSWER: Final = _frame(SETTINGS, b"") + _frame(
    GOAWAY, struct.pack(">II", 0, HTTP_1_1_REQUIRED) + HINT
)


class Protocol(H11Protocol):
    """HTTP/1.1, and one answer in HTTP/2 that says so."""

    _is_first = True

    def data_received(self, data: bytes) -> None:
        """Look at the first bytes of a connection, then leave the rest to uvicorn."""
        if self._is_first:
            self._is_first = False
            if data.startswith(PREFACE[:16]):
                self.transport.write(ANSWER)
                self.transport.close()
                return
        super().data_received(data)
