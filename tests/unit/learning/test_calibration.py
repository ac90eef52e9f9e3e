"""Calibration and the Brier score: bounds, order, the scale of a confidence, no data."""

from __future__ import annotations

import json
import math
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cynic.base.errors import InvalidDataError
from cynic.base.phi import confidence_from_probability
from cynic.domains.learning.brier import brier, corp, log_loss, murphy
from cynic.domains.learning.calibration import (
    Scored,
    bucket_of,
    calibration,
    curve,
    equal_mass_curve,
    expected_error,
    scored,
    unscaled,
)
from cynic.domains.learning.isotonic import isotonic
from cynic.domains.learning.recalibration import (
    applied,
    document,
    fit_isotonic,
    fit_platt,
    gained,
    recalibrated,
    restored,
)

ROWS = st.lists(st.builds(Scored, p=st.floats(0, 1), hit=st.booleans()), min_size=1, max_size=60)
TENTHS = st.decimals(0, 1, places=3)


@given(ROWS, st.randoms())
@settings(max_examples=50)
def test_the_summary_is_bounded_and_blind_to_order(rows: Any, shuffler: Any):
    found = calibration(rows, random.Random(1), resamples=40)
    assert found is not None
    assert (found.ece_low is None) is (found.ece_high is None)
    if found.ece_low is not None and found.ece_high is not None:
        assert 0 <= found.ece_low <= found.ece <= found.ece_high <= 1
        assert found.ece_low < found.ece_high
    if len(set(rows)) == 1:
        assert found.ece_low is None, "resamples of equal rows are all the same"
    assert found.ece <= found.ece_root_mean_square + 1e-12
    assert found.ece <= found.mce + 1e-12
    assert found.mce <= 1
    assert sum(b.count for b in found.curve) == found.n == len(rows)
    shuffler.shuffle(rows)
    assert calibration(rows, random.Random(1), resamples=40) == found


@given(st.lists(st.tuples(TENTHS, st.booleans()), min_size=1, max_size=60))
def test_a_bounded_confidence_is_as_calibrated_as_the_probability_behind_it(rows: Any):
    plain = [Scored(float(p), hit) for p, hit in rows]
    bounded = [Scored(unscaled(confidence_from_probability(p)), hit) for p, hit in rows]
    assert bounded == plain
    assert expected_error(bounded) == expected_error(plain)


@given(TENTHS)
def test_the_bucket_is_the_one_the_database_derives(p: Decimal):
    confidence = confidence_from_probability(p)
    expected = min(9, int(10 * confidence / Decimal("0.618")))
    assert bucket_of(unscaled(confidence)) == expected


@given(ROWS)
def test_the_parts_of_the_brier_score_add_up(rows: Any):
    score, parts, bins = brier(rows), corp(rows), murphy(rows)
    assert score is not None
    assert parts is not None
    assert bins is not None
    assert 0 <= score <= 1
    whole = parts.miscalibration - parts.discrimination + parts.uncertainty
    assert whole == pytest.approx(score, abs=1e-12)
    assert parts.miscalibration >= -1e-12
    assert parts.discrimination >= -1e-12
    whole = bins.reliability - bins.resolution + bins.uncertainty
    whole += bins.within_bin_variance - bins.within_bin_covariance_x2
    assert whole == pytest.approx(score, abs=1e-12)
    assert (parts.skill is None) == (len({row.hit for row in rows}) == 1)
    loss = log_loss(rows)
    assert loss is not None
    assert loss >= 0


@given(ROWS)
def test_an_isotonic_map_never_falls_and_fits_at_least_as_well_as_a_constant(rows: Any):
    fitted = isotonic([row.p for row in rows], [row.hit for row in rows])
    values = [fitted(step / 50) for step in range(51)]
    assert values == sorted(values)
    rate = sum(row.hit for row in rows) / len(rows)
    best = sum((fitted(row.p) - row.hit) ** 2 for row in rows)
    assert best <= sum((rate - row.hit) ** 2 for row in rows) + 1e-9


def test_no_rows_are_none():
    found = calibration([], random.Random(0))
    assert (found, expected_error([]), brier([]), corp([])) == (None, None, None, None)
    assert (murphy([]), log_loss([]), fit_isotonic([]), fit_platt([])) == (None, None, None, None)
    assert (curve([]), equal_mass_curve([]), recalibrated([], random.Random(0))) == ((), (), None)


def test_unresolved_and_partial_predictions_are_no_misses():
    assert scored(Decimal("0.3"), "yes", None) is None
    assert scored(Decimal("0.3"), "yes", "partial") is None
    assert scored(Decimal("0.618"), "yes", "yes") == Scored(1.0, hit=True)
    with pytest.raises(InvalidDataError, match="confidence"):
        scored(Decimal("0.7"), "yes", "yes")


