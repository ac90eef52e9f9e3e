"""`/`: the newest judgments, filters, pages, and what an empty memory says."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
import pytest
from document import Document
from pack_examples import fill

if TYPE_CHECKING:
    from served import Site


def listed(site: Site, path: str = "/") -> list[str]:
    """The texts of the rows, each cell once."""
    answer = site.get(path)
    assert answer.status == 200
    rows = Document(answer.text).all("tr")[1:]
    return [" ".join(row.text.replace("\N{EN DASH}", "-").split()) for row in rows]


def test_a_judgment_is_one_row(site: Site) -> None:
    made = fill(site)
    rows = listed(site)
    assert len(rows) == len(made)
    assert "code ada deploy-1141 67.68 WAG 0.412 approved" in rows[0]
    assert "answer linus - 45.50 GROWL" in rows[1]
    assert rows[3].endswith("no votes")
    assert "6 judgments" in Document(site.get("/").text).one("p", "state").text


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("verdict=BARK", 1),
        ("item_type=answer", 2),
        ("user=grace", 2),
        ("session_id=deploy-1141", 2),
        ("session_id=deploy-1141&verdict=WAG&item_type=code&user=ada", 1),
        ("user=&verdict=&item_type=&session_id=&cursor=", 6),
    ],
)
def test_filters_hold_together_and_stay_in_the_form(site: Site, query: str, count: int) -> None:
    fill(site)
    assert len(listed(site, f"/?{query}")) == count
    form = Document(site.get(f"/?{query}").text)
    chosen = {e.attributes["name"]: e.attributes["value"] for e in form.all("input")}
    chosen["verdict"] = next((e.text for e in form.all("option") if "selected" in e.attributes), "")
    asked = dict(part.split("=") for part in query.split("&"))
    assert chosen == dict.fromkeys(chosen, "") | {k: v for k, v in asked.items() if k in chosen}


def test_nothing_matches(site: Site) -> None:
    site.judge()
    text = Document(site.get("/?user=nobody").text).text
    assert "No judgment matches." in text
    assert "curl" not in text


@pytest.mark.parametrize(
    "query", ["verdict=MEOW", "cursor=damaged", "user=%00", f"item_type={'x' * 65}"]
)
def test_what_cannot_be_read_is_said_on_a_page(site: Site, query: str) -> None:
    answer = site.get(f"/?{query}")
    assert answer.status == 422
    assert "That cannot be read" in Document(answer.text).text


def test_pages_follow_one_another_and_keep_the_filter(site: Site) -> None:
    lines = [
        {
            "item_type": "t",
            "item_content": "x",
            "judgment_id": f"n{n}",
            "dimensions": {"IMPACT": 50},
        }
        | {"user": "ada" if n % 8 else "grace & co"}
        for n in range(160)
    ]
    stored = site.post_raw("/api/v1/judgments:batch", json.dumps(lines))
    assert stored["stored"] == 160
    for query, wanted in [("", 160), ("user=" + quote("grace & co"), 20), ("user=ada", 140)]:
        found: list[str] = []
        path: str | None = f"/?{query}"
        while path is not None:
            document = Document(site.get(path).text)
            found += [
                e.attributes["href"]
                for e in document.all("a")
                if "/judgments/" in e.attributes["href"]
            ]
            path = next(
                (
                    e.attributes["href"]
                    for e in document.all("a")
                    if e.attributes.get("rel") == "next"
                ),
                None,
            )
        assert (len(found), len(set(found))) == (wanted, wanted)
    last = Document(site.get("/?cursor=" + cursor_of(site)).text)
    assert any(e.text == "Newest" for e in last.all("a"))


def cursor_of(site: Site) -> str:
    (link,) = [
        e for e in Document(site.get("/").text).all("a") if e.attributes.get("rel") == "next"
    ]
    return link.attributes["href"].split("cursor=")[1]


def test_many_judgments_are_estimated_not_counted(site: Site, fresh_database: str) -> None:
    lines = [{"item_type": "t", "item_content": "x", "dimensions": {"IMPACT": 50}}] * 123
    site.post_raw("/api/v1/judgments:batch", json.dumps(lines))
    assert "more than 50 judgments" in Document(site.get("/").text).one("p", "state").text
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        conn.execute("ANALYZE judgments")
    assert "about 120 judgments" in Document(site.get("/").text).one("p", "state").text


def test_an_empty_memory_says_how_to_begin_and_that_works(site: Site) -> None:
    document = Document(site.get("/").text)
    assert "Nothing was judged yet" in document.text
    command = document.one("code").text
    assert f"{site.url}/api/v1/judgments" in command
    if shutil.which("curl") is None:
        pytest.skip("no curl here: the command was not tried")
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=True)
    assert json.loads(done.stdout)["consensus"]["approved"] is True
    assert "code ada - 80.00 HOWL" in listed(site)[0]


def test_the_budget_stands_on_the_first_page_once_something_was_spent(site: Site) -> None:
    assert "Budget" not in site.get("/").text
    call = {"provider": "acme", "model": "dear", "tokens_input": 1, "tokens_output": 1}
    site.post("/api/v1/costs", **call, cost_usd="82")
    text = Document(site.get("/").text).one("section", "money").text
    assert "Budget critical" in text
    assert "82 of 100 USD consumed" in text
    assert "12 min left at that rate" in " ".join(text.split())
    assert "Budget" not in site.get("/?user=ada").text
