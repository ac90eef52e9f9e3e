"""Convergence and drift: too little data says nothing, a change is found, a rise is no alarm."""

from __future__ import annotations

import json
import math
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cynic.base.errors import InvalidDataError
from cynic.domains.learning.adaptive import PROBATION, AdaptiveRouter
from cynic.domains.learning.drift import Adwin, Ddm, Detector, PageHinkley
from cynic.domains.learning.qlearning import Step
from cynic.domains.learning.td_tracking import TdTracker, summary

DOGS = ("Analyst", "Sage", "Scout")
NUMBERS = (Adwin, PageHinkley)
values = st.lists(st.floats(-1, 1), max_size=200)


@pytest.mark.parametrize("kind", NUMBERS)
@given(st.data())
def test_an_interruption_changes_nothing(
    kind: type[Adwin | PageHinkley], data: st.DataObject
) -> None:
    seen = data.draw(values)
    straight, broken = kind(), kind()
    for value in seen:
        fired = straight.update(value)
        broken = kind.resume(json.loads(json.dumps(broken.state())))
        assert broken.update(value) == fired
    assert broken == straight


@given(values)
def test_the_window_of_adwin_is_exact(seen: list[float]) -> None:
    detector = Adwin(delta=1e-9)
    for value in seen:
        detector.update(value)
    if not seen:
        assert detector.mean is None
    elif detector.width == len(seen):
        mean = math.fsum(seen) / len(seen)
        assert detector.mean == pytest.approx(mean, abs=1e-9)
        spread = math.fsum((value - mean) ** 2 for value in seen)
        assert detector.variance == pytest.approx(spread, abs=1e-7)
        sizes = [len(row) << level for level, row in enumerate(detector.rows)]
        assert sum(sizes) == detector.width


@pytest.mark.parametrize("detector", [Adwin(), PageHinkley(), Ddm()])
def test_what_is_no_number_is_refused(detector: Detector) -> None:
    before = detector.state()
    for bad in (math.nan, math.inf):
        with pytest.raises(InvalidDataError):
            detector.update(bad)
    assert detector.state() == before


def test_page_hinkley_by_hand() -> None:
    detector = PageHinkley(instances_min=1, delta=0.0, threshold=0.9, forgetting=1.0, mode="up")
    # means 0, 1/2, 2/3: deviations 0, 1/2, 1/3
    assert [detector.update(value) for value in (0.0, 1.0, 1.0)] == [False, False, False]
    assert detector.sum_up == pytest.approx(5 / 6)
    assert detector.update(1.0)  # mean 3/4, deviation 1/4: 13/12
    detector.update(0.0)
    assert (detector.count, detector.mean) == (1, 0.0)


def test_adwin_says_which_way_it_went() -> None:
    for start, end in ((0.2, 0.8), (0.8, 0.2)):
        rng, detector = random.Random(1), Adwin()
        fired = [
            detector.change
            for step in range(600)
            if detector.update(float(rng.random() < (start if step < 300 else end)))
        ]
        assert fired
        assert math.copysign(1, fired[0]) == math.copysign(1, end - start)


def test_too_few_errors_say_nothing() -> None:
    assert summary([]).rolling_abs_mean is None
    assert summary([]).converged is None
    assert summary([0.0] * 99).converged is None
    assert summary([0.0] * 100).converged is True
    assert summary([0.1] * 100).converged is False


@given(st.lists(st.floats(-1, 1), min_size=100, max_size=100), st.randoms())
def test_the_order_of_a_window_does_not_matter(seen: list[float], rng: random.Random) -> None:
    mixed = seen[:]
    rng.shuffle(mixed)
    assert summary(mixed) == summary(seen)
    assert summary([-value for value in seen]).converged == summary(seen).converged


def test_a_tracker_restored_from_the_journal_is_the_same() -> None:
    rng = random.Random(3)
    errors = [rng.gauss(0, 1) for _ in range(350)]
    tracker, again = TdTracker(), TdTracker()
    for error in errors[:-1]:
        tracker.update(error)
    again.restore(errors[:-1])
    assert again.update(errors[-1]) == tracker.update(errors[-1])
    with pytest.raises(InvalidDataError):
        tracker.update(math.nan)
    assert len(tracker.errors) == 100
    tracker.clear()
    assert tracker.update(0.5).converged is None


def test_noise_without_bias_converges_and_bias_does_not() -> None:
    rng = random.Random(7)
    noise = [rng.gauss(0, 1) for _ in range(1000)]
    assert summary(noise).converged
    assert not summary([value + 0.2 for value in noise]).converged


def route(router: AdaptiveRouter, chances: dict[str, float], steps: int, seed: int) -> float:
    rng, total = random.Random(seed), 0.0
    for _ in range(steps):
        dog = router.choose("c", DOGS, rng).dog
        reward = float(rng.random() < chances[dog])
        total += reward
        router.learn(Step(state="c", dog=dog, reward=reward))
    return total / steps


