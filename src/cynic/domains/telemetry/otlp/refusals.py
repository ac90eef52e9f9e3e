"""What is not taken: a whole request that will never work, or one item that cannot be stored and is set aside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cynic.base.errors import UsageError

Encoding = Literal["protobuf", "json"]
Signal = Literal["traces", "logs"]


class BadItemError(Exception):
    """One item cannot be stored: a stable word for why, and a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


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
