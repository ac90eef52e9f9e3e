"""Forgetting, rates, Thompson sampling and off-policy values: bounds, and None where nothing was measured."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cynic.base.errors import InvalidDataError
from cynic.domains.learning import thompson
from cynic.domains.learning.forgetting import Counted, overview, split, transfer, watch
from cynic.domains.learning.offpolicy import (
    METHODS,
    Decision,
    Estimator,
    estimate,
    reward_model,
    value,
)
from cynic.domains.learning.rates import (
    beta_cdf,
    beta_quantile,
    exact_match,
    faded,
    jaccard,
    jeffreys,
    rate,
    wilson,
)
from cynic.domains.learning.thompson import Arm

unit = st.floats(0, 1)
counted = st.integers(0, 500).flatmap(
    lambda total: st.builds(Counted, correct=st.integers(0, total), total=st.just(total))
)


@given(counted)
def test_intervals_hold_the_rate(seen: Counted) -> None:
    for interval in (wilson(seen.correct, seen.total), jeffreys(seen.correct, seen.total)):
        share = rate(seen.correct, seen.total)
        if share is None:
            assert interval is None
        else:
            assert interval is not None
            assert 0 <= interval.low < interval.high <= 1
    interval, share = wilson(seen.correct, seen.total), rate(seen.correct, seen.total)
    assert interval is None or share is None or interval.low <= share <= interval.high


@given(st.integers(1, 200), st.integers(2, 20))
def test_more_data_narrows(total: int, times: int) -> None:
    few, many = wilson(total // 2, total), wilson(total // 2 * times, total * times)
    assert few is not None
    assert many is not None
    assert many.high - many.low < few.high - few.low


@given(st.floats(0.01, 0.99), st.floats(0.5, 300), st.floats(0.5, 300))
def test_the_beta_quantile_inverts(p: float, a: float, b: float) -> None:
    assert beta_cdf(beta_quantile(p, a, b), a, b) == pytest.approx(p, abs=1e-9)


def test_a_share_beyond_the_whole_is_refused() -> None:
    for correct, total in ((2, 1), (-1, 5)):
        with pytest.raises(InvalidDataError):
            wilson(correct, total)


@given(st.sets(st.sampled_from("abcd")), st.sets(st.sampled_from("abcd")))
def test_agreement_of_sets(one: set[str], other: set[str]) -> None:
    shared = jaccard(one, other)
    assert shared == jaccard(other, one)
    assert (shared is None) == (not one and not other) == (exact_match(one, other) is None)
    assert shared is None or (0 <= shared <= 1 and (shared == 1) == exact_match(one, other))


@given(st.none() | unit, unit, st.floats(0.01, 1))
def test_a_faded_mean_stays_between(mean: float | None, new: float, fading: float) -> None:
    found = faded(mean, new, fading)
    old = new if mean is None else mean
    assert min(old, new) - 1e-12 <= found <= max(old, new) + 1e-12


def test_one_task_has_no_transfer_and_none_no_accuracy() -> None:
    alone = transfer([[0.8]], [0.1])
    assert (alone.average_bwt, alone.average_fwt, alone.average_forgetting) == (None, None, None)
    assert alone.average_accuracy == 0.8
    assert transfer([]).average_accuracy is None
    with pytest.raises(InvalidDataError):
        transfer([[0.5], [0.5]])


def test_forgetting_looks_at_the_best_earlier_row() -> None:
    found = transfer([[0.5, 0.0, 0.0], [0.9, 0.8, 0.0], [0.4, 0.7, 1.0]])
    assert found.forgetting_by_task == pytest.approx({0: 0.5, 1: 0.1})
    assert found.bwt_by_task == pytest.approx({0: -0.1, 1: -0.1})
    assert found.fwt_by_task == {}


@given(counted, counted)
def test_an_alarm_needs_data_a_drop_and_no_chance(before: Counted, now: Counted) -> None:
    seen = watch(before, now)
    if min(before.total, now.total) < 20:
        assert (seen.bwt, seen.catastrophic) == (None, None)
    else:
        assert seen.bwt is not None
        assert -1 <= seen.bwt <= 1
        assert not seen.catastrophic or seen.bwt < -0.1
    assert watch(before, before).catastrophic in {None, False}


def test_a_small_sample_raises_no_alarm_and_a_large_one_does() -> None:
    assert watch(Counted(correct=16, total=20), Counted(correct=12, total=20)).catastrophic is False
    assert watch(Counted(correct=160, total=200), Counted(correct=120, total=200)).catastrophic


def test_the_baseline_is_no_part_of_the_present() -> None:
    outcomes = [True] * 50 + [False] * 70
    baseline, present = split(outcomes, 50)
    assert (baseline.correct, baseline.total) == (50, 50)
    assert (present.correct, present.total) == (0, 50)
    assert split(outcomes[:60], 50)[1].accuracy is None
    assert split([], 20)[0].accuracy is None
    with pytest.raises(InvalidDataError):
        split(outcomes, 5)


def test_an_overview_leaves_out_what_is_not_known() -> None:
    lost = watch(Counted(correct=100, total=100), Counted(correct=20, total=100))
    unknown = watch(Counted(correct=1, total=1), Counted(correct=0, total=0))
    found = overview({"routing": lost, "new": unknown})
    assert (found.task_count, found.catastrophic_tasks) == (1, ("routing",))
    assert found.average_bwt == pytest.approx(-0.8)
    assert overview({"new": unknown}).average_bwt is None


@given(st.lists(unit, max_size=30))
def test_an_arm_counts_what_it_saw(seen: list[float]) -> None:
    arm = Arm()
    for reward in seen:
        arm = arm.after(reward)
    assert arm.pulls == pytest.approx(len(seen))
    assert (arm.mean is None) == (not seen)
    assert arm.mean is None or 0 < arm.mean < 1
    assert arm.variance <= 1 / 12 + 1e-12


def test_good_arms_are_told_apart() -> None:
    arms = {"Sage": Arm(alpha=950, beta=50), "Scout": Arm(alpha=700, beta=300)}
    rng = random.Random(1)
    drawn = Counter(thompson.sample(arms, ["Scout", "Sage"], rng) for _ in range(500))
    assert drawn["Sage"] == 500
    told = thompson.propensities(arms, ["Scout", "Sage"], rng)
    assert sum(told.values()) == pytest.approx(1)
    assert 0 < told["Scout"] < 0.01


def test_new_arms_share_the_draws() -> None:
    rng = random.Random(2)
    drawn = Counter(thompson.sample({}, ["a", "b", "c"], rng) for _ in range(3000))
    assert all(900 < count < 1100 for count in drawn.values())


def test_maturity_and_exploration_begin_with_nothing_known() -> None:
    assert thompson.maturity({}) is None
    assert thompson.maturity({"a": Arm()}) is None
    assert thompson.exploration({}) == pytest.approx(0.382)
    known = {"a": Arm(alpha=500, beta=500)}
    maturity = thompson.maturity(known)
    assert maturity is not None
    assert 0.6 < maturity <= 0.618
    assert thompson.exploration(known) == pytest.approx(0.05)


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan])
def test_an_outcome_beyond_its_range_is_refused(bad: float) -> None:
    with pytest.raises(InvalidDataError):
        Arm().after(bad)


OLD = {"c": {"Sage": 0.5, "Scout": 0.5}}
NEW = {"c": {"Sage": 0.9, "Scout": 0.1}}


def log(count: int, seed: int = 0) -> list[Decision]:
    rng = random.Random(seed)
    dogs = [rng.choice(["Sage", "Scout"]) for _ in range(count)]
    return [
        Decision("c", dog, 0.5, float(rng.random() < (0.8 if dog == "Sage" else 0.3)))
        for dog in dogs
    ]


@pytest.mark.parametrize("method", METHODS)
def test_every_estimator_comes_near_the_truth(method: str) -> None:
    decisions = log(4000)
    found = estimate(
        decisions,
        NEW,
        Estimator(method=method),
        rng=random.Random(1),
        rewards=reward_model(decisions, NEW),
        resamples=200,
    )
    assert found is not None
    assert found.value == pytest.approx(0.9 * 0.8 + 0.1 * 0.3, abs=0.03)
    assert found.low <= found.value <= found.high
    assert 0 < found.effective_decisions < found.decisions
    if method != "dm":
        assert 0.005 < found.high - found.low < 0.1


def test_the_interval_covers_as_often_as_it_says() -> None:
    truth = 0.9 * 0.8 + 0.1 * 0.3
    covered = 0
    for seed in range(100):
        found = estimate(
            log(300, seed), NEW, Estimator(method="snips"), rng=random.Random(seed), resamples=200
        )
        assert found is not None
        covered += found.low <= truth <= found.high
    assert 88 <= covered <= 100


def test_the_old_weights_are_worth_what_they_earned() -> None:
    decisions = log(500)
    earned = sum(seen.reward for seen in decisions) / 500
    for method in ("ips", "snips"):
        assert value(decisions, OLD, Estimator(method=method)) == pytest.approx(earned)


def test_no_decisions_have_no_value() -> None:
    assert value([], NEW, Estimator(method="ips")) is None
    assert estimate([], NEW, Estimator(method="ips"), rng=random.Random(0)) is None
    never = [Decision("c", "Scout", 0.5, 1.0)]
    assert value(never, {"c": {"Sage": 1.0}}, Estimator(method="snips")) is None


@pytest.mark.parametrize(
    ("decision", "policy"),
    [
        (Decision("c", "Sage", 0.0, 1.0), NEW),
        (Decision("c", "Sage", 1.5, 1.0), NEW),
        (Decision("c", "Sage", 0.5, math.nan), NEW),
        (Decision("elsewhere", "Sage", 0.5, 1.0), NEW),
        (Decision("c", "Sage", 0.5, 1.0), {"c": {"Sage": 0.9}}),
    ],
)
def test_decisions_that_cannot_be_weighed_are_refused(
    decision: Decision, policy: dict[str, dict[str, float]]
) -> None:
    with pytest.raises(InvalidDataError):
        value([decision], policy, Estimator(method="ips"))
    with pytest.raises(InvalidDataError):
        value([decision], policy, Estimator(method="dr"))
