"""`/learning`: the loops as they are, and a curve where there is one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
import pytest
from test_safety import NASTY, harmless

import cynic

if TYPE_CHECKING:
    from served import Site


def test_an_empty_memory_shows_what_is_missing(site: Site) -> None:
    document = harmless(site.get("/learning").text)
    rows = [" ".join(row.text.split()) for row in document.all("tr")]
    assert len(rows) == 12
    assert rows[1] == (
        "thompson which dog succeeds in which context, as a Beta distribution each "
        "not enough data yet (0 of 30) 0 answers on the best-known arm changes nothing yet not measured none"
    )
    assert "will change the weights of the votes" in rows[2]
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
    assert "changes the weights of the votes" in rows["dog-votes"]
    assert "Sage weighs: 1.43, right 9 of 12" in rows["dog-votes"]
    assert "12 answers on the best-known dog" in " ".join(rows["dog-votes"].split())
    assert "not enough data yet (12 of 30)" in rows["sona"]
    assert "told 0.750, came true 0.750, n 12" in document.one("figure").text
    names = [one.text for one in document.all("dt")]
    assert names[:2] == ["answers", "calibration error (ECE)"]


def test_the_curve_takes_the_colours_of_the_page_in_the_dark_too(
    site: Site, fresh_database: str
) -> None:
    for outcome in ("correct", "correct", "incorrect"):
        for probability in (0.75, 0.35):
            site.feedback(site.judge(probability=probability), outcome)
    with cynic.connect(fresh_database) as memory:
        memory.learn()
    source = site.get("/learning").text
    style = harmless(source).one("style").text
    picture = source[source.index("<figure") : source.index("</figure>")]
    colours = set(re.findall(r'(?:fill|stroke)="#[0-9a-f]{6}"', picture))
    assert {one.split("=")[0] for one in colours} == {"fill", "stroke"}
    assert [one for one in colours if f".drawn [{one}] {{" not in style] == []


@pytest.mark.parametrize(("count", "enough"), [(9, False), (10, True)])
def test_of_few_answers_no_error_is_told(
    site: Site, fresh_database: str, count: int, enough: bool
) -> None:
    for _ in range(count):
        site.feedback(site.judge(probability=1), "correct")
    with cynic.connect(fresh_database) as memory:
        memory.learn()
    document = harmless(site.get("/learning").text)
    values = [one.text for one in document.all("dd")]
    assert values[0] == str(count)
    assert values[1] == ("0.0000" if enough else "too few to say: 10 are needed")


def test_a_maturity_of_nothing_says_which_part_is_missing(site: Site, fresh_database: str) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        conn.execute(
            """INSERT INTO learning_maturity (loop_name, maturity, data_coverage, convergence, accuracy)
               VALUES ('dpo', 0, 0, 1, 0.5)"""
        )
    rows = {row.text.split()[0]: row.text for row in harmless(site.get("/learning").text).all("tr")}
    assert (
        "0.00 data coverage 0.00 convergence 1.00 accuracy 0.50 adaptability not measured"
        in " ".join(rows["dpo"].split())
    )


@pytest.mark.parametrize("text", NASTY[:3])
def test_a_context_in_a_finding_is_text(site: Site, fresh_database: str, text: str) -> None:
    for _ in range(30):
        site.feedback(site.judge(context_type=text), "correct")
    with cynic.connect(fresh_database) as memory:
        memory.learn()
    document = harmless(site.get("/learning").text)
    assert f"judgments of {text} that pass are right 0.97 of the time, by 30 answers" in [
        one.text for one in document.all("bdi")
    ]
