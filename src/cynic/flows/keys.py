"""API keys in the database: make, list and revoke them, and recognise the one that a caller presents."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from psycopg import Error
from psycopg.rows import class_row

from cynic.base.checks import NAME_CHARACTERS_MAX, check_text
from cynic.base.errors import NotFoundError
from cynic.db import sqlfile
from cynic.domains.system import keys

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    import psycopg

    from cynic.domains.system.keys import Scope

USE_NOTED_EVERY: Final = timedelta(minutes=1)

_LOG = logging.getLogger(__name__)
_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("keys.sql")))


class UnknownKeyError(NotFoundError):
    """No API key has this id."""

    code = "unknown-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as the database knows it: everything except what would let one use it."""

    id: UUID
    name: str
    scope: Scope
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    def state(self, now: datetime) -> str:
        """`revoked`, `expired` or `active`; only an active key opens anything."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"

    @property
    def caller(self) -> str:
        """Who calls with this key."""
        return f"key:{self.id}"

    def document(self, now: datetime) -> dict[str, object]:
        """The key as JSON values."""
        times = ("created_at", "expires_at", "last_used_at", "revoked_at")
        shown = {name: cast("datetime | None", getattr(self, name)) for name in times}
        return {
            "id": str(self.id),
            "name": self.name,
            "scope": self.scope,
            "state": self.state(now),
            **{name: None if at is None else at.isoformat() for name, at in shown.items()},
        }


def any_key(conn: psycopg.Connection) -> bool:
    """Whether there is a key at all, a revoked or expired one included: then the service asks for one."""
    row = conn.execute(_SQL["any_key"]).fetchone()
    return row is None or bool(row[0])


def create(
    conn: psycopg.Connection,
    name: str,
    scope: Scope,
    *,
    randomness: bytes,
    new_id: UUID,
    now: datetime,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key; return it with its text, which is kept nowhere and cannot be shown again."""
    check_text(name, "name", NAME_CHARACTERS_MAX)
    text = keys.make(randomness)
    made = ApiKey(
        id=new_id,
        name=name,
        scope=scope,
        created_at=now,
        expires_at=expires_at,
        last_used_at=None,
        revoked_at=None,
    )
    parameters = {
        "id": new_id,
        "name": name,
        "digest": keys.digest(text),
        "scope": scope,
        "now": now,
        "expires_at": expires_at,
    }
    conn.execute(_SQL["create_key"], parameters)
    return made, text


def every(conn: psycopg.Connection) -> list[ApiKey]:
    """All keys, oldest first; revoked and expired ones stay in the list."""
    with conn.cursor(row_factory=class_row(ApiKey)) as cursor:
        return cursor.execute(_SQL["list_keys"]).fetchall()


def revoke(conn: psycopg.Connection, key_id: UUID, now: datetime) -> ApiKey:
    """Let a key open nothing any more; a second time changes nothing."""
    with conn.cursor(row_factory=class_row(ApiKey)) as cursor:
        revoked = cursor.execute(_SQL["revoke_key"], {"id": key_id, "now": now}).fetchone()
    if revoked is None:
        raise UnknownKeyError(
            f"there is no API key {key_id}", hint="cynic keys list shows their ids"
        )
    return revoked


def recognise(conn: psycopg.Connection, digest: bytes, now: datetime) -> ApiKey | None:
    """The key with this digest, in whatever state; if it is active, that it was used is noted, to the minute.

    `conn` is in autocommit mode.
    """
    with conn.cursor(row_factory=class_row(ApiKey)) as cursor:
        found = cursor.execute(_SQL["key_of_digest"], {"digest": digest}).fetchone()
    if found is not None and found.state(now) == "active" and _due(found, now):
        try:
            conn.execute(_SQL["note_use"], {"id": found.id, "now": now})
        except Error:
            # Who may enter is decided by what was read; a replica, for one, cannot note it.
            _LOG.warning("the use of API key %s could not be noted", found.id, exc_info=True)
    return found


def _due(found: ApiKey, now: datetime) -> bool:
    return found.last_used_at is None or found.last_used_at <= now - USE_NOTED_EVERY
