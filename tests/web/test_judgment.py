"""`/judgments/{id}`: what was judged, how, by whom, and whether it was right."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from document import Document
from pack_examples import fill, vote

from cynic.domains.core.dimensions import AXIOMS

if TYPE_CHECKING:
    from served import Site


def page(site: Site, judgment_id: str) -> Document:
    answer = site.get(f"/judgments/{quote(judgment_id, safe='')}")
    assert answer.status == 200
    return Document(answer.text)


def titles(document: Document) -> list[str]:
    return [element.text for element in document.all("title")]


def test_a_full_judgment(site: Site) -> None:
    document = page(site, fill(site)["rich"])
    for words in [
        "67.68 WAG",
        "0.412 a probability of 66.7 %",
        "geometric mean of the judged axioms",
        "share of the votes on the score's side",
        "Voters 5 at least 3",
        "Agreement 0.80 at least 0.618",
        "Enough dogs took a side, enough of them agree, and nobody vetoes.",
        "Both updates in one transaction",
        "THE_UNNAMEABLE",
    ]:
        assert words in document.text, words
    assert "Confidence 0.412 on a scale from 0 to 0.618" in titles(document)
    assert "Sage: 0.5 on a scale from 0, rejects, to 1, approves" in titles(document)


def test_what_was_not_judged_is_named_and_not_drawn(site: Site) -> None:
    document = page(site, site.judge(dimensions={"ACCURACY": 0, "UTILITY": 50}))
    bars = [title for title in titles(document) if title.endswith("of 100")]
    assert bars == ["Accuracy 0 of 100", "Utility 50 of 100", "THE_UNNAMEABLE 50 of 100"]
    for axiom, names in AXIOMS.items():
        assert f"{axiom} " in document.text
        for name in names:
            assert name.replace("_", " ").lower() in document.text.lower()
    assert "PHI not judged coherence, elegance" in document.text


def test_one_dimension_leaves_the_unnameable_unknown(site: Site) -> None:
    text = page(site, site.judge(dimensions={"ACCURACY": 41})).text
    assert "THE_UNNAMEABLE unknown" in text
    assert "Of one dimension there is no spread." in text


def test_votes_alone_have_no_dimensions(site: Site) -> None:
    document = page(site, fill(site)["votes"])
    assert "No dimension was judged; PHI, VERIFY, CULTURE, BURN and FIDELITY have no score." in (
        document.text
    )
    assert "THE_UNNAMEABLE" not in document.text
    assert "Only 2 of at least 3 voters" in document.text
    assert [e.text for e in document.all("span", "side")] == ["approves", "approves", "abstains"]


def test_dimensions_alone_have_no_votes(site: Site) -> None:
    text = page(site, fill(site)["dimensions"]).text
    assert "Not asked" in text
    assert "No dog voted." in text
    assert "times the probability that the writer gave" in text


def test_the_guardian_vetoes(site: Site) -> None:
    document = page(site, fill(site)["veto"])
    sides = [e.text for e in document.all("span", "side")]
    assert sides == ["vetoes", "approves", "approves", "rejects"]
    assert "Not approved" in document.text
    assert "its veto alone withholds approval" in document.text
    (drawn,) = document.all("line", "veto")
    assert drawn.attributes["x1"] == "38.2%"


def test_a_score_under_the_line_is_a_veto_without_the_word(site: Site) -> None:
    votes = [vote("Guardian", 0.381), vote("Sage", 0.9), vote("Scout", 0.9), vote("CYNIC", 0.9)]
    document = page(site, site.judge(votes=votes))
    assert next(e.text for e in document.all("span", "side")) == "vetoes"
    document = page(site, site.judge(votes=[vote("Guardian", 0.382), *votes[1:]]))
    assert next(e.text for e in document.all("span", "side")) == "rejects"


def test_a_dog_that_failed_has_no_mark_on_the_axis(site: Site) -> None:
    document = page(site, fill(site)["failed"])
    assert "could not vote: no answer within 30 s" in document.text
    assert "Oracle could not vote, and whatever is in doubt is not approved." in document.text
    drawn = [e for e in document.all("circle", "dot") if e.attributes["cy"] == "11"]
    assert len(drawn) == 2


def test_superseded_feedback_is_struck(site: Site) -> None:
    document = page(site, fill(site)["rich"])
    assert [e.text for e in document.all("s")] == ["incorrect", "should have been 55"]
    assert [e.text for e in document.all("span", "outcome")] == ["correct", "partial"]
    assert "superseded" in document.text


def test_large_content_is_clipped_and_says_so(site: Site) -> None:
    answer = site.get("/judgments/" + site.judge(item_content="\n<é" + "x" * (1_048_576 - 3)))
    assert len(answer.text) < 100_000
    document = Document(answer.text)
    assert "The first 20,000 of 1,048,576 characters." in document.text
    # A parser drops the first line feed of a <pre>; the content's own one comes after it.
    assert document.one("pre").text == "\n\n<é" + "x" * 19_997


def test_an_unknown_judgment_is_a_page(site: Site) -> None:
    for path in ["/judgments/none", "/judgments/", f"/judgments/{'x' * 65}", "/judgments/%00"]:
        answer = site.get(path)
        assert (answer.status, answer.headers.get_content_type()) == (404, "text/html")
        assert "Not found" in Document(answer.text).text
