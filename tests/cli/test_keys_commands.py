"""`cynic keys` as a person and a script meet it, and what `cynic up` makes of a key."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest

from cynic.cli.up import NotLoopbackError, check_address, is_loopback
from cynic.db.connect import Database
from cynic.domains.system.keys import digest, read_setting

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Done

    Cynic = Callable[..., Done]

KEY = re.compile(r"cynic_[A-Za-z0-9_-]{43}")


def test_a_key_is_alone_on_stdout_once_and_nowhere_else(cynic: Cynic, fresh_database: str) -> None:
    at = ("--database", fresh_database, "keys")
    done = cynic(*at, "create", "reporter", "--scope", "read")
    key = done.out.removesuffix("\n")
    assert (done.code, bool(KEY.fullmatch(key))) == (0, True)
    assert key not in done.err
    with psycopg.connect(fresh_database) as conn:
        (row,) = conn.execute("SELECT name, scope, key_sha256, k::text FROM ops_api_keys AS k")
    assert row[:3] == ("reporter", "read", digest(key))
    assert key.removeprefix("cynic_") not in row[3]
    for more in ((), ("--json",)):
        shown = cynic(*at, "list", *more)
        assert "reporter" in shown.out
        assert key not in shown.out + shown.err
        assert digest(key).hex() not in shown.out + shown.err


def test_a_key_as_one_document(cynic: Cynic, fresh_database: str) -> None:
    at = ("--database", fresh_database, "keys")
    made = json.loads(cynic(*at, "create", "a", "--expires", "30", "--json").out)
    assert KEY.fullmatch(made.pop("key"))
    assert (made["scope"], made["state"]) == ("write", "active")
    ends = datetime.fromisoformat(made["expires_at"])
    assert timedelta(days=29) < ends - datetime.now(UTC) <= timedelta(days=30)
    (listed,) = json.loads(cynic(*at, "list", "--json").out)
    assert {name: listed[name] for name in ("id", "name", "scope")} == {
        name: made[name] for name in ("id", "name", "scope")
    }


def test_revoking(cynic: Cynic, fresh_database: str) -> None:
    at = ("--database", fresh_database, "keys")
    made = json.loads(cynic(*at, "create", "a", "--json").out)
    assert cynic(*at, "revoke", made["id"]).code == 0
    assert cynic(*at, "revoke", made["id"]).code == 0
    assert "revoked" in cynic(*at, "list").out
    done = cynic(*at, "revoke", str(uuid4()))
    assert (done.code, "[unknown-key]" in done.err) == (3, True)
    assert cynic(*at, "revoke", "nonsense").code == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("create",), 2),
        (("create", "a", "--scope", "root"), 2),
        (("create", "a", "--expires", "0"), 2),
        (("create", ""), 5),
        (("create", "n" * 65), 5),
    ],
)
def test_what_makes_no_key(
    cynic: Cynic, fresh_database: str, arguments: tuple[str, ...], code: int
) -> None:
    done = cynic("--database", fresh_database, "keys", *arguments)
    assert (done.code, done.out) == (code, "")


def test_a_schema_that_is_not_there_is_named(cynic: Cynic, empty_database: str) -> None:
    done = cynic("--database", empty_database, "keys", "list")
    assert (done.code, "[schema-behind]" in done.err) == (69, True)


def test_a_setting_that_cannot_be_read_stops_the_service_and_is_not_shown(cynic: Cynic) -> None:
    done = cynic("up", CYNIC_API_KEYS="sesame:open", CYNIC_DATABASE_URL="postgresql://127.0.0.1:1/")
    assert (done.code, "[bad-keys-setting]" in done.err) == (2, True)
    assert "sesame" not in done.err + done.out


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("192.0.2.1", False),
        ("localhost.example.org", False),
    ],
)
def test_which_addresses_only_this_machine_can_reach(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_a_key_anywhere_lets_the_service_bind_to_the_network(
    cynic: Cynic, fresh_database: str
) -> None:
    database = Database(conninfo=fresh_database, source="test")
    check_address("127.0.0.1", (), database)
    with pytest.raises(NotLoopbackError) as refused:
        check_address("0.0.0.0", (), database)
    assert "cynic keys create" in str(refused.value.hint)
    check_address("0.0.0.0", read_setting("sesame"), database)
    made = json.loads(cynic("--database", fresh_database, "keys", "create", "a", "--json").out)
    check_address("0.0.0.0", (), database)
    # Authentication stays on with a revoked key, so the network finds a closed door.
    cynic("--database", fresh_database, "keys", "revoke", made["id"])
    check_address("0.0.0.0", (), database)
