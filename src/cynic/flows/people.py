"""Users by their names: found, and made by the first who names them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, LiteralString, cast

from cynic.base.errors import TryAgainError
from cynic.db import sqlfile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    import psycopg

ATTEMPTS_MAX = 5

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("people.sql")))


class CrowdedError(TryAgainError):
    """Others kept changing the same rows; nothing was stored."""

    code = "crowded"


def make(conn: psycopg.Connection, names: Sequence[str]) -> None:
    """Make those of the users that are not there yet."""
    conn.execute(_SQL["make_users"], {"names": list(names)})


def find(conn: psycopg.Connection, name: str) -> UUID:
    """The user of this name, made if missing; locked against erasure to the end of the transaction."""
    for _ in range(ATTEMPTS_MAX):
        row = conn.execute(_SQL["user_of"], {"name": name}).fetchone()
        if row is not None:
            return cast("UUID", row[0])
        make(conn, [name])
    raise CrowdedError(f"user {name} keeps coming and going")
