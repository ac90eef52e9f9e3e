"""Reading sessions: every number on rows made by hand, pages without gaps, and nothing known where nothing was kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg
import pytest

from agent_sessions import NOON, begin, shop
from cynic.reads import session, sessions
from cynic.reads.place import BadQueryError
from cynic.reads.sessions import Filters, NoSuchSessionError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def conn(fresh_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(fresh_database, autocommit=True) as opened:
        opened.execute("SET ROLE cynic_app")
        yield opened


def names(conn: psycopg.Connection, **filters: object) -> list[str]:
    found = sessions.page(conn, Filters(**filters))  # pyright: ignore[reportArgumentType]
    return [line.session_id for line in found.lines]


def test_a_line_counts_what_its_session_did_and_no_other(conn: psycopg.Connection) -> None:
    shop(conn)
    shop(conn, "other", begun_at=NOON + timedelta(hours=3))
    lines = sessions.page(conn).lines
    assert [line.session_id for line in lines] == ["other", "shop"]
    line = lines[1]
    assert line == sessions.line(conn, "shop")
    assert (line.agent, line.agent_version) == ("claude-code", "2.0.1")
    assert (line.working_directory, line.git_branch) == ("/srv/shop", "main")
    assert (line.begun_at, line.last_active_at) == (NOON, NOON + timedelta(hours=1))
    assert line.first_prompt == "The basket loses items.\nFind out why."
    assert (line.prompts, line.tool_calls, line.failed_calls, line.denied_calls) == (2, 9, 3, 1)
    assert (line.model_calls, line.tokens_input, line.tokens_output) == (3, 33_000, 1290)
    assert (line.tokens_cache_read, line.tokens_cache_write) == (27_000, 1500)
    assert (line.cost_usd, line.unpriced_calls) == (Decimal("0.0130"), 1)
    assert line.document()["cost_usd"] == "0.0130"
    assert line.judgment_count == 0


def test_nothing_kept_is_nothing_known(conn: psycopg.Connection) -> None:
    conn.execute("INSERT INTO sessions (session_id) VALUES ('bare')")
    line = sessions.line(conn, "bare")
    known = {name for name, value in line.document().items() if value is not None}
    assert known == {"session_id", "begun_at", "last_active_at", "judgment_count"}
    found = session.one(conn, "bare").document()
    assert (found["turns"], found["tools"], found["files"], found["buckets"]) == ([], [], [], [])
    assert found["bucket_seconds"] is None


def test_no_price_is_no_zero(conn: psycopg.Connection) -> None:
    begin(conn, "unpriced").model(1, "local", 10, 5)
    line = sessions.line(conn, "unpriced")
    assert (line.cost_usd, line.unpriced_calls, line.tokens_cache_read) == (None, 1, None)
    begin(conn, "free").model(1, "local", 10, 5, usd="0")
    line = sessions.line(conn, "free")
    assert (line.cost_usd, line.unpriced_calls) == (Decimal(0), 0)


def test_the_summary_outlives_the_turns(conn: psycopg.Connection) -> None:
    begin(conn, "old").summary(14)
    assert sessions.line(conn, "old").prompts == 14
    begin(conn, "judged").summary(0)  # as the counters make it for a session that only judges
    assert sessions.line(conn, "judged").prompts is None
    begin(conn, "going").summary(1).prompt(0, "a").prompt(1, "b")
    assert sessions.line(conn, "going").prompts == 2


def test_a_session_belongs_to_the_directory_it_began_in(conn: psycopg.Connection) -> None:
    begin(conn, "moved", project="/srv/shop", cwd="/srv/shop/src")
    assert sessions.line(conn, "moved").working_directory == "/srv/shop"
    assert names(conn, directory="shop") == ["moved"]
    assert names(conn, directory="src") == []


def test_heartbeats_are_no_prompts(conn: psycopg.Connection) -> None:
    begin(conn, "s").prompt(5, "Go on.")
    conn.execute(
        "INSERT INTO session_state (session_id, last_user_message, timestamp) VALUES ('s', 'beat', %s)",
        [NOON],
    )
    line = sessions.line(conn, "s")
    assert (line.prompts, line.first_prompt) == (1, "Go on.")
    assert [turn.prompt for turn in session.one(conn, "s").turns] == ["Go on."]


def test_pages_follow_one_another_without_gap_or_repetition(conn: psycopg.Connection) -> None:
    for number in range(25):  # some at the same moment: the order is still one
        begin(conn, f"n{number}", begun_at=NOON + timedelta(minutes=number // 4))
    found: list[str] = []
    cursor = None
    while True:
        page = sessions.page(conn, limit=4, cursor=cursor)
        found += [line.session_id for line in page.lines]
        if page.cursor is None:
            break
        cursor = page.cursor
        if len(found) == 12:  # one that nobody saw yet becomes active, and a new one comes
            conn.execute("UPDATE sessions SET last_active_at = now() WHERE session_id = 'n0'")
            begin(conn, "new", begun_at=NOON + timedelta(days=1))
    assert len(found) == len(set(found)) == 24
    assert set(found) == {f"n{number}" for number in range(1, 25)}
    exact = sessions.page(conn, limit=26)
    assert (len(exact.lines), exact.cursor) == (26, None)


def test_filters_hold_together(conn: psycopg.Connection) -> None:
    shop(conn, "a")
    begin(conn, "b", begun_at=NOON + timedelta(days=1), cwd="/srv/Shop_2", agent="codex")
    begin(conn, "c", begun_at=NOON + timedelta(days=2), cwd="/home/ada/100%").tool(
        1, "Bash", "denied"
    )
    conn.execute(
        "INSERT INTO sessions (session_id, last_active_at, created_at) VALUES ('d', %s, %s)",
        [NOON, NOON],
    )
    assert names(conn) == ["c", "b", "a", "d"]
    assert names(conn, directory="shop") == ["b", "a"]
    assert names(conn, directory="_") == ["b"]
    assert names(conn, directory="%") == ["c"]
    assert names(conn, agent="codex") == ["b"]
    assert names(conn, failed=True) == ["a"]
    assert names(conn, failed=True, agent="codex") == []
    assert names(conn, since=NOON + timedelta(minutes=30)) == ["c", "b", "a"]
    assert names(conn, since=NOON + timedelta(hours=1), until=NOON + timedelta(days=2)) == [
        "b",
        "a",
    ]
    naive = datetime(2026, 3, 3, 12)  # noqa: DTZ001
    assert names(conn, until=naive.replace(minute=1)) == ["b", "a", "d"]
    assert naive.replace(tzinfo=UTC) == NOON + timedelta(days=1)  # fmt: skip


@pytest.mark.parametrize("cursor", ["damaged", "W10", "WyJ4IiwgIngiXQ", "\N{SNOWMAN}", "bnVsbA"])
def test_a_damaged_cursor_is_said(conn: psycopg.Connection, cursor: str) -> None:
    with pytest.raises(BadQueryError, match="cursor"):
        sessions.page(conn, cursor=cursor)
    with pytest.raises(BadQueryError, match="1 to 500"):
        sessions.page(conn, limit=0)


def test_an_unknown_session(conn: psycopg.Connection) -> None:
    with pytest.raises(NoSuchSessionError, match="there is no session"):
        session.one(conn, "none")


def test_turns_have_their_own_tools(conn: psycopg.Connection) -> None:
    shop(conn).tool(-1, "Read", file_path="/before/the/first")
    first, second = session.one(conn, "shop").turns
    assert (first.number, first.prompt, first.answer) == (
        1,
        "The basket loses items.\nFind out why.",
        "A cache key without the user.",
    )
    assert (second.prompt, second.answer, second.answer_characters) == ("Commit it.", None, None)
    assert [(t.tool, t.calls, t.failed, t.duration_ms) for t in first.tools] == [
        ("Grep", 1, 0, 40),
        ("Read", 2, 1, 15),
        ("Bash", 1, 1, 9000),
        ("Edit", 1, 0, 8),
    ]
    assert [(t.tool, t.calls, t.failed, t.duration_ms) for t in second.tools] == [
        ("Bash", 2, 1, 700),
        ("Write", 1, 0, None),
        ("Task", 1, 0, None),
    ]


def test_tools_files_failures_and_models(conn: psycopg.Connection) -> None:
    shop(conn)
    shop(conn, "other")
    found = session.one(conn, "shop")
    assert [
        (t.tool, t.calls, t.failed, t.denied, t.p50_ms, t.duration_ms) for t in found.tools
    ] == [
        ("Bash", 3, 2, 0, 700, 9700),
        ("Read", 2, 1, 0, 3, 15),
        ("Edit", 1, 0, 0, 8, 8),
        ("Grep", 1, 0, 0, 40, 40),
        ("Task", 1, 0, 0, None, None),
        ("Write", 1, 0, 1, None, None),
    ]
    assert [(f.path, f.calls, f.reads, f.changes, f.failed) for f in found.files] == [
        ("/srv/shop/src/basket.py", 2, 1, 1, 0),
        ("/srv/shop/src/none.py", 1, 0, 0, 1),
        ("/srv/shop/NOTES.md", 1, 0, 0, 0),
    ]
    assert found.files_total == 3
    assert [(f.tool, f.asked, f.answer) for f in found.failures] == [
        ("Read", "/srv/shop/src/none.py", "no such file"),
        ("Bash", "pytest -q\nexit 1", "E  assert 1 == 2\n1 failed"),
        ("Bash", "git push", "rejected"),
    ]
    opus, haiku = found.models
    assert (opus.model, opus.calls, opus.tokens_input, opus.tokens_output) == (
        "claude-opus-4-5",
        2,
        30_000,
        1200,
    )
    assert (opus.tokens_cache_read, opus.cost_usd, opus.unpriced_calls, opus.p50_ms) == (
        27_000,
        Decimal("0.0123"),
        1,
        2000,
    )
    assert (haiku.tokens_cache_read, haiku.cost_usd, haiku.unpriced_calls, haiku.p50_ms) == (None, Decimal("0.0007"), 0, None)  # fmt: skip


def test_the_timeline_holds_every_row_once(conn: psycopg.Connection) -> None:
    shop(conn)
    found = session.one(conn, "shop")
    assert found.bucket_seconds == 30
    assert sum(b.tool_calls for b in found.buckets) == found.line.tool_calls
    assert sum(b.failed_calls for b in found.buckets) == found.line.failed_calls
    assert sum(b.tokens_input for b in found.buckets) == found.line.tokens_input
    assert sum(b.prompts for b in found.buckets) == found.line.prompts
    assert found.buckets[0].begins_at == NOON
    assert found.buckets == sorted(found.buckets, key=lambda bucket: bucket.begins_at)


@pytest.mark.parametrize(
    ("extent_seconds", "width"),
    [(0, 10), (720, 10), (721, 30), (4 * 3600, 300), (86_400 * 72, 86_400), (86_400 * 73, 172_800)],
)
def test_buckets_are_few(extent_seconds: float, width: int) -> None:
    assert session.bucket_width(extent_seconds) == width


def test_long_lists_are_cut_and_counted(conn: psycopg.Connection) -> None:
    written = begin(conn, "long")
    for number in range(session.TURNS_MAX + 5):
        written.prompt(number, "x" * 9000)
    for number in range(session.FILES_MAX + 3):
        written.tool(1, "Read", file_path=f"/f/{number:03}")
    first = session.one(conn, "long")
    assert (len(first.turns), first.next_turn) == (session.TURNS_MAX, session.TURNS_MAX + 1)
    assert len(first.turns[0].prompt or "") == session.TEXT_CHARACTERS_MAX
    assert first.turns[0].prompt_characters == 9000
    assert (len(first.files), first.files_total) == (session.FILES_MAX, session.FILES_MAX + 3)
    rest = session.one(conn, "long", from_turn=session.TURNS_MAX + 1)
    assert ([turn.number for turn in rest.turns], rest.next_turn) == (
        [101, 102, 103, 104, 105],
        None,
    )
    with pytest.raises(BadQueryError):
        session.one(conn, "long", from_turn=0)


@pytest.mark.parametrize(
    ("odd", "answer"),
    [
        ("[]", None),
        ('"text"', None),
        ("null", None),
        ('{"is_error": true}', None),
        ('{"content": "", "stdout": "out"}', "out"),
        ('{"content": ["a"]}', '["a"]'),
        ('{"content": [{"text": "a"}, {"image": 1}, {"text": "b"}]}', "a\nb"),
        ('{"error": {"code": 7}}', '{"code": 7}'),
    ],
)
def test_results_of_any_shape_are_read(
    conn: psycopg.Connection, odd: str, answer: str | None
) -> None:
    begin(conn, "odd")
    conn.execute(
        "INSERT INTO tool_usage (tool_name, parameters, result, status, session_id)"
        " VALUES ('Bash', %s, %s, 'error', 'odd')",
        [odd, odd],
    )
    (failure,) = session.one(conn, "odd").failures
    assert (failure.asked, failure.answer) == (None, answer)
