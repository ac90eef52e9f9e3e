"""The pages of traces: the list, one trace as a tree, and what hostile agents write."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from document import Document

from traced import NOON, call, shopping, span, trace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from served import Site

A = "a" * 32
UNKNOWN = "\N{EN DASH}"
NASTY = "</td></svg></style><script>alert(1)</script>\"' onload=x \u202e \x1b[31m &amp; {{ 7 * 7 }}"


@pytest.fixture
def conn(fresh_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(fresh_database, autocommit=True) as opened:
        yield opened


def page(site: Site, path: str, status: int = 200) -> Document:
    answer = site.get(path)
    assert answer.status == status, answer.text
    return Document(answer.text)


def test_without_a_trace_the_page_says_how_to_send_one(site: Site) -> None:
    shown = page(site, "/traces")
    assert f"OTEL_EXPORTER_OTLP_ENDPOINT={site.url}" in shown.text
    assert "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" in shown.text
    assert "Traces" not in page(site, "/").one("main").text


def test_the_list_shows_what_is_known(site: Site, conn: psycopg.Connection) -> None:
    shopping(conn)
    trace(conn, "bare", at=NOON - timedelta(days=1), ms=None, operation="bare")
    rows = page(site, "/traces").all("tr")[1:]
    assert " ".join(rows[0].text.split()) == (
        "2026-03-02 12:00:00 plan the shopping shop · basket 4.2 s 5 spans 1 failed 1.50k tokens in 130 out $0.0031 + 1 unpriced"
    )
    assert UNKNOWN in rows[1].text
    assert "root not here yet" in rows[1].text
    assert [row.text.split()[2] for row in page(site, "/traces?failed=1").all("tr")[1:]] == ["plan"]
    assert "dearest first" in page(site, "/traces?order=cost").one("caption").text
    assert "No trace matches" in page(site, "/traces?service=none").text


def test_the_front_page_shows_the_newest(site: Site, conn: psycopg.Connection) -> None:
    for number in range(6):
        trace(conn, f"t{number}", at=NOON + timedelta(minutes=number), operation=f"run {number}")
    links = [a for a in page(site, "/").all("a") if a.attributes["href"].startswith("/traces/")]
    assert [a.attributes["href"] for a in links] == [f"/traces/t{n}" for n in (5, 4, 3, 2)]


def test_one_trace_is_a_tree_with_times_tokens_and_errors(
    site: Site, conn: psycopg.Connection
) -> None:
    shopping(conn)
    shown = page(site, f"/traces/{A}")
    rows = [" ".join(row.text.split()) for row in shown.all("tr")[1:]]
    assert rows == [
        "plan the shopping agent begins after 0 ms 4.2 s (1.50k in 130 out)",
        "chat gpt-5 model · gpt-5 begins after 100 ms 1.9 s 1.20k in 100 out $0.0031",
        "execute_tool search tool · search no such shelf begins after 2.1 s 700 ms",
        "chat claude model · claude-5 begins after 2.9 s 1.2 s 300 in 30 out",
        "log line its parent is not here begins after 300 ms " + UNKNOWN,
    ]
    assert [row.attributes["class"] for row in shown.all("th", "name")] == [
        f"name d{depth}" for depth in (0, 1, 1, 1, 0)
    ]
    bars = [
        bar
        for bar in shown.all("rect")
        if bar.has("gold") or bar.has("fill") or bar.has("bad-fill")
    ]
    x, width = (float(bars[1].attributes[name].rstrip("%")) for name in ("x", "width"))
    assert (round(x, 1), round(width, 1)) == (2.4, 45.2)
    assert bars[2].has("bad-fill")
    for bar in bars:
        assert float(bar.attributes["x"][:-1]) + float(bar.attributes["width"][:-1]) <= 100.001


def test_pages_follow_one_another(site: Site, conn: psycopg.Connection) -> None:
    for number in range(60):
        trace(conn, f"t{number}", at=NOON + timedelta(minutes=number), operation="run")
    first = page(site, "/traces?operation=run")
    (onward,) = [a for a in first.all("a") if a.attributes.get("rel") == "next"]
    second = page(site, onward.attributes["href"])
    seen = [
        a.attributes["href"]
        for shown in (first, second)
        for a in shown.all("a")
        if a.attributes["href"].startswith("/traces/")
    ]
    assert seen == [f"/traces/t{number}" for number in reversed(range(60))]


def test_what_agents_write_is_text(site: Site, conn: psycopg.Connection) -> None:
    nasty = NASTY.replace("\x1b", "")
    trace(conn, nasty, operation=nasty, service_name=nasty, session_id=nasty, status="error")
    span(
        conn,
        nasty,
        nasty,
        nasty,
        operation=nasty,
        status="error",
        attributes=psycopg.types.json.Jsonb({"error.type": nasty}),
    )
    call(conn, trace_id=nasty, span_id=nasty, model=nasty, adapter=nasty)
    for path in ("/", "/traces"):
        shown = page(site, path)
        assert shown.all("script") == []
        (link,) = [a for a in shown.all("a") if a.attributes["href"].startswith("/traces/")]
        assert nasty.strip() in link.text
    one = page(site, link.attributes["href"])
    assert one.all("script") == []
    assert nasty in one.one("main").text
    assert "49" not in one.one("h1").text


def test_the_smallest_and_the_strangest_traces_are_drawn(
    site: Site, conn: psycopg.Connection
) -> None:
    trace(conn, "empty", ms=None)
    assert "No span of this trace is kept." in page(site, "/traces/empty").text
    trace(conn, "instant", ms=0)
    span(conn, "instant", "s", ms=0)
    page(site, "/traces/instant")
    trace(conn, "skewed")
    span(conn, "skewed", "s", "p", at=NOON + timedelta(days=1), ms=None, ended_at=NOON)
    page(site, "/traces/skewed")
    trace(conn, "deep")
    for number in range(60):
        span(conn, "deep", f"s{number}", f"s{number - 1}" if number else None)
    shown = page(site, "/traces/deep")
    assert len(shown.all("th", "name")) == 60
    assert shown.all("th", "name")[-1].has("d24")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/traces/none", 404),
        ("/traces/a%00b", 404),
        ("/traces?order=size", 422),
        ("/traces?cursor=x", 422),
        ("/traces?service=a%00b", 422),
        (f"/traces?operation={'x' * 1025}", 422),
    ],
)
def test_what_cannot_be_shown_is_a_page_that_says_so(site: Site, path: str, status: int) -> None:
    shown = page(site, path, status)
    assert str(status) in shown.text
