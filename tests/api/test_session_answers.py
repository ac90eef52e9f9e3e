"""`/api/v1/sessions`: what agents did, in the shape that OpenAPI describes."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
import pytest
from conftest_api import JUDGMENTS, body

from agent_sessions import begin, shop
from cynic.api.session_models import SessionPage, SessionShown

if TYPE_CHECKING:
    from conftest import Client

SESSIONS = "/api/v1/sessions"


@pytest.fixture
def filled(client: Client, fresh_database: str) -> Client:
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        shop(conn)
        begin(conn, "quiet", agent="codex", cwd="/srv/other")
    return client


def listed(client: Client, **query: str) -> list[str]:
    answer = client.get(SESSIONS, params=query)
    assert answer.status_code == 200, answer.text
    return [one["session_id"] for one in answer.json()["sessions"]]


def test_a_page_is_as_described(filled: Client) -> None:
    document = filled.get(SESSIONS).json()
    SessionPage.model_validate(document, strict=False, extra="forbid")
    found = {one["session_id"]: one for one in document["sessions"]}
    assert found["shop"]["cost_usd"] == "0.0130"
    assert (found["shop"]["tool_calls"], found["quiet"]["tool_calls"]) == (9, None)
    assert document["cursor"] is None


def test_a_session_is_as_described_and_holds_its_judgments(filled: Client) -> None:
    made = [
        filled.post(JUDGMENTS, json=body(session_id="shop")).json()["judgment_id"] for _ in range(2)
    ]
    document = filled.get(f"{SESSIONS}/shop").json()
    SessionShown.model_validate(document, strict=False, extra="forbid")
    assert document["judgment_count"] == 2
    assert [one["judgment_id"] for one in document["judgments"]] == made[::-1]
    assert [len(turn["tools"]) for turn in document["turns"]] == [4, 3]
    assert (
        filled.get(f"{SESSIONS}/shop", params={"from_turn": 2}).json()["turns"]
        == (document["turns"][1:])
    )


def test_filters_and_pages(filled: Client) -> None:
    assert set(listed(filled)) == {"shop", "quiet"}
    assert listed(filled, agent="codex") == ["quiet"]
    assert listed(filled, directory="SHOP") == ["shop"]
    assert listed(filled, failed="true") == ["shop"]
    assert listed(filled, since="2026-03-02T13:00:01Z") == []
    first = filled.get(SESSIONS, params={"limit": 1}).json()
    second = filled.get(SESSIONS, params={"limit": 1, "cursor": first["cursor"]}).json()
    assert second["cursor"] is None
    assert first["sessions"] != second["sessions"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/none", 404, "no-such-session"),
        ("/a%2Fb", 404, "no-such-session"),
        ("/%00", 422, "invalid-field"),
        ("/shop?from_turn=0", 422, "invalid-data"),
        ("?cursor=damaged", 422, "bad-query"),
        ("?agent=%00", 422, "invalid-field"),
        ("?since=yesterday", 422, "invalid-data"),
        ("?limit=501", 422, "invalid-data"),
    ],
)
def test_what_cannot_be_answered_says_why(
    filled: Client, path: str, status: int, code: str
) -> None:
    answer = filled.get(SESSIONS + path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("odd", ["a/b", "../..", "%2F", "a?b#c", "שלום", "'; --", " "])
def test_an_id_may_hold_anything(client: Client, fresh_database: str, odd: str) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        begin(conn, odd)
    assert client.get(f"{SESSIONS}/{quote(odd, safe='')}").json()["session_id"] == odd
