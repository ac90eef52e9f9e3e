"""What comes in: one clear error for each fault, and nothing let through that cannot be kept."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cynic.domains.core.dimensions import AXIOM_OF
from cynic.domains.dogs.pack import DOGS
from cynic.flows.evaluate import evaluate
from cynic.flows.submission import (
    CONTENT_CHARACTERS_MAX,
    InvalidFieldError,
    MalformedJsonError,
    loads,
    read_feedback,
    read_judgment,
)

BASE: dict[str, Any] = {
    "item_type": "code",
    "item_content": "x",
    "votes": [{"dog": "Sage", "score": 0.7}],
}


def votes(*given: dict[str, Any]) -> dict[str, Any]:
    return {"votes": list(given)}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"dimensions": {"COHERENCE": 101}}, "dimensions.COHERENCE"),
        ({"dimensions": {"COHERENCE": -0.1}}, "dimensions.COHERENCE"),
        ({"dimensions": {"COHERENCE": float("nan")}}, "dimensions.COHERENCE"),
        ({"dimensions": {"COHERENCE": float("inf")}}, "dimensions.COHERENCE"),
        ({"dimensions": {"COHERENCE": 10**400}}, "dimensions.COHERENCE"),
        ({"dimensions": {"COHERENCE": "80"}}, "dimensions.COHERENCE"),
        ({"dimensions": {"COHERENCE": True}}, "dimensions.COHERENCE"),
        ({"dimensions": {"COHERENCE": None}}, "dimensions.COHERENCE"),
        ({"dimensions": {"BEAUTY": 80}}, "dimensions.BEAUTY"),
        ({"dimensions": {"THE_UNNAMEABLE": 80}}, "dimensions.THE_UNNAMEABLE"),
        ({"dimensions": {f"D{n}": 1 for n in range(1000)}}, "dimensions.D0"),
        ({"dimensions": [80]}, "dimensions"),
        (votes({"dog": "Rex", "score": 1}), "votes[0].dog"),
        (votes({"dog": "sage", "score": 1}), "votes[0].dog"),
        (votes({"dog": "Sage", "score": 1.01}), "votes[0].score"),
        (votes({"dog": "Sage"}), "votes[0].score"),
        (votes({"dog": "Sage", "score": 1, "error": "no"}), "votes[0].score"),
        (votes({"dog": "Sage", "score": 1}, {"dog": "Sage", "score": 1}), "votes[1].dog"),
        (votes(*({"dog": "Sage", "score": 1} for _ in range(12))), "votes"),
        (votes({"dog": "Sage", "score": 1, "veto": True}), "votes[0].veto"),
        (votes({"dog": "Guardian", "score": 1, "veto": "yes"}), "votes[0].veto"),
        (votes({"dog": "Sage", "score": 1, "confidence": 0.7}), "votes[0].confidence"),
        (votes({"dog": "Sage", "score": 1, "mood": 1}), "votes[0].mood"),
        ({"votes": "Sage"}, "votes"),
        ({"votes": ["Sage"]}, "votes[0]"),
        ({"votes": []}, "dimensions"),
        ({"confidence": 0.6180339887}, "confidence"),
        ({"confidence": -0.1}, "confidence"),
        ({"confidence": 0.5, "probability": 0.5}, "confidence"),
        ({"probability": 1.5}, "probability"),
        ({"item_type": ""}, "item_type"),
        ({"item_type": None}, "item_type"),
        ({"item_type": "x" * 65}, "item_type"),
        ({"item_content": "a\0b"}, "item_content"),
        ({"item_content": "\ud800"}, "item_content"),
        ({"item_content": "x" * (CONTENT_CHARACTERS_MAX + 1)}, "item_content"),
        ({"item_content": 5}, "item_content"),
        ({"user": "x" * 65}, "user"),
        ({"surprise": 1}, "surprise"),
    ],
)  # fmt: skip
def test_each_fault_names_its_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        read_judgment(BASE | fields)
    assert caught.value.details["field"] == field
    assert len(caught.value.message) < 300


def test_a_confidence_that_is_too_large_names_probability() -> None:
    with pytest.raises(InvalidFieldError) as caught:
        read_judgment(BASE | {"confidence": 0.9})
    assert "probability" in (caught.value.hint or "")


@pytest.mark.parametrize("document", [None, [], "x", 5, True])
def test_what_is_no_object_is_refused(document: object) -> None:
    with pytest.raises(InvalidFieldError):
        read_judgment(document)
    with pytest.raises(InvalidFieldError):
        read_feedback(document)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b'{"a": NaN}',
        b"[Infinity]",
        b"\xff\xfe{}",
        b'"\xc3("',
        b"[" * 100_000,
        b"1" * 5000,
    ],
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedJsonError):
        loads(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda c: st.lists(c) | st.dictionaries(st.text(), c),
        max_leaves=8,
    )
)
def test_no_document_makes_the_parser_fall_over(document: object) -> None:
    for read in (read_judgment, read_feedback):
        with suppress(InvalidFieldError):
            read(document)


@given(st.text() | st.binary())
def test_no_text_makes_the_reader_fall_over(text: str | bytes) -> None:
    with suppress(MalformedJsonError):
        loads(text)


def test_numbers_keep_the_digits_they_were_written_with() -> None:
    given = read_judgment(BASE | {"dimensions": {"COHERENCE": 0.1, "HARMONY": Decimal("33.3")}})
    assert given.dimensions == {"COHERENCE": Decimal("0.1"), "HARMONY": Decimal("33.3")}


def test_equal_submissions_have_one_canonical_form() -> None:
    one = BASE | {"confidence": 0.309, "dimensions": {"COHERENCE": 80, "HARMONY": 1.50}}
    other = BASE | {"probability": 0.5, "dimensions": {"HARMONY": 1.5, "COHERENCE": 80.0}}
    assert read_judgment(one).canonical() == read_judgment(other).canonical()
    assert read_judgment(one | {"judgment_id": "j"}).canonical() == read_judgment(one).canonical()
    assert read_judgment(BASE).canonical() != read_judgment(BASE | {"user": "ada"}).canonical()


SUBMISSIONS = st.fixed_dictionaries(
    {"item_type": st.just("code"), "item_content": st.just("x")},
    optional={
        "dimensions": st.dictionaries(
            st.sampled_from(sorted(AXIOM_OF)), st.floats(0, 100), min_size=1
        ),
        "probability": st.floats(0, 1),
    },
).flatmap(
    lambda base: st.lists(
        st.builds(lambda d, s: {"dog": d, "score": s}, st.sampled_from(DOGS), st.floats(0, 1)),
        min_size=1,
        unique_by=lambda v: v["dog"],
    ).map(lambda v: base | {"votes": v})
)


@given(SUBMISSIONS)
def test_a_confidence_is_never_above_the_bound(document: dict[str, Any]) -> None:
    found = evaluate(read_judgment(document))
    assert 0 <= found.confidence <= Decimal("0.618")
    assert 0 <= found.q_score <= 100
    assert json.dumps(found.consensus and found.consensus.document())


def test_which_rule_gave_the_confidence() -> None:
    def rule(**fields: Any) -> tuple[str, Decimal]:
        found = evaluate(read_judgment({"item_type": "c", "item_content": "x"} | fields))
        return found.confidence_rule, found.confidence

    three = [{"dog": d, "score": s} for d, s in [("Sage", 0.9), ("Scout", 0.8), ("Oracle", 0.1)]]
    assert rule(votes=three) == ("votes", Decimal("0.412"))
    assert rule(votes=three, confidence=0.2) == ("given", Decimal("0.2"))
    assert rule(votes=three, probability=0.5) == ("probability", Decimal("0.309"))
    assert rule(dimensions={"COHERENCE": 100}) == ("distance", Decimal("0.618"))
    assert rule(dimensions={"COHERENCE": 50}) == ("distance", Decimal("0.309"))
    # The votes are on the other side than the verdict of the dimensions.
    assert rule(dimensions={"COHERENCE": 10}, votes=three) == ("votes", Decimal("0.206"))
    calibrated = evaluate(read_judgment(BASE), calibrated={True: Decimal("0.25")})
    assert (calibrated.confidence_rule, calibrated.confidence) == ("calibrated", Decimal("0.1545"))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "outcome"),
        ({"outcome": "right"}, "outcome"),
        ({"outcome": "correct", "actual_score": 101}, "actual_score"),
        ({"outcome": "correct", "user": ""}, "user"),
        ({"outcome": "correct", "why": 1}, "why"),
        ({"outcome": ["correct"]}, "outcome"),
    ],
)
def test_feedback_names_its_fault(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        read_feedback(fields)
    assert caught.value.details["field"] == field


@pytest.mark.parametrize(
    "judgment_id", ["a\nb", "a/b", "..", ".a", "a b", "é", "a" * 65, "", "a\x00", 5]
)
def test_an_id_can_stand_in_a_path_and_on_a_line(judgment_id: object) -> None:
    with pytest.raises(InvalidFieldError, match="judgment_id"):
        read_judgment(BASE | {"judgment_id": judgment_id})
    assert read_judgment(BASE | {"judgment_id": "jdg:A-1_b.c"}).judgment_id == "jdg:A-1_b.c"


def test_a_name_that_stands_twice_is_refused() -> None:
    with pytest.raises(MalformedJsonError, match="twice"):
        loads('{"dimensions": {"COHERENCE": 1, "COHERENCE": 99}}')


def test_json_is_utf_8_and_nothing_else() -> None:
    with pytest.raises(MalformedJsonError):
        loads('{"a": 1}'.encode("utf-16"))


def test_the_two_zeros_are_one() -> None:
    zero, minus = (read_judgment(BASE | {"dimensions": {"COHERENCE": z}}) for z in (0, -0.0))
    assert zero.canonical() == minus.canonical()


def test_a_dog_that_failed_is_no_vote() -> None:
    failed = {"dog": "Scout", "error": "timed out"}
    with pytest.raises(InvalidFieldError, match="every dog failed"):
        read_judgment(BASE | {"votes": [failed]})
    alone = evaluate(read_judgment(BASE | {"votes": [{"dog": "Sage", "score": 0.1}]}))
    beside = evaluate(read_judgment(BASE | {"votes": [{"dog": "Sage", "score": 0.1}, failed]}))
    assert (beside.q_score, beside.verdict, beside.confidence) == (
        alone.q_score,
        alone.verdict,
        alone.confidence,
    )
    with pytest.raises(InvalidFieldError, match="alone"):
        read_judgment(BASE | {"votes": [failed | {"reasoning": "x"}]})
