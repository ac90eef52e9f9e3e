from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from cynic.base.ids import new_uuid
from cynic.db.connect import Database, set_role
from cynic.domains.system.keys import digest
from cynic.flows import keys
from cynic.flows.submission import InvalidFieldError

NOW = datetime(2031, 4, 5, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def make(
    conn: psycopg.Connection, name: str = "agent", expires_at: datetime | None = None
) -> tuple[keys.ApiKey, str]:
    return keys.create(
        conn,
        name,
        "write",
        randomness=os.urandom(32),
        new_id=new_uuid(),
        now=NOW,
        expires_at=expires_at,
    )


@pytest.fixture
def app(db: psycopg.Connection) -> psycopg.Connection:
    """The rolled-back connection, with the rights of the service."""
    assert set_role(db, "cynic_app")
    return db


def test_a_key_is_recognised_by_its_digest_and_by_nothing_else(app: psycopg.Connection) -> None:
    made, text = make(app)
    assert keys.recognise(app, digest(text), NOW) == made
    assert keys.recognise(app, digest(text + "x"), NOW) is None


def test_of_a_key_only_the_digest_is_stored(app: psycopg.Connection) -> None:
    _, text = make(app)
    (row,) = app.execute("SELECT k::text, k.key_sha256 FROM ops_api_keys AS k").fetchall()
    assert row[1] == digest(text)
    for part in (text, text.removeprefix("cynic_"), text.encode().hex()):
        assert part not in row[0]


def test_a_key_that_is_listed_shows_neither_key_nor_digest(app: psycopg.Connection) -> None:
    made, text = make(app)
    assert keys.every(app) == [made]
    shown = str(made.document(NOW)) + repr(made)
    assert text not in shown
    assert digest(text).hex() not in shown


def test_one_row_at_all_turns_authentication_on(app: psycopg.Connection) -> None:
    assert not keys.any_key(app)
    made, _ = make(app, expires_at=NOW - MINUTE)
    keys.revoke(app, made.id, NOW)
    assert keys.any_key(app)


def test_the_state_of_a_key(app: psycopg.Connection) -> None:
    made, text = make(app, expires_at=NOW + MINUTE)
    assert made.state(NOW) == "active"
    assert made.state(NOW + MINUTE) == "expired"
    assert keys.revoke(app, made.id, NOW + MINUTE).state(NOW) == "revoked"
    found = keys.recognise(app, digest(text), NOW)
    assert found is not None
    assert found.state(NOW) == "revoked"


def test_a_second_revocation_keeps_the_time_of_the_first(app: psycopg.Connection) -> None:
    made, _ = make(app)
    assert keys.revoke(app, made.id, NOW).revoked_at == NOW
    assert keys.revoke(app, made.id, NOW + MINUTE).revoked_at == NOW
    with pytest.raises(keys.UnknownKeyError):
        keys.revoke(app, uuid4(), NOW)


def used(conn: psycopg.Connection) -> datetime | None:
    (found,) = keys.every(conn)
    return found.last_used_at


def test_use_is_noted_at_most_once_a_minute(app: psycopg.Connection) -> None:
    _, text = make(app)
    for after, noted in (
        (timedelta(), NOW),
        (timedelta(seconds=59), NOW),
        (MINUTE, NOW + MINUTE),
        (timedelta(seconds=61), NOW + MINUTE),
    ):
        keys.recognise(app, digest(text), NOW + after)
        assert used(app) == noted


def test_the_use_of_a_key_that_opens_nothing_is_not_noted(app: psycopg.Connection) -> None:
    _, text = make(app, expires_at=NOW)
    keys.recognise(app, digest(text), NOW)
    assert used(app) is None


def test_whoever_holds_the_row_does_not_hold_the_caller_up(fresh_database: str) -> None:
    database = Database(conninfo=fresh_database, source="test")
    with database.connect("cynic_app") as conn, database.connect() as holder:
        made, text = make(conn)
        with holder.transaction():
            holder.execute("SELECT FROM ops_api_keys FOR UPDATE")
            conn.execute("SET statement_timeout = '1s'")
            found = keys.recognise(conn, digest(text), NOW)
        assert found == made
        assert used(conn) is None


def test_a_database_that_cannot_be_written_still_recognises_a_key(fresh_database: str) -> None:
    database = Database(conninfo=fresh_database, source="test")
    with database.connect("cynic_app") as conn:
        made, text = make(conn)
        conn.execute("SET default_transaction_read_only = on")
        assert keys.recognise(conn, digest(text), NOW) == made


@pytest.mark.parametrize("name", ["", "n" * 65, "a\x00b"])
def test_a_name_that_cannot_be_kept_is_refused(app: psycopg.Connection, name: str) -> None:
    with pytest.raises(InvalidFieldError):
        make(app, name)
    assert keys.every(app) == []


def test_the_reading_role_sees_no_keys(db: psycopg.Connection) -> None:
    assert set_role(db, "cynic_reader")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        keys.every(db)
