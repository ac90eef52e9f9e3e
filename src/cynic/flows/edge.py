"""What a flow asks once, at the edge: the time, new identifiers, the key of digests; and how it writes JSON."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString, cast

from cynic.base.errors import CynicError
from cynic.db import sqlfile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from uuid import UUID

    import psycopg

    from cynic.flows.learned import LearnedSource

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("edge.sql")))

_ENCODE = json.JSONEncoder(ensure_ascii=False, default=float).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What is asked once, at the edge: the time, new identifiers, the key of digests, and what was learned."""

    clock: Callable[[], datetime]
    new_id: Callable[[], UUID]
    digest_key: bytes
    learned: LearnedSource | None = None
    """None leaves recording to equal weights and uncalibrated confidences."""

    def digest(self, text: str) -> str:
        """A keyed digest (HMAC-SHA-256, RFC 2104) in hexadecimal."""
        return hmac.new(self.digest_key, text.encode(), hashlib.sha256).hexdigest()


def digest_key(conn: psycopg.Connection) -> bytes:
    """The key of this schema's digests."""
    row = conn.execute(_SQL["digest_key"]).fetchone()
    if row is None:
        raise CynicError("the key of digests is missing", hint="run cynic db verify")
    return cast("bytes", row[0])


def to_json(value: object) -> str:
    """JSON for a parameter; a Decimal inside becomes a number with the same digits."""
    return _ENCODE(value)
