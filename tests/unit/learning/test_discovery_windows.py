"""The forms that learn as answers come: the same as all at once, and as if nothing had come when it is taken back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cynic.domains.learning import emergence, residual_fit
from cynic.domains.learning.emergence import Source, compared, evolution, extracted, merged
from cynic.domains.learning.emergence_lock import adjusted, significant
from cynic.domains.learning.emergence_window import COUNTED_MAX, Counted, Window, similar
from cynic.domains.learning.residual import (
    Judged,
    anomaly_of,
    candidate_of,
    candidates,
    cluster_name,
    fit_predictor,
)
from cynic.domains.learning.residual_fit import DIMENSIONS_MAX, FADING, Fit, Sample

NAMES = ("ACCURACY", "UTILITY", "CANDOR", "STRUCTURE")
JUDGED = st.builds(
    Judged,
    dimensions=st.dictionaries(st.sampled_from(NAMES), st.floats(0, 100), min_size=1),
    actual=st.floats(0, 100),
)
SOURCES = st.lists(
    st.tuples(st.frozensets(st.sampled_from("abcde"), max_size=4), st.booleans()), max_size=60
)
DAY = 86_400.0


def sources(given_ones: Any) -> list[Source]:
    return [
        Source(f"j{place:03}", "code", frozenset(tags), 100.0 if passed else 0.0, place * 60.0)
        for place, (tags, passed) in enumerate(given_ones)
    ]


@given(st.lists(JUDGED, min_size=30, max_size=60))
@settings(max_examples=30, deadline=None)
def test_sums_that_do_not_fade_give_the_fit_of_all_at_once(judged: list[Judged]):
    fit = Fit()
    for begin in range(0, len(judged), 7):
        fit.fold([Sample(0, one) for one in judged[begin : begin + 7]])
    found, wanted = fit.predictor(), fit_predictor(judged)
    assert found is not None
    assert wanted is not None
    for one in judged[:5]:
        assert found(one.dimensions) == pytest.approx(wanted(one.dimensions), abs=1e-6)


@given(st.lists(JUDGED, min_size=1, max_size=30), st.lists(JUDGED, min_size=1, max_size=10))
@settings(max_examples=30, deadline=None)
def test_what_is_taken_back_leaves_the_sums_as_if_it_had_never_come(
    stay: list[Judged], go: list[Judged]
):
    fit, without = Fit(), Fit()
    for one in (fit, without):
        one.advance(100)
        one.fold([Sample(place, judged) for place, judged in enumerate(stay, 50)])
    samples = [Sample(place, judged) for place, judged in enumerate(go, 80)]
    fit.fold(samples)
    fit = Fit.read(json.loads(json.dumps(fit.document())))
    for one in (fit, without):
        one.advance(900)
    fit.fold(samples, -1)
    assert fit.judgments == without.judgments
    # A dimension that only those had keeps a row of nothing.
    for i, name in enumerate(fit.names, start=2):
        if name not in without.names:
            assert fit.vector[i] == pytest.approx(0, abs=1e-9)
            assert fit.counts[i - 2] == 0
    assert fit.matrix[0][0] == pytest.approx(without.matrix[0][0])
    assert fit.vector[1] == pytest.approx(without.vector[1], abs=1e-9)


def test_what_lies_back_weighs_less_and_names_are_bounded():
    fit = Fit()
    fit.fold([Sample(0, Judged({"ACCURACY": 50.0}, 60.0))])
    fit.advance(5000)
    assert fit.matrix[0][0] == pytest.approx(FADING**5000)
    fit.advance(10)
    assert fit.place == 5000, "time does not run backwards"
    many = {f"D{n:03}": 50.0 for n in range(DIMENSIONS_MAX + 5)}
    fit.fold([Sample(5000, Judged(many, 50.0))])
    assert len(fit.names) == DIMENSIONS_MAX
    assert len(fit.matrix) == len(fit.vector) == DIMENSIONS_MAX + 2
    assert Fit().predictor() is None
    assert residual_fit.Fit().judgments == 0


def test_a_cluster_has_the_name_of_its_candidate():
    anomalies = [
        anomaly_of(f"j{n}", Judged({"ACCURACY": 20.0, "UTILITY": 90.0}, 0.0)) for n in range(4)
    ]
    found = [one for one in anomalies if one is not None]
    (candidate,) = candidates(found, {"ACCURACY": "VERIFY"})
    assert candidate.name == cluster_name(["ACCURACY"], underscored=False)
    assert candidate == candidate_of(
        ("ACCURACY",), found, {"ACCURACY": "VERIFY"}, underscored=False
    )
    assert candidate.name != cluster_name(["ACCURACY"], underscored=True)


@given(SOURCES)
@settings(max_examples=60, deadline=None)
def test_a_window_finds_what_all_sources_have(given_ones: Any):
    rows = sources(given_ones)
    window = Window(rows)
    found = window.mined()
    known = {one.tags: one for one in extracted(rows)}
    for one in found:
        assert window.mask(one.tags) == one.mask
        assert window.confidence(one.mask) >= emergence.PRUNED_BELOW
        if one.tags in known:
            assert window.confidence(one.mask) == pytest.approx(known[one.tags].confidence)
            assert one.mask.bit_count() == known[one.tags].frequency
    for place, one in enumerate(found):
        assert not any(similar(one.mask, other.mask) for other in found[place + 1 :])
    assert bool(found) == bool(merged(known.values()))
    assert window.mined([one.mask for one in found]) == [] or len(found) == 21


@given(SOURCES, st.integers(1, 10))
@settings(max_examples=60, deadline=None)
def test_counting_does_not_depend_on_batches_and_can_be_taken_back(given_ones: Any, size: int):
    rows = sources(given_ones)
    whole = Counted(category="code", tags=("a",))
    whole.sighted(rows)
    parts = Counted(category="code", tags=("a",))
    for begin in range(0, len(rows), size):
        parts.sighted(rows[begin : begin + size])
    assert parts == whole
    for row in rows:
        parts.unsighted(row)
    assert (parts.passes, parts.frequency, parts.seen) == (0, 0, 0)
    assert parts.confidence == 0.0


def test_what_was_counted_is_of_late_and_fades():
    counted = Counted(category="code", tags=("a",))
    counted.sighted([Source("j", "code", frozenset("a"), 0.0, 0.0)] * COUNTED_MAX)
    assert (counted.frequency, counted.seen) == (COUNTED_MAX, COUNTED_MAX)
    counted.sighted([Source("j", "code", frozenset("a"), 100.0, DAY)] * COUNTED_MAX)
    assert counted.frequency == COUNTED_MAX
    assert counted.seen == 2 * COUNTED_MAX
    assert counted.passes == COUNTED_MAX // 2
    before = counted.confidence
    assert counted.faded(DAY + 12 * DAY) == before
    assert counted.faded(DAY + 13 * DAY) == pytest.approx(before * (1 - 0.0618))
    counted.unsighted(Source("j", "code", frozenset("a"), 100.0, 900 * DAY))
    assert counted.frequency == COUNTED_MAX - 1


def test_a_trend_is_that_of_the_counts():
    assert compared(0, 0, 15) is None
    assert compared(0, 10, 15) == evolution([29 * DAY] * 10, 30 * DAY, 30)
    counted = Counted(category="code", tags=("a",))
    counted.sighted([Source("j", "code", frozenset("a"), 29 * DAY, 29 * DAY)] * 10)
    found = counted.evolution(29 * DAY)
    assert found is not None
    assert found.direction == "up"
    later = counted.evolution(45 * DAY)
    assert later is not None
    assert later.direction == "down"
    assert counted.evolution(90 * DAY) is None


def test_holm_s_values_and_the_set_agree():
    rates = {"code": 0.5}
    patterns = [
        Counted(category="code", tags=(f"t{n}",), passes=n, frequency=20) for n in range(21)
    ]
    found = adjusted(patterns, rates)
    assert {key for key, p in found.items() if p <= 0.05} == significant(patterns, rates)
    assert all(0 <= p <= 1 for p in found.values())
    ordered = [found[one.key] for one in patterns]
    assert ordered == sorted(ordered, reverse=True), "the more it passes, the smaller"
    assert adjusted(patterns, {}) == {}