def test_a_router_finds_the_best_dog_again_after_a_change() -> None:
    router = AdaptiveRouter.new(DOGS)
    before = dict(zip(DOGS, (0.9, 0.5, 0.1), strict=True))
    after = dict(zip(DOGS, (0.1, 0.5, 0.9), strict=True))
    assert route(router, before, 1500, 1) > 0.8
    assert router.resets == 0  # learning raises the mean, and that is no alarm
    again = AdaptiveRouter.resume(json.loads(json.dumps(router.state())), DOGS)
    assert again.state() == router.state()
    assert route(router, after, 1500, 2) > 0.7
    assert router.resets > 0
    assert route(again, after, 1500, 2) > 0.7
    assert again.state() == router.state()


def test_a_drift_lifts_the_locks() -> None:
    router = AdaptiveRouter.new(DOGS)
    for _ in range(200):
        router.learn(Step(state="c", dog="Sage", reward=1.0))
    assert router.consolidate().locked == {("c", "Sage")}
    learned, drift = router.learn(Step(state="c", dog="Sage", reward=0.0))
    assert not drift
    assert learned.after > 0.99
    again = AdaptiveRouter.resume(
        json.loads(json.dumps(router.state())), DOGS, router.learner.consolidation
    )
    lies = [again.learn(Step(state="c", dog="Sage", reward=0.0))[1] for _ in range(600)]
    assert lies.index(True) >= PROBATION
    assert again.learner.consolidation.locked == frozenset()
    assert again.learner.table.value("c", "Sage") < 0.1


def reward(rng: random.Random, chance: float) -> Step:
    return Step(state="c", dog="Sage", reward=float(rng.random() < chance))


def locked(seed: int, chance: float) -> tuple[AdaptiveRouter, random.Random]:
    router, rng = AdaptiveRouter.new(DOGS), random.Random(seed)
    for _ in range(1000):
        router.learn(reward(rng, chance))
    router.consolidate()
    return router, rng


@pytest.mark.parametrize("chance", [0.65, 0.75, 0.9, 1.0])
@pytest.mark.parametrize("seed", range(10))
def test_a_burst_of_lies_lifts_no_lock(chance: float, seed: int) -> None:
    router, rng = locked(seed, chance)
    before, resets = router.learner.table.value("c", "Sage"), router.resets
    anchor = router.learner.consolidation
    found = [router.watch(reward(rng, 1 - chance).reward) for _ in range(300)]
    found += [router.watch(reward(rng, chance).reward) for _ in range(1000)]
    assert "drift" not in found
    assert router.resets == resets
    assert router.suspicion is None
    assert router.learner.consolidation is anchor
    assert router.learner.table.value("c", "Sage") == before
    if chance > 0.8:
        assert found.count("suspicion") == found.count("recovery") == 1
        # Dropped as soon as the mean has risen again, not at the end of the probation.
        assert found.index("recovery") < 300 + 150


@pytest.mark.parametrize("seed", range(5))
def test_a_change_that_stays_lifts_the_locks_in_the_end(seed: int) -> None:
    router, rng = locked(seed, 0.9)
    found = [router.watch(reward(rng, 0.3).reward) for _ in range(700)]
    assert found.index("drift") - found.index("suspicion") == PROBATION
    assert router.learner.consolidation.locked == frozenset()
    assert router.learner.table.values == {}
    assert router.suspicion is None


def test_without_locks_a_fall_is_a_change_at_once() -> None:
    router, rng = AdaptiveRouter.new(DOGS), random.Random(1)
    for _ in range(500):
        router.learn(reward(rng, 0.9))
    found = [router.watch(reward(rng, 0.1).reward) for _ in range(100)]
    assert "drift" in found
    assert "suspicion" not in found


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), max_size=120), st.integers(0, 120))
def test_an_interrupted_suspicion_goes_on(rewards: list[float], at: int) -> None:
    straight, _ = locked(3, 0.95)
    broken, _ = locked(3, 0.95)
    lies = [0.0] * 40 + rewards
    for place, value in enumerate(lies):
        if place == at:
            broken = AdaptiveRouter.resume(
                json.loads(json.dumps(broken.state())), DOGS, broken.learner.consolidation
            )
        assert broken.watch(value) == straight.watch(value)
    assert broken.state() == straight.state()


@given(st.lists(st.floats(-1, 1), max_size=350))
def test_a_window_that_rolls_is_one_that_is_added_up(seen: list[float]) -> None:
    tracker = TdTracker()
    for place, error in enumerate(seen, 1):
        mean, at_rest = tracker.push(error)
        whole = summary(seen[max(0, place - tracker.window) : place])
        assert (mean, at_rest) == (whole.rolling_abs_mean, whole.converged is True)
    sizeable = [error for error in seen if not error or abs(error) >= 2**-27]
    if sizeable:
        exact = sum(map(Fraction, map(abs, sizeable))) / len(sizeable)
        assert summary(sizeable).rolling_abs_mean == float(exact)
