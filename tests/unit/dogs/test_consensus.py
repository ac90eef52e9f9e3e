"""The laws of consensus: whatever is in doubt is not approved, and the order of votes does not matter."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cynic.domains.dogs.consensus import Consensus, consensus
from cynic.domains.dogs.pack import DOGS, Vote, mean_score


def vote(dog: str, score: str = "0.9", **more: Any) -> Vote:
    return Vote(
        dog=dog, score=Decimal(score), confidence=Decimal("0.5"), confidence_rule="given", **more
    )


@st.composite
def packs(draw: Any) -> tuple[Vote, ...]:
    dogs = draw(st.lists(st.sampled_from(DOGS), unique=True, min_size=1))
    score = st.decimals(0, 1, places=3).map(str)
    return tuple(vote(dog, draw(score)) for dog in dogs)


def count(*votes: Vote) -> Consensus:
    return consensus(votes, {})


@given(packs(), st.randoms())
def test_the_order_of_votes_does_not_matter(votes: tuple[Vote, ...], random: Any) -> None:
    shuffled = list(votes)
    random.shuffle(shuffled)
    assert consensus(tuple(shuffled), {}) == consensus(votes, {})
    assert mean_score(tuple(shuffled), {}) == mean_score(votes, {})


@given(packs())
def test_a_veto_never_approves(votes: tuple[Vote, ...]) -> None:
    others = tuple(v for v in votes if v.dog != "Guardian")
    for guardian in (vote("Guardian", "1", veto=True), vote("Guardian", "0.381")):
        found = consensus((*others, guardian), {})
        assert (found.approved, found.veto, found.reason) == (False, True, "Guardian vetoes")


@given(packs())
def test_an_error_never_approves(votes: tuple[Vote, ...]) -> None:
    failed = Vote(
        dog=votes[0].dog,
        score=Decimal("0.5"),
        confidence=Decimal(),
        confidence_rule="distance",
        error="timed out",
    )
    assert not consensus((failed, *votes[1:]), {}).approved


@given(packs())
def test_approval_has_all_its_conditions(votes: tuple[Vote, ...]) -> None:
    found = consensus(votes, {})
    sides = [v.score > Decimal("0.5") for v in votes if v.score != Decimal("0.5")]
    assert found.voters == len(sides)
    if found.approved:
        assert len(sides) >= 3
        assert found.agreement is not None
        assert found.agreement >= Decimal("0.618")
        assert found.verdict in {"HOWL", "WAG"}
        assert sum(sides) / len(sides) >= 0.618


def test_the_words_of_each_outcome() -> None:
    three = (vote("Sage"), vote("Scout"), vote("Oracle"))
    assert count(*three).reason == "approved"
    assert count(*three[:2]).reason == "2 of at least 3 voters"
    assert count(*(vote(v.dog, "0.1") for v in three)).reason == "rejected"
    split = (*three, vote("Analyst", "0.4"), vote("Scholar", "0.4"))
    assert count(*split).reason == "agreement 0.6 is below 0.618"
    assert count(vote("Sage", "0.5")).verdict is None
    assert count(vote("Sage", "0.5")).agreement is None


def test_the_guardians_line_is_exact() -> None:
    three = (vote("Sage"), vote("Scout"), vote("Oracle"))
    assert count(*three, vote("Guardian", "0.382")).veto is False
    assert count(*three, vote("Guardian", "0.381999")).veto is True
    assert count(*three, vote("Janitor", "0.1")).veto is False  # nobody else has one


def test_weights_turn_the_mean_and_the_unknown_dog_counts_one() -> None:
    votes = (vote("Sage", "1"), vote("Scout", "0"))
    assert mean_score(votes, {}) == Decimal("0.5")
    assert mean_score(votes, {"Sage": Decimal(3)}) == Decimal("0.75")
    assert mean_score(votes, dict.fromkeys(DOGS, Decimal())) == Decimal("0.5")


@pytest.mark.parametrize("dog", DOGS)
def test_every_dog_can_vote(dog: str) -> None:
    assert count(vote(dog)).voters == 1
