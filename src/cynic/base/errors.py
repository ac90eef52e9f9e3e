"""The errors of cynic: one class per kind of trouble, one stable code per error.

The same error is an exit code on the command line, a problem document over HTTP (RFC 9457) and an
exception in Python. A more specific error lives beside the code that raises it and inherits from one
of the kinds below, so that a caller can catch the kind without knowing the place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping


class CynicError(Exception):
    """Something failed, and no more specific kind fits."""

    code: ClassVar[str] = "failure"
    """Stable name in kebab-case: scripts and clients match on it, never on the message."""
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(
        self, message: str, *, hint: str | None = None, details: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        """What the reader can do about it; a sentence, or None."""
        self.details: Mapping[str, object] = details or {}
        """Facts for a program to read, JSON-serialisable."""


class UsageError(CynicError):
    """The command or the request is malformed, whatever the data."""

    code = "usage"
    exit_code = 2
    http_status = 400


class NotFoundError(CynicError):
    """What was asked for does not exist."""

    code = "not-found"
    exit_code = 3
    http_status = 404


class ConflictError(CynicError):
    """The request contradicts what is already recorded."""

    code = "conflict"
    exit_code = 4
    http_status = 409


class InvalidDataError(CynicError):
    """The data breaks a rule: a bound, an enumeration, a missing field."""

    code = "invalid-data"
    exit_code = 5
    http_status = 422


class FoundWrongError(CynicError):
    """The command ran to its end and found something wrong (drift, a broken proof, no budget)."""

    code = "found-wrong"
    exit_code = 6
    http_status = 409


class UnavailableError(CynicError):
    """Something this needs is not there: the database, its binaries, a disk that can be written."""

    code = "unavailable"
    exit_code = 69
    http_status = 503


class TryAgainError(CynicError):
    """Nothing is wrong; the same request may well succeed later."""

    code = "try-again"
    exit_code = 75
    http_status = 503
