"""Preferences as counts: each vote in at most one pair, taken back exactly, and the fit of a table that of its pairs."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cynic.base.errors import InvalidDataError
from cynic.domains.dogs.pack import DOGS
from cynic.domains.learning.ewc import softmax_fisher, softmax_fisher_of_counts
from cynic.domains.learning.offpolicy import change
from cynic.domains.learning.preference_table import UNITS, Decided, Match, Preferences
from cynic.domains.learning.preferences import Preference, fit, fit_wins, policy

OUTCOMES = ("correct", "incorrect", "partial")
ANSWERS = st.lists(
    st.dictionaries(st.sampled_from(DOGS), st.sampled_from(OUTCOMES), min_size=1, max_size=11),
    max_size=12,
)


def decided(place: int, votes: dict[str, Any]) -> list[Decided]:
    return [
        Decided(feedback_id=f"f{place}", judgment_id=f"j{place}", place=place, dog=dog, outcome=o)
        for dog, o in votes.items()
    ]


def one(place: int, dog: str, outcome: Any) -> list[Decided]:
    return decided(place, {dog: outcome})


@given(ANSWERS)
def test_each_vote_is_in_at_most_one_pair_and_the_better_is_chosen(answers: Any) -> None:
    known = Preferences()
    pairs = [
        match for place, votes in enumerate(answers) for match in known.learn(decided(place, votes))
    ]
    used = Counter(
        (side.place, side.dog) for match in pairs for side in (match.chosen, match.rejected)
    )
    assert all(times == 1 for times in used.values())
    rank = {"incorrect": 0, "partial": 1, "correct": 2}
    assert all(rank[match.chosen.outcome] > rank[match.rejected.outcome] for match in pairs)
    assert all(match.chosen.dog != match.rejected.dog for match in pairs)
    assert known.pairs == len(pairs)
    assert all(0 < match.confidence <= 0.618 for match in pairs)
    for place, votes in enumerate(answers):
        sides = Counter(votes.values())
        if len(votes) > 1:
            most = min(sides["correct"], sides["incorrect"])
            assert sum(match.chosen.place == place for match in pairs) == most, "as many as can be"


@given(ANSWERS, ANSWERS, st.randoms(use_true_random=False))
def test_what_is_taken_back_was_never_there(stays: Any, goes: Any, rng: Any) -> None:
    known, gone = Preferences(), Preferences()
    found: list[Match] = []
    for place, votes in enumerate(goes):
        found += known.learn(decided(1000 + place, votes))
    known.waiting = None
    for place, votes in enumerate(stays):
        known.learn(decided(place, votes))
        gone.learn(decided(place, votes))
    for place, votes in rng.sample(list(enumerate(goes)), len(goes)):
        known.take_back(decided(1000 + place, votes))
    for match in rng.sample(found, len(found)):
        known.add(match.chosen.dog, match.rejected.dog, match.units, -1)
    assert known.wins == gone.wins
    assert {dog: n for dog, n in known.seen.items() if any(n.values())} == gone.seen
    assert Preferences.restored(known.document()).document() == known.document()  # type: ignore[arg-type]


def test_a_decision_that_was_taken_back_waits_no_longer() -> None:
    known = Preferences()
    known.learn(one(1, "Sage", "correct"))
    known.take_back(one(1, "Sage", "correct"))
    assert known.learn(one(2, "Scout", "incorrect")) == []
    assert [match.chosen.place for match in known.learn(one(3, "Sage", "correct"))] == [3]


@pytest.mark.parametrize(
    ("better", "worse", "units"),
    [("correct", "incorrect", 20), ("correct", "partial", 18), ("partial", "incorrect", 15)],
)
def test_labels_are_as_sure_as_the_answers_are_apart(better: str, worse: str, units: int) -> None:
    known = Preferences()
    known.learn(one(1, "Sage", worse))
    (match,) = known.learn(one(2, "Scout", better))
    assert (match.chosen.dog, match.units) == ("Scout", units)
    assert match.confidence == pytest.approx(0.618 * units / UNITS)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(DOGS), st.sampled_from(DOGS), st.sampled_from([20, 18, 15])
        ).filter(lambda pair: pair[0] != pair[1]),
        min_size=1,
        max_size=40,
    )
)
def test_the_fit_of_a_table_is_that_of_its_pairs(pairs: Any) -> None:
    known = Preferences()
    for chosen, rejected, units in pairs:
        known.add(chosen, rejected, units)
    base = dict.fromkeys(DOGS, 0.5)
    listed = [Preference(context="c", chosen=c, rejected=r, k=u / UNITS) for c, r, u in pairs]
    whole, table = fit(listed, base), fit_wins(known.table(), base)
    assert whole is not None
    assert table is not None
    assert table.pairs == whole.pairs == known.pairs
    assert table.loss == pytest.approx(whole.loss)
    assert table.weights == pytest.approx(whole.weights)
    again = fit_wins(known.table(), base, start=table.strengths)
    assert again is not None
    assert again.weights == pytest.approx(table.weights), "where it begins changes nothing"


def test_an_empty_table_says_nothing_and_an_unknown_dog_is_refused() -> None:
    assert fit_wins({}, {"Sage": 0.5}) is None
    with pytest.raises(InvalidDataError, match="Cerberus"):
        fit_wins({"Cerberus": {"Sage": 1.0}}, {"Sage": 0.5})


@given(
    st.lists(st.sampled_from(DOGS), max_size=30),
    st.lists(st.floats(-3, 3), min_size=11, max_size=11),
)
def test_the_fisher_of_counts_is_that_of_the_choices(chosen: Any, theta: Any) -> None:
    shares = policy(dict(zip(DOGS, theta, strict=True)))
    listed = softmax_fisher({"c": shares}, [("c", dog) for dog in chosen])["c"]
    assert softmax_fisher_of_counts(shares, Counter(chosen)) == pytest.approx(listed)


ROW = st.lists(st.floats(0.01, 1), min_size=3, max_size=3).map(
    lambda parts: {dog: part / sum(parts) for dog, part in zip(DOGS, parts, strict=False)}
)
ARMS = st.dictionaries(
    st.sampled_from(DOGS[:3]),
    st.tuples(st.integers(0, 500), st.integers(0, 500)).map(lambda n: (n[0] / 2, n[1] / 2)),
)


@given(ROW, ROW, ARMS)
def test_a_change_of_weights_earns_what_the_other_loses(new: Any, old: Any, arms: Any) -> None:
    there, back = change(new, old, arms), change(old, new, arms)
    assert there.value == pytest.approx(-back.value)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.low <= there.value <= there.high
    assert -1 <= there.value <= 1
    assert change(new, new, arms) == (0, 0, 0)


def test_more_answers_narrow_the_interval_and_the_better_dog_earns_more() -> None:
    sage, scout = {"Sage": 1.0, "Scout": 0.0}, {"Sage": 0.0, "Scout": 1.0}
    few = change(sage, scout, {"Sage": (3, 1), "Scout": (1, 3)})
    many = change(sage, scout, {"Sage": (300, 100), "Scout": (100, 300)})
    assert few.low < 0 < few.value
    assert 0 < many.low < 0.5 < many.high
    assert math.isclose(many.value, 200 / 402)
