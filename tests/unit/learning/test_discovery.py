"""Residuals, governance and emergence: thresholds that are reached, pruning that prunes, locks that mean something."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cynic.base.errors import InvalidDataError
from cynic.domains.learning import emergence, emergence_lock, governance, residual
from cynic.domains.learning.emergence import Pattern, Source, evolution, extracted, merged, pruned
from cynic.domains.learning.emergence_lock import distillation, locks, p_value, significant
from cynic.domains.learning.residual import (
    PLAIN,
    Anomaly,
    Candidate,
    Judged,
    anomaly_of,
    candidates,
    fit_predictor,
    residual_of,
)

DAY = 86_400.0
AXIOMS = {"ACCURACY": "VERIFY", "INTEGRITY": "VERIFY", "UTILITY": "BURN"}
DIMENSIONS = st.dictionaries(st.sampled_from(sorted(AXIOMS)), st.floats(0, 100), min_size=1)
JUDGED = st.builds(Judged, dimensions=DIMENSIONS, actual=st.floats(0, 100))


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_residual_is_bounded_symmetric_and_grows_with_the_distance(a: float, b: float):
    found = residual_of(a, b)
    assert 0 <= found <= 0.618
    assert found == residual_of(b, a)
    assert (found > 0.382) == (abs(a - b) > 50 * 0.382 / 0.618) or abs(a - b) == pytest.approx(30.9)


@given(JUDGED)
def test_an_anomaly_is_above_the_threshold_and_below_the_bound(judged: Judged):
    found = anomaly_of("j", judged)
    if found is not None:
        assert 0.382 < found.residual <= 0.618
        assert all(judged.dimensions[name] < 38.2 for name in found.weak)


def test_the_threshold_is_reached_when_feedback_turns_a_judgment_around():
    confident = Judged({"ACCURACY": 85.0, "UTILITY": 80.0}, 20.0)
    found = anomaly_of("j1", confident)
    assert found is not None
    assert (found.underscored, found.severity) == (False, "critical")
    assert anomaly_of("j2", Judged({"ACCURACY": 60.0}, 70.0)) is None
    assert anomaly_of("j3", Judged({}, 70.0)) is None
    severities = [
        Anomaly(source_id="", residual=r, underscored=True, weak=frozenset()).severity
        for r in (0.4, 0.5, 0.6, 0.618)
    ]
    assert severities == ["low", "medium", "high", "critical"]


def scored(count: int, seed: int = 1) -> list[Judged]:
    """ACCURACY alone decides; UTILITY misleads."""
    rng = random.Random(seed)
    found: list[Judged] = []
    for _ in range(count):
        accuracy = rng.uniform(0, 100)
        found.append(Judged({"ACCURACY": accuracy, "UTILITY": 100 - accuracy}, accuracy))
    return found


def test_learned_weights_explain_what_the_plain_mean_cannot():
    assert fit_predictor(scored(29)) is None
    predictor = fit_predictor(scored(300))
    assert predictor is not None
    later = scored(50, seed=2)
    plain = sum(anomaly_of("j", one) is not None for one in later)
    explained = sum(anomaly_of("j", one, predictor) is not None for one in later)
    assert plain > 10
    assert explained == 0


@given(st.lists(JUDGED, min_size=30, max_size=40), st.randoms())
def test_a_predictor_does_not_know_the_order_and_stays_on_the_scale(rows: Any, shuffler: Any):
    predictor = fit_predictor(rows)
    assert predictor is not None
    predicted = predictor(rows[0].dimensions)
    assert predicted is not None
    assert 0 <= predicted <= 100
    shuffler.shuffle(rows)
    assert fit_predictor(rows) == predictor


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -1.0, 101.0])
def test_scores_off_the_scale_are_refused(wrong: float):
    for judged in (Judged({"ACCURACY": wrong}, 50.0), Judged({"ACCURACY": 50.0}, wrong)):
        with pytest.raises(InvalidDataError):
            anomaly_of("j", judged)
        with pytest.raises(InvalidDataError):
            fit_predictor([judged] * 30)


def anomalies(count: int, *weak: str, start: int = 0) -> list[Anomaly]:
    return [
        Anomaly(source_id=f"j{n}", residual=0.5, underscored=False, weak=frozenset(weak))
        for n in range(start, start + count)
    ]


def test_anomalies_with_the_same_weakness_become_a_candidate():
    found = candidates(
        [*anomalies(6, "ACCURACY", "INTEGRITY"), *anomalies(2, "UTILITY", start=50)], AXIOMS
    )
    assert [(one.axiom, one.samples, one.weak) for one in found] == [
        ("VERIFY", 6, ("ACCURACY", "INTEGRITY"))
    ]
    assert found[0].confidence == pytest.approx(0.618 * 0.6)
    assert found[0].score == 0.5
    assert candidates([], AXIOMS) == []
    assert candidates(anomalies(2, "UTILITY") * 5, AXIOMS) == []
    none_weak = candidates(anomalies(20), AXIOMS)[0]
    assert (none_weak.axiom, none_weak.confidence) == ("VERIFY", 0.618)


def candidate(samples: int, name: str = "UNNAMED_1", weak: tuple[str, ...] = ()) -> Candidate:
    return Candidate(
        name=name,
        axiom="VERIFY",
        weak=weak,
        underscored=True,
        samples=samples,
        confidence=0.618 * min(1.0, samples / 10),
        score=0.5,
        sources=(),
    )


def test_proposals_need_samples_and_confidence():
    actions = [governance.proposal(candidate(n)).action for n in (3, 5, 6, 7, 20)]
    assert actions == [None, None, None, "propose", "propose"]


def votes(approve: int, reject: int, abstain: int = 0) -> dict[str, bool | None]:
    cast: list[bool | None] = [True] * approve + [False] * reject + [None] * abstain
    return {f"dog{n}": vote for n, vote in enumerate(cast)}


@pytest.mark.parametrize(
    ("cast", "promoted", "action"),
    [
        (votes(7, 4), [], "approve"),
        (votes(6, 5), [], "reject"),
        (votes(2, 0, 9), [], None),
        (votes(0, 0), [], None),
        (votes(3, 0), [DAY - 60], None),
        (votes(3, 0), [DAY - 1800], "approve"),
        (votes(3, 0), [DAY - 9000, DAY - 8000, DAY - 7000], None),
        (votes(3, 0), [-5.0, -4.0, DAY - 7000], "approve"),
    ],
)
def test_decisions(cast: Any, promoted: list[float], action: str | None):
    ruling = governance.decision("D", cast, DAY, promoted)
    assert ruling.action == action
    assert ruling.reason
    assert ruling.tally is not None
    assert ruling.tally.document()["voters"] == sum(vote is not None for vote in cast.values())


def test_retirement_takes_the_same_majority():
    assert governance.retirement("D", votes(7, 4)).action == "retire"
    assert governance.retirement("D", votes(6, 5)).action is None
    assert governance.retirement("D", votes(2, 0)).action is None


def test_waiting_moves_a_candidate_forward_but_never_by_more_than_0_236():
    old, new = candidate(7, "OLD"), candidate(9, "NEW")
    assert [one.name for one in governance.in_turn([(old, 0.0), (new, 0.0)])] == ["NEW", "OLD"]
    assert [one.name for one in governance.in_turn([(old, 7 * DAY), (new, 0.0)])] == ["OLD", "NEW"]
    assert governance.rank(old, 70 * DAY) == pytest.approx(old.confidence + 0.236)
    with pytest.raises(InvalidDataError):
        governance.rank(old, -1.0)


def test_promoted_names_are_free():
    assert governance.promoted_name(candidate(5, weak=("UTILITY",)), []) == "UTILITY_EXTENDED"
    taken = ["UTILITY_EXTENDED", "DISCOVERED_1"]
    assert governance.promoted_name(candidate(5, weak=("UTILITY",)), taken) == "DISCOVERED_2"


SOURCES = st.lists(
    st.builds(
        Source,
        judgment_id=st.integers(0, 40).map(str),
        category=st.sampled_from(["code", "review"]),
        tags=st.frozensets(st.sampled_from("abcd"), max_size=3),
        q=st.floats(0, 100),
        at_seconds=st.floats(0, 1e6),
    ),
    unique_by=lambda source: source.judgment_id,
    max_size=40,
)


@given(SOURCES, st.randoms())
def test_patterns_are_bounded_grounded_and_blind_to_order(sources: Any, shuffler: Any):
    found = extracted(sources)
    for pattern in found:
        assert pattern.frequency >= 3
        assert 0.236 <= pattern.confidence <= 0.618
        assert pattern.passed <= pattern.sources
    together = merged(found)
    keys = [pattern.key for pattern in together]
    assert len(keys) == len(set(keys)) <= len(found)
    assert all(pattern.confidence <= 0.618 for pattern in together)
    assert {s for p in together for s in p.sources} == {s for p in found for s in p.sources}
    shuffler.shuffle(sources)
    assert extracted(sources) == found
    assert merged(reversed(found)) == together


def source(n: int, tags: str, q: float = 90.0, at: float = 0.0) -> Source:
    return Source(f"j{n}", "code", frozenset(tags), q, at)


def test_two_sightings_and_failures_are_no_pattern():
    assert extracted([]) == []
    assert extracted([source(1, "a"), source(2, "a")]) == []
    assert extracted([source(1, "a")] * 9) == []
    assert extracted([source(n, "a", q=10.0) for n in range(9)]) == []
    assert len(extracted([source(n, "a") for n in range(3)])) == 1


def test_what_is_seen_together_is_one_pattern_with_its_parents():
    found = extracted([source(n, "ab") for n in range(5)])
    assert [pattern.tags for pattern in found] == [("a",), ("b",), ("a", "b")]
    (one,) = merged(found)
    assert (one.tags, one.frequency, len(one.parents)) == (("a",), 5, 2)


def test_patterns_fade_by_the_time_since_they_were_seen_and_are_pruned():
    (pattern,) = extracted([source(n, "a", at=5 * DAY) for n in range(20)])
    assert pattern.faded(0.0) == pattern.faded(17 * DAY) == pattern.confidence
    assert pattern.faded(18 * DAY) == pytest.approx(pattern.confidence * 0.9382)
    assert pattern.faded(31 * DAY) == pytest.approx(pattern.confidence * 0.9382**2)
    assert pruned([pattern], 31 * DAY) == ([pattern], [])
    assert pruned([pattern], 400 * DAY) == ([], [pattern])


def test_trends():
    assert evolution([], 10 * DAY, 10) is None
    assert evolution([-1.0], 10 * DAY, 10) is None
    rising = evolution([9 * DAY] * 20 + [DAY], 10 * DAY, 10)
    assert rising == ("up", pytest.approx(19 / 25))
    falling = evolution([9 * DAY] + [DAY] * 20, 10 * DAY, 10)
    assert falling == ("down", pytest.approx(-19 / 25))
    assert evolution([9 * DAY, DAY], 10 * DAY, 10) == ("stable", 0.0)
    with pytest.raises(InvalidDataError):
        evolution([1.0], math.nan, 10)


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0, 1))
def test_a_p_value_is_the_tail_of_the_binomial(passed: int, extra: int, rate: float):
    total = passed + extra
    found = p_value(passed, total, rate)
    if not total:
        assert found is None
        return
    exact = math.fsum(
        math.comb(total, k) * rate**k * (1 - rate) ** (total - k) for k in range(passed, total + 1)
    )
    assert found == pytest.approx(exact, abs=1e-9)


def patterns(count: int, passed: int, total: int) -> list[Pattern]:
    sources = frozenset(map(str, range(total)))
    return [
        Pattern(
            category="code",
            tags=(f"t{n}",),
            sources=sources,
            passed=frozenset(map(str, range(passed))),
            first_seen_seconds=0.0,
            last_seen_seconds=0.0,
        )
        for n in range(count)
    ]


def test_only_what_beats_its_category_is_locked():
    usual, better = patterns(12, 20, 40), patterns(13, 40, 40)[12:]
    every = [*usual, *better]
    assert significant(every, {"code": 0.5}) == {better[0].key}
    assert significant(every, {}) == set()
    assert locks(every, {"code": 0.5}, {}, 0.0).lock == [better[0].key]
    assert locks(better, {"code": 0.5}, {}, 0.0).lock == []
    held = {usual[0].key: 0.0, better[0].key: 0.0}
    assert locks(every, {"code": 0.5}, held, 29 * DAY).unlock == []
    assert locks(every, {"code": 0.5}, held, 30 * DAY) == ([], [usual[0].key])
    many = patterns(400, 40, 40)
    assert len(locks(many, {"code": 0.5}, {}, 0.0).lock) == emergence_lock.LOCKED_MAX


@given(st.floats(0, 0.618), st.integers(0, 10_000), st.floats(0, 1000))
def test_distillation_is_bounded_and_grows(confidence: float, frequency: int, age: float):
    found = distillation(confidence, frequency, age)
    assert 0 <= found <= 1
    assert distillation(confidence, frequency + 1, age) >= found
    with pytest.raises(InvalidDataError):
        distillation(0.7, frequency, age)


def test_keys_do_not_run_into_each_other():
    def keyed(*tags: str) -> str:
        (pattern,) = patterns(1, 1, 1)
        return Pattern(
            category="c",
            tags=tags,
            sources=pattern.sources,
            passed=pattern.passed,
            first_seen_seconds=0.0,
            last_seen_seconds=0.0,
        ).key

    assert keyed("a+b") != keyed("a", "b")
    assert PLAIN({}) is None
    assert residual.THRESHOLD < 0.618
    assert emergence.SOURCES_MIN == 3
