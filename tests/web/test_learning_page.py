"""`/learning`: the loops as they are, and a curve where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from test_safety import harmless

import cynic

if TYPE_CHECKING:
    from served import Site


def test_an_empty_memory_shows_what_is_missing(site: Site) -> None:
    document = harmless(site.get("/learning").text)
    rows = [" ".join(row.text.split()) for row in document.all("tr")]
    assert len(rows) == 12
    assert rows[1].startswith("thompson not enough data yet (0 of 30) 0")
    assert "No judgment with feedback yet" in document.text
    assert document.all("figure") == []
    links = [a.text for a in document.all("a") if a.attributes.get("aria-current") == "page"]
    assert links == ["Learning"]


def test_each_number_keeps_its_name_where_the_columns_are_stacked(site: Site) -> None:
    document = harmless(site.get("/learning").text)
    heads = [one.text for one in document.all("th")]
    cells = [one.attributes.get("data-label") for one in document.all("td")]
    assert heads[0] == "Loop"
    assert cells == [None, *heads[1:]] * 11, "the name of the loop heads its lines"
    assert ".lines.loops td::before { content: attr(data-label);" in document.one("style").text


def test_answers_show_as_loops_and_as_a_curve(site: Site, fresh_database: str) -> None:
    for number in range(12):
        judged = site.judge(
            probability=0.75,
            votes=[{"dog": "Sage", "score": 0.8}],
            dimensions={"IMPACT": 60 + number},
        )
        site.feedback(judged, "correct" if number % 4 else "incorrect")
    with cynic.connect(fresh_database) as memory:
        memory.learn()
    document = harmless(site.get("/learning").text)
    rows = {row.text.split()[0]: row.text for row in document.all("tr")}
    assert "the weights of the votes" in rows["dog-votes"]
    assert "not enough data yet (12 of 30)" in rows["sona"]
    assert "told 0.750, came true 0.750, n 12" in document.one("figure").text
