"""`/sessions` and `/sessions/{id}`, and the newest sessions on `/`: what agents did, drawn and never acted upon."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
import pytest
from document import Document
from test_safety import NASTY, harmless

from agent_sessions import NOON, begin, shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from served import Site


@pytest.fixture
def conn(fresh_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(fresh_database, autocommit=True) as opened:
        yield opened


def rows(site: Site, query: str = "") -> list[str]:
    answer = site.get(f"/sessions{query}")
    assert answer.status == 200
    found = Document(answer.text).all("tr")[1:]
    return [" ".join(row.text.replace("\N{EN DASH}", "-").split()) for row in found]


def page(site: Site, session_id: str, query: str = "") -> Document:
    answer = site.get(f"/sessions/{quote(session_id, safe='')}{query}")
    assert answer.status == 200
    return harmless(answer.text)


def test_a_session_is_one_row(site: Site, conn: psycopg.Connection) -> None:
    shop(conn)
    conn.execute("INSERT INTO sessions (session_id) VALUES ('bare')")
    bare, full = rows(site)
    assert bare.endswith("bare - prompts - tool calls - -")
    assert full == (
        "2026-03-02 13:00 1 h The basket loses items. /srv/shop · main · claude-code 2 prompts"
        " 9 tool calls 3 failed 33.0k tokens in 1.29k out $0.01 + 1 unpriced"
    )


def test_an_empty_memory_says_how_to_begin(site: Site) -> None:
    document = harmless(site.get("/sessions").text)
    assert "No session is recorded yet." in document.text
    assert document.one("code").text == "cynic import claude-code"
    assert "All sessions" not in Document(site.get("/").text).text


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("directory=srv", 2),
        ("directory=%2Fsrv%2Fshop", 1),
        ("agent=codex", 1),
        ("since=2026-03-03", 1),
        ("until=2026-03-02", 1),
        ("since=2026-03-02&until=2026-03-03", 2),
        ("failed=1", 1),
        ("failed=1&agent=codex", 0),
        ("directory=&agent=&since=&until=&cursor=", 2),
    ],
)
def test_filters_hold_together_and_stay_in_the_form(
    site: Site, conn: psycopg.Connection, query: str, count: int
) -> None:
    shop(conn)
    begin(conn, "other", begun_at=NOON + timedelta(days=1), agent="codex", cwd="/srv/other")
    assert len(rows(site, f"?{query}")) == count
    document = Document(site.get(f"/sessions?{query}").text)
    fields = {e.attributes["name"]: e.attributes for e in document.all("input")}
    for part in query.replace("%2F", "/").split("&"):
        name, value = part.split("=")
        if name == "failed":
            assert "checked" in fields[name]
        elif name != "cursor":
            assert fields[name]["value"] == value
    assert ("No session matches." in document.text) == (count == 0)


@pytest.mark.parametrize(
    "path",
    [
        "?since=yesterday",
        "?until=9999-12-31",
        "?agent=%00",
        "?cursor=damaged",
        "/shop?turn=x",
        "/shop?turn=0",
        "/shop?turn=99999999999",
        "/shop?turn=%C2%B2",
    ],
)
def test_what_cannot_be_read_is_said_on_a_page(
    site: Site, conn: psycopg.Connection, path: str
) -> None:
    shop(conn)
    answer = site.get(f"/sessions{path}")
    assert answer.status == 422
    assert "That cannot be read" in harmless(answer.text).text


def test_an_unknown_session_is_a_page(site: Site) -> None:
    for path in ["/sessions/none", f"/sessions/{'x' * 1025}", "/sessions/%00"]:
        answer = site.get(path)
        assert (answer.status, answer.headers.get_content_type()) == (404, "text/html")
        assert "Not found" in harmless(answer.text).text


def test_pages_follow_one_another(site: Site, conn: psycopg.Connection) -> None:
    for number in range(120):
        begin(conn, f"n{number}", cwd="/srv/a & b" if number % 2 else "/srv/c")
    for query, wanted in [("", 120), ("?directory=a+%26", 60)]:
        found: list[str] = []
        path: str | None = f"/sessions{query}"
        while path is not None:
            links = [e.attributes for e in Document(site.get(path).text).all("a")]
            found += [a["href"] for a in links if a["href"].startswith("/sessions/")]
            path = next((a["href"] for a in links if a.get("rel") == "next"), None)
        assert (len(found), len(set(found))) == (wanted, wanted)


def test_one_session_answers_what_was_done(site: Site, conn: psycopg.Connection) -> None:
    shop(conn)
    made = site.judge(session_id="shop")
    document = page(site, "shop")
    assert document.one("h1").text == "The basket loses items."
    for words in [
        "Folder /srv/shop Branch main Agent claude-code 2.0.1",
        "9 tool calls Prompts 2 Failed 3 Denied 1 Judgments 1",
        "33.0k in 1.29k out",
        "81.8 % from a cache 4.5 % written to one 13.6 % new",
        "$0.01 Without 1 of 3 model calls, whose price is not known.",
        "Bash 3 2 700 ms 9.7 s",
        "claude-opus-4-5 2 30.0k 1.20k $0.01 + 1 unpriced",
        "src/basket.py 1 1",
        "12:04:00 Bash pytest -q exit 1 9.0 s E assert 1 == 2 1 failed",
        "1 12:00 The basket loses items. Find out why. Grep 1 Read 2 1 failed Bash 1 1 failed 9.0 s Edit 1",
        "A cache key without the user.",
        "2 12:30 Commit it. Bash 2 1 failed Write 1 Task 1 No answer is recorded.",
    ]:
        assert words in " ".join(document.text.split()), words
    assert f"/judgments/{made}" in [e.attributes["href"] for e in document.all("a")]
    (drawn,) = [e for e in document.all("svg") if e.has("timeline")]
    assert "Tool calls from 12:00:00 to 12:34:30, at most 1 in 30 s" in drawn.text
    assert "12:04:00: 1 tool call, 1 failed" in drawn.text


def test_what_is_not_known_is_not_zero(site: Site, conn: psycopg.Connection) -> None:
    conn.execute("INSERT INTO sessions (session_id) VALUES ('bare')")
    begin(conn, "unpriced").model(1, "local", 100, 10)
    text = page(site, "bare").text
    assert text.count("Not known") == 3
    assert "$" not in text
    assert "No prompt is recorded." in text
    document = page(site, "unpriced")
    assert "What part of them came from a cache is not known." in document.text
    assert "No price is known for the one model call." in document.text
    (drawn,) = [e for e in document.all("svg") if e.has("timeline")]
    assert "Model calls from" in drawn.text


def test_long_texts_open_and_long_lists_go_on(site: Site, conn: psycopg.Connection) -> None:
    written = begin(conn, "long")
    for number in range(103):
        written.prompt(number, f"turn {number} " + "x" * 9000 if number == 0 else f"turn {number}")
    for number in range(15):
        written.tool(
            number, "Read", "error", file_path=f"/f/{number:02}", result={"error": "gone\n" * 9}
        )
    document = page(site, "long")
    texts = " ".join(document.text.split())
    assert "The first 8,000 of 9,007 characters." in texts
    assert "3 more files" in texts
    assert "9 more failures" in texts
    (link,) = [e.attributes["href"] for e in document.all("a") if e.attributes.get("rel") == "next"]
    assert link == "/sessions/long?turn=101#turns"
    rest = page(site, "long", "?turn=101")
    assert [e.text for e in rest.all("div", "prompt")] == ["turn 100", "turn 101", "turn 102"]
    assert "There are no turns from 900 on." in page(site, "long", "?turn=900").text


def test_the_first_page_shows_both(site: Site, conn: psycopg.Connection) -> None:
    shop(conn)
    document = harmless(site.get("/").text)
    assert "Nothing was judged yet" in document.text
    assert (
        "The basket loses items. 2026-03-02 13:00 · shop 9 tool calls, 3 failed · 34.3k tokens"
        in document.text
    )
    for number in range(4):
        begin(conn, f"n{number}", begun_at=NOON + timedelta(hours=number))
    site.judge()
    document = harmless(site.get("/").text)
    hrefs = [e.attributes["href"] for e in document.all("a")]
    assert [href for href in hrefs if href.startswith("/sessions/")] == [
        "/sessions/n3", "/sessions/n2", "/sessions/n1", "/sessions/n0",
    ]  # fmt: skip
    assert sum(href.startswith("/judgments/") for href in hrefs) == 1
    assert "All sessions" not in Document(site.get("/?user=ada").text).text
    for path, name in [
        ("/", "Judgments"),
        ("/sessions", "Sessions"),
        ("/sessions/shop", "Sessions"),
    ]:
        marked = [
            e for e in Document(site.get(path).text).all("a") if "aria-current" in e.attributes
        ]
        assert [e.text for e in marked] == [name]


@pytest.mark.parametrize("text", NASTY)
def test_whatever_agents_write_comes_back_as_text(
    site: Site, conn: psycopg.Connection, text: str
) -> None:
    name = text.replace("\n", " ")  # a line break ends a path for the router
    written = begin(conn, name, agent=text, cwd=text, git_branch=text, version=text)
    written.prompt(0, text + "\n" * 9 + text, text).prompt(1, text, text * 9)
    written.tool(1, text, "error", command=text, result={"error": text})
    written.tool(2, "Read", file_path=text).model(1, text, 9, 9, cached=(3, 3), usd="1")
    for path in ["/", "/sessions"]:
        document = harmless(site.get(path).text)
        (link,) = [a for a in document.all("a") if a.attributes["href"].startswith("/sessions/")]
        assert link.text == (text.strip() or name)
        assert site.get(link.attributes["href"]).status == 200
    document = page(site, name)
    assert document.one("h1").text == (text.strip() or name)
    assert [e.text for e in document.all("div", "answer")][:1] == [text]
    assert sum(e.text == text for e in document.all("bdi")) >= 6


def test_a_person_who_cannot_see_it_finds_the_way(site: Site, conn: psycopg.Connection) -> None:
    shop(conn)
    site.judge(session_id="shop")
    for path in ["/", "/sessions", "/sessions/shop"]:
        document = harmless(site.get(path).text)
        assert [len(document.all(tag)) for tag in ("header", "main", "footer", "h1")] == [1] * 4
        marks = [e.attributes["id"] for e in document.elements if "id" in e.attributes]
        assert len(marks) == len(set(marks))
        for element in document.elements:
            assert element.attributes.get("aria-labelledby", "main") in marks
        pictures = [e for e in document.all("svg") if "aria-hidden" not in e.attributes]
        assert all(e.attributes["role"] == "img" and e.text.strip() for e in pictures)
