"""What people give is text and nothing else; the pages load nothing, and say when there is no database."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
import pytest
from document import Document
from psycopg import conninfo, sql
from served import serving

from cynic.db import pool

if TYPE_CHECKING:
    from served import Site

NASTY = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</title></style><svg onload=alert(1)>",
    "{{ 7*7 }}{% raw %}&lt;&amp;&#x3c;",
    "javascript:alert(1)//",
    "a/b?c=d&e#f %2F;+\\ ../..",
    "\u202emoc.live\u202c שלום مرحبا",
    "👩‍👩‍👧‍👦🏴‍☠️ e\u0301\u0301\u0301",
    "W" * 64,
    " \t\n ",
]
TAGS = {
    "html", "head", "meta", "title", "link", "style", "body", "a", "header", "svg", "circle", "path", "line", "rect",
    "text", "p", "span", "main", "nav", "h1", "h2", "h3", "dl", "div", "dt", "dd", "time", "bdi", "section", "small",
    "pre", "ul", "li", "b", "s", "footer", "form", "label", "select", "option", "input", "button", "table", "caption",
    "thead", "tbody", "figure", "tr", "th", "td", "code", "ol", "details", "summary",
}  # fmt: skip


def harmless(source: str) -> Document:
    """The page, after a look at every element and attribute."""
    document = Document(source)
    for element in document.elements:
        assert element.tag in TAGS
        for name, value in element.attributes.items():
            assert not name.startswith("on")
            assert name not in {"style", "srcset", "srcdoc"}
            if name in {"href", "src", "action"}:
                assert value.startswith(("/", "#", "data:image/svg+xml,"))
                assert not value.startswith("//")
    return document


@pytest.mark.parametrize("text", NASTY)
def test_whatever_is_given_comes_back_as_text(site: Site, text: str) -> None:
    made = site.judge(
        item_type=text,
        item_content=text,
        user=text,
        session_id=text,
        context_type=text,
        votes=[
            {"dog": "Sage", "score": 0.9, "reasoning": text},
            {"dog": "Scout", "error": text},
        ],
    )
    site.feedback(made, "correct", user=text)
    document = harmless(site.get("/").text)
    cells = [
        e.text for e in document.all("td") if e.has("type") or e.has("user") or e.has("session")
    ]
    assert cells == [text] * 3
    (link,) = [e for e in document.all("a") if "/judgments/" in e.attributes["href"]]
    found = site.get(link.attributes["href"])
    assert found.status == 200
    document = harmless(found.text)
    assert document.one("h1").text == text
    assert document.one("pre").text == "\n" + text
    assert sum(e.text == text for e in document.all("bdi")) >= 7
    for name in ("user", "session_id", "item_type"):
        filtered = harmless(site.get(f"/?{name}={quote(text)}").text)
        assert len(filtered.all("tr")) == 2
        (field,) = [e for e in filtered.all("input") if e.attributes["name"] == name]
        assert field.attributes["value"] == text


@pytest.mark.parametrize("text", NASTY)
def test_errors_do_not_say_it_otherwise(site: Site, text: str) -> None:
    answer = site.get(f"/judgments/{quote(text, safe='')}")
    assert answer.status == 404
    harmless(answer.text)
    answer = site.get(f"/?verdict={quote(text)}")
    assert answer.status == 422
    harmless(answer.text)


def test_every_page_forbids_what_it_does_not_need(site: Site) -> None:
    for path, status in [
        ("/", 200),
        (f"/judgments/{site.judge(session_id='s')}", 200),
        ("/judgments/no", 404),
        ("/sessions", 200),
        ("/sessions/s", 200),
        ("/sessions/no", 404),
    ]:
        answer = site.get(path)
        assert answer.status == status
        policy = dict(
            part.strip().split(" ", 1)
            for part in answer.headers["Content-Security-Policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert policy["frame-ancestors"] == "'none'"
        assert policy["style-src"].startswith("'sha256-")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"


def test_the_pages_are_not_in_the_api_document(site: Site) -> None:
    paths = site.get("/openapi.json").text
    assert '"/"' not in paths
    assert '"/judgments/' not in paths
    assert '"/sessions' not in paths


def test_a_person_who_cannot_see_it_finds_the_way(site: Site) -> None:
    for path in ["/", f"/judgments/{site.judge()}"]:
        document = harmless(site.get(path).text)
        assert document.one("html").attributes["lang"] == "en"
        assert [len(document.all(tag)) for tag in ("header", "main", "footer", "h1")] == [
            1,
            1,
            1,
            1,
        ]
        marks = {e.attributes["id"] for e in document.elements if "id" in e.attributes}
        for element in document.elements:
            assert element.attributes.get("aria-labelledby", "main") in marks
        pictures = [e for e in document.all("svg") if "aria-hidden" not in e.attributes]
        assert all(e.attributes["role"] == "img" and e.text.strip() for e in pictures)


def test_links_begin_where_the_application_is_mounted(fresh_database: str) -> None:
    with serving(fresh_database, root_path="/memory") as site:
        document = Document(site.get("/").text)
        site.judge(session_id="s")
        for path in ["/", "/sessions", "/sessions/s"]:
            hrefs = [e.attributes["href"] for e in Document(site.get(path).text).all("a")]
            assert all(href.startswith(("/memory/", "#")) for href in hrefs)
        assert "/memory/api/v1/judgments" in document.one("code").text
        hrefs = [e.attributes["href"] for e in document.all("a")]
        assert all(href.startswith(("/memory/", "#")) for href in hrefs)


def test_without_a_database_there_is_a_page_that_says_so(
    fresh_database: str, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "WAIT_SECONDS", 0.1)
    name = str(conninfo.conninfo_to_dict(fresh_database)["dbname"])
    with serving(fresh_database) as site:
        made = site.judge()
        admin.execute(
            sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name))
        )
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        for path in ["/", f"/judgments/{made}", "/sessions", "/sessions/s"]:
            answer = site.get(path)
            assert (answer.status, answer.headers.get_content_type()) == (503, "text/html")
            assert answer.headers["Retry-After"] == "1"
            assert "Not available now" in harmless(answer.text).text
            assert "database does not answer" in Document(answer.text).one("p", "state").text
            assert name not in answer.text
