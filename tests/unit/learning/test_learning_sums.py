"""Exact sums of dimensions, biased sides, patterns of sessions, and confidence that never moves away from the truth."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cynic.domains.learning.answers import Tally
from cynic.domains.learning.behavior import Behavior, Judged, Stated, modified
from cynic.domains.learning.dimension_sums import Sums
from cynic.domains.learning.metacognition import Action
from cynic.domains.learning.session_patterns import patterns
from cynic.domains.learning.side_bias import biases
from cynic.domains.learning.sona import pearson

SCORES = st.integers(0, 10_000).map(lambda n: n / 100)
ROWS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(["COHERENCE", "IMPACT", "NOVELTY"]), SCORES),
        st.booleans(),
        st.booleans(),
    ),
    max_size=20,
)


def summed(rows: Any) -> Sums:
    sums = Sums()
    for dimensions, passed, right in rows:
        sums.add(dimensions, passed=passed, right_side=right)
    return sums


@given(ROWS, ROWS, st.randoms(use_true_random=False))
def test_sums_know_no_order_and_are_taken_back_exactly(stays: Any, goes: Any, rng: Any) -> None:
    wanted = summed(stays)
    rows = [(1, row) for row in (*stays, *goes)]
    rng.shuffle(rows)
    rows += [(-1, row) for row in rng.sample(goes, len(goes))]
    found = Sums()
    for times, (dimensions, passed, right) in rows:
        found.add(dimensions, passed=passed, right_side=right, times=times)
    assert found.document() == wanted.document()
    assert found.seen() == wanted.seen()
    parts = Sums()
    for row in stays:
        parts.merge(summed([row]))
    assert parts.document() == wanted.document()
    assert Sums.restored(wanted.document()).document() == wanted.document()  # type: ignore[arg-type]


@given(ROWS)
def test_the_correlation_is_pearsons(rows: Any) -> None:
    for name, (n, r, _) in summed(rows).seen().items():
        having = [(d[name], 1.0 if right else -1.0) for d, _, right in rows if name in d]
        assert n == len(having)
        plain = pearson([x for x, _ in having], [y for _, y in having])
        assert (r is None) == (plain is None)
        if plain is not None:
            assert r == pytest.approx(plain, abs=1e-9)


@given(ROWS)
def test_a_bias_is_bounded_and_the_next_answer_counts_less_and_less(rows: Any) -> None:
    sums = summed(rows)
    assert -0.618 < sums.bias < 0.618
    assert 0 < sums.rate <= 0.236 + 1e-12
    assert Sums().bias == 0
    if all(passed == right for _, passed, right in rows):
        assert sums.bias == 0


def test_who_always_finds_things_better_than_judged_is_biased_upwards() -> None:
    up = summed([({}, False, True)] * 40)
    down = summed([({}, True, False)] * 40)
    assert up.bias > 0.5
    assert down.bias == -up.bias


@pytest.mark.parametrize(
    ("passing", "failing", "found"),
    [
        (Tally(15, 85), Tally(90, 10), [("pass", "the other side")]),
        (Tally(10, 19), Tally(90, 10), []),  # one answer too few
        (Tally(55, 45), Tally(50, 50), []),
        (Tally(60, 40), Tally(90, 10), [("pass", "the other side")]),
        (Tally(10, 30), Tally(0, 0), [("pass", "one half")]),
        (Tally(10, 90), Tally(10, 90), [("fail", "one half"), ("pass", "one half")]),
        (Tally(0, 0), Tally(0, 0), []),
    ],
)
def test_a_side_is_biased_only_with_evidence(passing: Tally, failing: Tally, found: Any) -> None:
    shown = biases({"pass": passing, "fail": failing})
    assert [(one["side"], one["compared_with"]) for one in shown] == found


def actions(names: str, failed: str = "") -> list[Action]:
    return [Action(name, name not in failed, float(at)) for at, name in enumerate(names)]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("aaab", []),
        ("baaaac", [("REPETITION", "a", 4, 1, 4)]),
        ("abababx", [("CYCLE", "ab", 3, 0, 5)]),
        ("xababay", []),  # two and a half rounds
        ("abcabcabca", [("CYCLE", "abc", 3, 0, 8)]),
        ("abcdabcdabcd", [("CYCLE", "abcd", 3, 0, 11)]),
        ("abcxxabcyyabczz", [("SEQUENCE", "abc", 3, 0, 12)]),
        ("abcxxabc", []),
        ("", []),
    ],
)
def test_patterns_of_a_session(names: str, found: Any) -> None:
    shown = patterns(actions(names))
    assert [(p.kind, "".join(p.actions), p.times, p.first, p.last) for p in shown] == found


def test_what_fails_unlike_the_rest_is_an_anomaly() -> None:
    names = "abcab" * 3 + "xdxexfxgx" + "cba"
    (anomaly,) = [p for p in patterns(actions(names, "x")) if p.kind == "ANOMALY"]
    assert (anomaly.actions, anomaly.times) == (("x",), 5)
    assert anomaly.detail == {"success": 0.0, "others": 1.0}
    assert not [p for p in patterns(actions("xaxaxbxb", "x")) if p.kind == "ANOMALY"]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=40))
def test_patterns_stand_where_they_say(listed: Any) -> None:
    done = [Action(name, ok, float(at)) for at, (name, ok) in enumerate(listed)]
    names = [name for name, _ in listed]
    for one in patterns(done):
        assert 0 <= one.first <= one.last < len(names)
        if one.kind in {"REPETITION", "CYCLE"}:
            rounds = itertools.chain.from_iterable([one.actions] * one.times)
            assert names[one.first : one.last + 1] == list(rounds)


@given(st.floats(0, 1), st.lists(st.sampled_from(["correct", "incorrect", "partial"]), max_size=20))
def test_confidence_never_moves_away_from_the_truth(p: float, outcomes: Any) -> None:
    after = modified(
        Behavior(), [Judged(o) for o in outcomes], [Stated(p, o) for o in outcomes]
    ).confidence_shift
    decided = [o for o in outcomes if o != "partial"]
    if len(decided) < 3:
        assert after == 0
        return
    share = decided.count("correct") / len(decided)
    assert after * (share - p) >= 0
