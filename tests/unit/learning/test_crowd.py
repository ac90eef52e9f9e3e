"""One label from many votes: liars, silence, ties, one voter, one item."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cynic.base.errors import InvalidDataError
from cynic.domains.learning.crowd import (
    Ballot,
    Vote,
    accuracy,
    agreement,
    ballot,
    decide,
    majority,
    weighted_majority,
)
from cynic.domains.learning.dawid_skene import bound_of, dawid_skene
from cynic.domains.learning.voter_weights import label_shares, labels_of, voter_weights

LABELS = ["BARK", "GROWL", "HOWL", "WAG"]
VOTES = st.dictionaries(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["Sage", "Scout", "Oracle"])),
    st.sampled_from([*LABELS, None]),
    max_size=18,
).map(lambda votes: [Vote(item, voter, label) for (item, voter), label in votes.items()])


def pack(skills: list[float], items: int = 200, seed: int = 0) -> tuple[Ballot, dict[str, str]]:
    """Two labels; a skill below ½ lies."""
    rng = random.Random(seed)
    truth = {f"{n:03}": rng.choice(["no", "yes"]) for n in range(items)}
    other = {"no": "yes", "yes": "no"}
    votes = [
        Vote(item, f"dog{place}", label if rng.random() < skill else other[label])
        for item, label in truth.items()
        for place, skill in enumerate(skills)
    ]
    return ballot(votes), truth


@given(VOTES, st.randoms())
@settings(max_examples=50)
def test_shares_are_distributions_and_order_does_not_matter(votes: Any, shuffler: Any):
    given_votes = ballot(votes)
    plain, model = majority(given_votes), dawid_skene(given_votes, pseudo_votes=1.0)
    for found in plain.values():
        assert sum(found.shares.values()) == pytest.approx(1)
        assert 0 <= found.margin <= 1
    if model is None:
        assert not given_votes.votes
    else:
        for row in model.posterior.values():
            assert sum(row.values()) == pytest.approx(1, abs=1e-6)
        assert all(0 <= skill <= 1 + 1e-9 for skill in model.skills.values())
    shuffler.shuffle(votes)
    again = ballot(votes)
    assert majority(again) == plain
    assert dawid_skene(again, pseudo_votes=1.0) == model


def test_nobody_voting_gives_nothing():
    silent = ballot([Vote("a", "Sage", None)])
    assert majority(silent) == {}
    assert agreement(silent) == {}
    assert dawid_skene(silent) is None
    assert bound_of(silent, {}) is None
    decided = decide(silent)
    assert (decided.labels, decided.rule, decided.truth) == ({}, "majority", None)
    assert accuracy({}, {"a": "yes"}) is None


def test_a_second_vote_of_the_same_dog_is_refused():
    with pytest.raises(InvalidDataError, match="twice"):
        ballot([Vote("a", "Sage", "WAG"), Vote("a", "Sage", "BARK")])


def test_ties_go_to_the_first_label_and_have_no_margin():
    found = majority(ballot([Vote("a", "Sage", "WAG"), Vote("a", "Scout", "BARK")]))["a"]
    assert (found.label, found.margin, found.voters) == ("BARK", 0.0, 2)
    weighed = weighted_majority(
        ballot([Vote("a", "Sage", "WAG"), Vote("a", "Scout", "BARK")]), {"Sage": -3.0}
    )
    assert weighed["a"].label == "BARK"


@pytest.mark.parametrize("one_coin", [False, True])
def test_one_voter_one_item_and_one_label_are_no_trouble(one_coin: bool):
    for votes in (
        [Vote("a", "Sage", "WAG")],
        [Vote("a", "Sage", "WAG"), Vote("b", "Sage", "WAG")],
        [Vote("a", "Sage", "WAG"), Vote("a", "Scout", "BARK")],
    ):
        found = dawid_skene(ballot(votes), one_coin=one_coin)
        assert found is not None
        assert set(found.labels) == {vote.item for vote in votes}


def test_a_dog_that_always_lies_is_believed_the_other_way_round():
    votes, truth = pack([0.85, 0.85, 0.85, 0.05])
    model = dawid_skene(votes)
    assert model is not None
    assert model.skills["dog3"] < 0.2
    assert model.confusion["dog3"]["no"]["yes"] > 0.8
    plain = {item: found.label for item, found in majority(votes).items()}
    decided = decide(votes)
    assert decided.rule == "dawid-skene"
    ours, theirs = accuracy(decided.labels, truth), accuracy(plain, truth)
    assert ours is not None
    assert theirs is not None
    assert ours > theirs


def test_feedback_overrules_a_model_that_is_wrong():
    votes, truth = pack([0.9, 0.6, 0.6, 0.6, 0.6])
    plain = {item: found.label for item, found in majority(votes).items()}
    # Feedback that agrees with the majority everywhere refuses whatever differs from it.
    decided = decide(votes, plain)
    assert decided.labels == plain
    assert decide(votes, dict(list(truth.items())[:5])).rule == "dawid-skene"


def test_weights_follow_the_skill_and_a_liar_weighs_below_zero():
    votes, truth = pack([0.95, 0.7, 0.5, 0.1], items=400)
    known = dict(list(truth.items())[:200])
    later = dict(list(truth.items())[200:])
    weights = voter_weights(votes, known)
    assert weights is not None
    assert weights["dog0"] > weights["dog1"] > weights["dog2"] > 0 > weights["dog3"]
    shares = label_shares(votes, weights)
    found = accuracy(labels_of(shares), later)
    plain = accuracy({item: one.label for item, one in majority(votes).items()}, later)
    assert found is not None
    assert plain is not None
    assert found > plain
    assert all(sum(row.values()) == pytest.approx(1) for row in shares.values())


def test_a_voter_without_feedback_weighs_as_the_pack():
    votes, truth = pack([0.9, 0.9, 0.9])
    known = dict(list(truth.items())[:100])
    apart = ballot(
        [
            *(Vote(i, v, label) for i, said in votes.votes.items() for v, label in said.items()),
            Vote("new", "dog9", "yes"),
        ]
    )
    weights = voter_weights(apart, known)
    assert weights is not None
    assert min(weights.values()) <= weights["dog9"] <= max(weights.values())
    assert voter_weights(apart, dict(list(truth.items())[:19])) is None


def test_bad_numbers_are_refused():
    votes, truth = pack([0.9], items=30)
    for wrong in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InvalidDataError):
            dawid_skene(votes, pseudo_votes=wrong)
        with pytest.raises(InvalidDataError):
            voter_weights(votes, truth, ridge=wrong)
