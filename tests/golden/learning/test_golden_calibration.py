"""Reliability bins and the Brier score: files calibration, bin_edges and brier."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from vectors import cases, ids, near

from cynic.domains.learning.brier import brier, corp, log_loss, murphy
from cynic.domains.learning.calibration import (
    BINS,
    Scored,
    bucket_of,
    calibration,
    curve,
    equal_mass_curve,
)
from cynic.domains.learning.recalibration import fit_isotonic, fit_platt

PROBABILITIES = [case for case in cases("calibration") if "p" in case.input]
TOP_LABELS = [case for case in cases("calibration") if "p" not in case.input]
TOP_LABEL_TOLERANCE = 1e-5  # a note of the file: the library casts to float32
PLATT_TOLERANCE = 1e-4  # a note of the file: its solver is iterative


def rows(given: Any) -> list[Scored]:
    return [Scored(p, bool(y)) for p, y in zip(given["p"], given["y"], strict=True)]


@pytest.mark.parametrize("case", PROBABILITIES, ids=[case.id for case in PROBABILITIES])
def test_the_error_over_equal_bins(case: Any):
    got = calibration(rows(case.input), random.Random(0), bins=case.input["n_bins"], resamples=50)
    assert got is not None
    expected = case.expected["torchmetrics"]
    assert near(got.ece, expected["ece_l1"], case.tolerance)
    assert near(got.ece_root_mean_square, expected["ece_l2"], case.tolerance)
    assert near(got.mce, expected["mce"], case.tolerance)
    expected = case.expected["netcal"]
    assert near([got.ece, got.mce], [expected["ece"], expected["mce"]], case.tolerance)
    assert near(got.ace, expected["ace"], case.tolerance)


@pytest.mark.parametrize("case", PROBABILITIES, ids=[case.id for case in PROBABILITIES])
def test_the_curve(case: Any):
    count = case.input["n_bins"]
    curves = curve(rows(case.input), count), equal_mass_curve(rows(case.input), count)
    for name, found in zip(("sklearn_uniform", "sklearn_quantile"), curves, strict=True):
        expected = case.expected[name]
        assert near([b.hit_rate for b in found], expected["fraction_positive"], case.tolerance)
        assert near([b.mean_p for b in found], expected["mean_predicted"], case.tolerance)


@pytest.mark.parametrize("case", PROBABILITIES, ids=[case.id for case in PROBABILITIES])
def test_buckets_and_their_counts(case: Any):
    expected = case.expected["bins_floor_p_times_10"]
    assert [bucket_of(p) for p in case.input["p"]] == expected["bucket"]
    found = {b.bucket: b for b in curve(rows(case.input))}
    counts = [found[bucket].count if bucket in found else 0 for bucket in range(BINS)]
    assert counts == expected["count"]
    positives = [found[b].hit_rate * found[b].count if b in found else 0.0 for b in range(BINS)]
    assert near(positives, expected["positives"], case.tolerance)


@pytest.mark.parametrize("case", PROBABILITIES, ids=[case.id for case in PROBABILITIES])
def test_the_five_parts_of_the_brier_score(case: Any):
    expected = case.expected["murphy_binned"]
    got = murphy(rows(case.input), case.input["n_bins"])
    assert got is not None
    for part, value in expected.items():
        assert near(getattr(got, part), value, case.tolerance)
    whole = got.reliability - got.resolution + got.uncertainty
    whole += got.within_bin_variance - got.within_bin_covariance_x2
    assert near(whole, case.expected["brier"], case.tolerance)
    assert near(brier(rows(case.input)), case.expected["brier"], case.tolerance)


@pytest.mark.parametrize("case", TOP_LABELS, ids=[case.id for case in TOP_LABELS])
def test_the_error_of_a_top_label(case: Any):
    given = case.input
    pairs = zip(given["confidence"], given["predicted"], given["actual"], strict=True)
    hits = [Scored(p, predicted == actual) for p, predicted, actual in pairs]
    got = calibration(hits, random.Random(0), bins=given["n_bins"], resamples=50)
    assert got is not None
    expected = case.expected["torchmetrics_multiclass"]
    assert near(got.ece, expected["l1"], TOP_LABEL_TOLERANCE)
    assert near(got.ece_root_mean_square, expected["l2"], TOP_LABEL_TOLERANCE)
    assert near(got.mce, expected["max"], TOP_LABEL_TOLERANCE)


@pytest.mark.parametrize("case", cases("bin_edges"), ids=ids("bin_edges"))
def test_values_on_an_edge(case: Any):
    found = {str(p): bucket_of(p) for p in case.input["p"]}
    assert found == {p: rule["floor_times_10_float"] for p, rule in case.expected.items()}


@pytest.mark.parametrize("case", cases("brier"), ids=ids("brier"))
def test_corp_and_log_loss(case: Any):
    expected, given = case.expected, rows(case.input)
    got = corp(given)
    assert got is not None
    assert near(got.score, expected["brier"], case.tolerance)
    for part in ("miscalibration", "discrimination", "uncertainty"):
        if f"corp_{part}" in expected:
            assert near(getattr(got, part), expected[f"corp_{part}"], case.tolerance)
    if "log_loss" in expected:
        assert near(log_loss(given), expected["log_loss"], case.tolerance)


@pytest.mark.parametrize("case", cases("brier"), ids=ids("brier"))
def test_recalibration_maps(case: Any):
    expected, given = case.expected, rows(case.input)
    if "isotonic_at_0.05_0.15_0.95" in expected:
        fitted = fit_isotonic(given)
        assert fitted is not None
        got = [fitted((2 * step + 1) / 20) for step in range(10)]
        assert near(got, expected["isotonic_at_0.05_0.15_0.95"], case.tolerance)
    platt = fit_platt(given)
    if "platt_on_logit" in expected:
        assert platt is not None
        assert near(platt.slope, expected["platt_on_logit"]["slope"], PLATT_TOLERANCE)
        assert near(platt.intercept, expected["platt_on_logit"]["intercept"], PLATT_TOLERANCE)
    else:
        assert platt is None


def test_skill_is_none_without_uncertainty():
    one_sided = corp([Scored(0.2, hit=True), Scored(0.9, hit=True)])
    assert one_sided is not None
    assert one_sided.skill is None
    assert not math.isnan(one_sided.score)