@pytest.mark.parametrize("p", [math.nan, math.inf, -0.1, 1.1])
def test_what_is_no_probability_is_refused(p: float):
    row = [Scored(p, hit=True)]
    for wrong in (brier, curve, log_loss, murphy, fit_isotonic, equal_mass_curve):
        with pytest.raises(InvalidDataError):
            wrong(row)
    with pytest.raises(InvalidDataError):
        calibration(row, random.Random(0))


def drawn(count: int, seed: int, distort: float) -> list[Scored]:
    """Overconfident by `distort` on the logit scale."""
    rng = random.Random(seed)
    rows: list[Scored] = []
    for _ in range(count):
        true = rng.betavariate(2, 2)
        odds = (true / (1 - true)) ** distort
        rows.append(Scored(odds / (1 + odds), rng.random() < true))
    return rows


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_recalibration_on_later_rows_takes_the_error_away(method: Any):
    found = recalibrated(drawn(6000, 3, 3.0), random.Random(0), method=method)
    assert found is not None
    assert found.ece_before > 0.1
    assert found.ece_after < 0.035
    assert (found.fitted_rows, found.judged_rows) == (3708, 2292)
    again = restored(json.loads(json.dumps(document(found.map))))
    assert again == found.map
    assert all(0 <= row.p <= 1 for row in applied(again, drawn(50, 4, 3.0)))


def test_what_is_calibrated_already_is_left_alone():
    assert recalibrated(drawn(40, 5, 3.0), random.Random(0)) is None, "too few to say"
    offered = luck = 0
    for seed in range(60):
        rows = drawn(215, seed, 1.0)
        fitted = fit_platt(rows[:132])
        assert fitted is not None
        later = rows[132:]
        luck += (expected_error(applied(fitted, later)) or 0) < (expected_error(later) or 0)
        offered += recalibrated(rows, random.Random(0)) is not None
    assert luck > 10, "the error falls by chance"
    # At 2.5 %: 6 or more of 60 come once in 300 tests like this one.
    assert offered <= 5


def test_a_map_that_helps_a_little_is_offered_once_there_are_enough_rows_to_know():
    few = [recalibrated(drawn(215, seed, 2.0), random.Random(0)) for seed in range(20)]
    many = [recalibrated(drawn(4000, seed, 2.0), random.Random(0)) for seed in range(20)]
    assert sum(one is not None for one in few) < sum(one is not None for one in many)
    assert all(one is not None for one in many)


def test_a_map_that_agrees_better_and_tells_less_is_not_offered():
    rng = random.Random(2)
    older = [Scored(rng.choice((0.05, 0.95)), rng.random() < 0.5) for _ in range(618)]
    later = [Scored(p, rng.random() < hit) for p, hit in ((0.05, 0.2), (0.95, 0.8)) * 191]
    fitted = fit_isotonic(older)
    assert fitted is not None
    mapped = applied(fitted, later)
    assert gained(later, mapped, random.Random(0)) > 0
    assert (brier(mapped) or 0) > (brier(later) or 0)
    assert recalibrated([*older, *later], random.Random(0)) is None


def test_what_is_gained_is_nothing_without_a_change_and_surer_with_more_rows():
    rows = drawn(300, 1, 3.0)
    assert gained(rows, rows, random.Random(0)) == pytest.approx(0, abs=1e-9)
    assert gained(rows, rows[:], random.Random(1)) <= 1e-9
    fitted = fit_platt(drawn(5000, 9, 3.0))
    assert fitted is not None
    lows = [
        gained(many, applied(fitted, many), random.Random(0))
        for many in (rows, drawn(3000, 1, 3.0), drawn(30_000, 1, 3.0))
    ]
    assert lows == sorted(lows)
    assert lows[0] > 0
    again = gained(rows, applied(fitted, rows), random.Random(0))
    assert again == lows[0], "the same generator, the same interval"


def test_separable_outcomes_have_no_platt_map():
    assert fit_platt([Scored(0.2, hit=False), Scored(0.8, hit=True)]) is None
    assert fit_platt([Scored(0.2, hit=True), Scored(0.8, hit=False)]) is None
    assert fit_platt([Scored(0.5, hit=True), Scored(0.5, hit=False)]) is None
    assert fit_platt([Scored(0.5, hit=True), Scored(0.9, hit=True)]) is None
    extreme = [Scored(p, h) for p, h in ((0.0, True), (1.0, False), (1.0, True), (0.0, False))]
    found = fit_platt(extreme)
    assert found is not None
    assert found.slope == pytest.approx(0, abs=1e-6)


def test_a_map_that_is_none_is_refused():
    for wrong in ({"method": "platt"}, {"method": "magic"}, {}):
        with pytest.raises(InvalidDataError):
            restored(wrong)


@pytest.mark.parametrize(("count", "near"), [(60, 0.06), (3000, 0.01)])
def test_the_interval_of_a_calibrated_source_reaches_down_to_nothing(count: int, near: float):
    lows = [
        found.ece_low
        for seed in range(10)
        if (found := calibration(drawn(count, seed, 1.0), random.Random(0), resamples=200))
    ]
    assert sum(low is not None and low <= near for low in lows) >= 8
