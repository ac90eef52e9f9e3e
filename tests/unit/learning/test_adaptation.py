"""Fading figures, dimension weights, behaviour, meta-cognition, maturity: bounds, order, no data."""

from __future__ import annotations

import math
import random
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cynic.base.errors import InvalidDataError
from cynic.domains.learning import behavior, maturity, metacognition, prequential, sona
from cynic.domains.learning.behavior import Behavior, Judged, Stated, modified
from cynic.domains.learning.maturity import Maturity
from cynic.domains.learning.metacognition import (
    Action,
    Rates,
    State,
    state_of,
    strategy_for,
    tuned,
    walked,
)
from cynic.domains.learning.prequential import Event, Fading, learned, observed
from cynic.domains.learning.sona import Observation, adapted, pearson

EVENTS = st.lists(
    st.builds(Event, event_id=st.integers(1, 50), value=st.floats(-1, 1)),
    unique_by=lambda event: event.event_id,
)


@given(EVENTS, st.integers(0, 50), st.randoms())
def test_events_count_once_however_they_are_batched(events: Any, cut: int, shuffler: Any):
    whole = observed(Fading(), events)
    ordered = sorted(events)
    halves = observed(observed(Fading(), ordered[:cut]), ordered[cut:])
    assert halves == whole
    shuffler.shuffle(events)
    assert observed(Fading(), events) == whole
    assert observed(whole, events) == whole
    assert (whole.mean is None) == (not events)
    if whole.mean is not None:
        assert min(e.value for e in events) <= whole.mean <= max(e.value for e in events)


def test_a_figure_halves_in_two_and_a_half_events():
    assert pytest.approx(2.575, abs=1e-3) == prequential.HALF_LIFE_EVENTS
    found = observed(Fading(), [Event(1, 0.0), Event(2, 1.0)])
    assert found == Fading(mean=pytest.approx(0.236), count=2, applied_id=2)
    with pytest.raises(InvalidDataError):
        observed(Fading(), [Event(1, math.nan)])


@given(st.floats(0, 1), st.floats(-1, 1), st.floats(0, 1), st.booleans())
def test_a_weight_stays_in_bounds_and_says_by_how_much_it_moved(
    weight: float, feedback: float, rate: float, locked: bool
):
    found = learned(weight, feedback, rate, locked=locked)
    assert 0 <= found.weight <= 1
    assert found.delta == found.weight - weight
    assert not locked or found.delta == 0
    for wrong in (math.nan, 2.0, -2.0):
        with pytest.raises(InvalidDataError):
            learned(weight, wrong)


def observations(count: int, seed: int = 0) -> list[Observation]:
    """Outcomes follow COHERENCE, oppose NOVELTY, and do not know UTILITY."""
    rng = random.Random(seed)
    found: list[Observation] = []
    for _ in range(count):
        outcome = rng.choice([-1.0, 1.0])
        scores = {
            "COHERENCE": 50 + 30 * outcome + rng.uniform(-15, 15),
            "NOVELTY": 50 - 30 * outcome + rng.uniform(-15, 15),
            "UTILITY": rng.uniform(0, 100),
        }
        found.append(Observation(scores, outcome))
    return found


def test_weights_follow_what_foretells_the_outcome():
    seen = observations(200)
    modifiers: dict[str, float] = {}
    for _ in range(100):
        found = adapted(seen, modifiers)
        modifiers = {name: one.modifier for name, one in found.items()}
    assert 1.3 < modifiers["COHERENCE"] <= 1.382
    assert 0.618 <= modifiers["NOVELTY"] < 0.7
    assert modifiers["UTILITY"] == pytest.approx(1)
    first = adapted(seen, {})["COHERENCE"]
    assert first.correlation is not None
    assert first.delta == pytest.approx(0.236 * 0.382 * first.correlation)
    weights = sona.weights({"COHERENCE": 1.618, "IMPACT": 0.618}, modifiers)
    assert weights == {"COHERENCE": 1.618 * modifiers["COHERENCE"], "IMPACT": 0.618}


def test_locks_little_data_and_constants_leave_weights_alone():
    locked = adapted(observations(200), {"COHERENCE": 1.1}, locked={"COHERENCE"})["COHERENCE"]
    assert (locked.modifier, locked.delta, locked.locked) == (1.1, 0.0, True)
    few = adapted(observations(4), {"COHERENCE": 1.1})["COHERENCE"]
    assert (few.modifier, few.correlation) == (1.1, None)
    same = adapted([Observation({"IMPACT": 50.0}, 1.0)] * 50, {"IMPACT": 1.2})["IMPACT"]
    assert (same.modifier, same.correlation) == (1.2, None)
    assert adapted([], {}) == {}
    assert adapted([], {"IMPACT": 0.9})["IMPACT"].delta == 0


def test_noise_in_every_dimension_moves_nothing():
    rng = random.Random(7)
    noise = [
        Observation({f"D{n}": rng.uniform(0, 100) for n in range(36)}, rng.choice([-1.0, 1.0]))
        for _ in range(12)
    ]
    assert all(one.modifier == 1 for one in adapted(noise, {}).values())


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(-1, 1)), max_size=30), st.randoms())
def test_a_correlation_is_bounded_and_blind_to_order(pairs: Any, shuffler: Any):
    found = pearson([x for x, _ in pairs], [y for _, y in pairs])
    assert found is None or -1 <= found <= 1
    shuffler.shuffle(pairs)
    assert pearson([x for x, _ in pairs], [y for _, y in pairs]) == found


@pytest.mark.parametrize("wrong", [math.nan, -1.0, 101.0])
def test_dimensions_off_the_scale_are_refused(wrong: float):
    with pytest.raises(InvalidDataError):
        adapted([Observation({"IMPACT": wrong}, 1.0)], {})


def test_shifts_are_restored_from_what_is_kept_beside_them():
    kept = {"confidence_shift": 0.1, "block_shift": -0.05, "seen": [[0, 3]], "answers": 2}
    assert Behavior.restored(kept) == Behavior(confidence_shift=0.1, block_shift=-0.05)
    assert Behavior.restored({}) == Behavior()


def test_what_speaks_of_a_shift():
    acts: list[Any] = ["approve", "approve", "block", "warn", "pass", None]
    judged = [Judged("correct", act) for act in acts] + [Judged("partial", "block")]
    stated = [Stated(0.5, "incorrect"), Stated(0.5, "partial")]
    assert behavior.heard(judged, stated) == {
        "confidence_shift": 1,
        "approve_shift": 2,
        "block_shift": 1,
    }


ANSWERS = st.lists(
    st.builds(
        Judged,
        outcome=st.sampled_from(["correct", "partial", "incorrect"]),
        act=st.sampled_from(["approve", "block", "warn", "pass", None]),
    )
)


@given(st.lists(ANSWERS, max_size=10), st.floats(0, 1))
def test_behaviour_stays_within_its_limits_and_its_order(cycles: Any, score: float):
    now = Behavior()
    for answers in cycles:
        now = modified(now, answers)
    assert abs(now.confidence_shift) <= 0.2
    assert 0 <= now.probability(score) <= 1
    assert behavior.BLOCK_BELOW + now.block_shift <= behavior.WARN_BELOW
    assert now.approve_shift + behavior.APPROVE_FROM >= behavior.WARN_BELOW
    assert now.act(0.0) == "block"
    assert now.act(1.0) == "approve"


def test_an_incorrect_outcome_never_counts_as_correct():
    wrong = [Judged("incorrect", "approve")] * 3
    assert behavior.accuracy(wrong) == 0
    found = modified(Behavior(), wrong)
    assert (found.confidence_shift, found.approve_shift) == (-0.1, 0.1)
    blocked = modified(Behavior(), [Judged("incorrect", "block")] * 3)
    assert blocked.block_shift == -0.1
    right = modified(Behavior(), [Judged("correct", "approve")] * 3)
    assert (right.confidence_shift, right.approve_shift) == (0.05, -0.05)


def test_too_little_feedback_changes_nothing():
    before = Behavior(confidence_shift=0.1)
    assert modified(before, []) == before
    assert modified(before, [Judged("incorrect")] * 2) == before
    assert modified(before, [Judged("partial")] * 50) == before
    assert behavior.accuracy([Judged("partial")]) is None
    with pytest.raises(InvalidDataError):
        Behavior().probability(math.nan)


def actions(*successes: bool, names: str = "abcdefgh", every: float = 1.0) -> list[Action]:
    return [
        Action(names[n % len(names)], success, n * every) for n, success in enumerate(successes)
    ]


@pytest.mark.parametrize(
    ("done", "now", "before", "state"),
    [
        (actions(True, True), 2, None, "exploring"),
        (actions(True), 61, None, "stuck"),
        (actions(True, False, False, False, False), 5, None, "stuck"),
        (actions(True, False, False, True, False), 5, None, "exploring"),
        (actions(*[True, False] * 4, names="ab"), 8, None, "thrashing"),
        (actions(*[True] * 8, names="ab"), 8, None, "executing"),
        (actions(*[True] * 20, names="ab"), 20, None, "flow"),
        (actions(False, False, True, True, False), 5, "stuck", "recovering"),
        (actions(False, True, True, True, True, names="ab"), 5, "stuck", "executing"),
        ([], 0, None, None),
    ],
)
def test_states(done: list[Action], now: float, before: State | None, state: State | None):
    assert state_of(done, now, before) == state


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=45),
    st.sampled_from([None, *get_args(State)]),
    st.data(),
)
def test_walking_is_looking_after_each_action(
    done: list[tuple[str, bool]], before: State | None, data: st.DataObject
) -> None:
    actions = [Action(name, ok, float(at)) for at, (name, ok) in enumerate(done)]
    first = data.draw(st.integers(0, len(actions)))
    expected: list[State | None] = [before]
    for end in range(first + 1, len(actions) + 1):
        seen = actions[max(0, end - metacognition.FLOW_ACTIONS) : end]
        expected.append(state_of(seen, seen[-1].at_seconds, expected[-1]))
    assert walked(actions, first, before) == expected
    # It may stop anywhere and go on.
    middle = data.draw(st.integers(first, len(actions)))
    begun = walked(actions[:middle], first, before)
    assert [*begun[:-1], *walked(actions, middle, begun[-1])] == expected


def test_walking_begins_among_the_actions() -> None:
    assert walked([], 0, "stuck") == ["stuck"]
    for first in (-1, 2):
        with pytest.raises(InvalidDataError):
            walked([Action("a", True, 0.0)], first)
    with pytest.raises(InvalidDataError):
        walked([Action("a", True, 1.0), Action("a", True, 0.0)], 2)


def test_strategies_escalate_and_every_state_has_one():
    assert [strategy_for("stuck", n) for n in (1, 2, 3, 4, 9)] == [
        "backtrack",
        "simplify",
        "escalate",
        "reset",
        "reset",
    ]
    for state in get_args(State):
        assert strategy_for(state) in get_args(metacognition.Strategy)
    with pytest.raises(InvalidDataError):
        strategy_for("stuck", 0)


@given(st.lists(st.sampled_from([*get_args(State), None]), max_size=40))
def test_tuning_keeps_its_limits_and_its_cooldown(states: Any):
    rates, changed = Rates(), None
    for step, state in enumerate(states):
        then = tuned(rates, state, 20.0 * step, changed)
        recently = changed is not None and 20.0 * step - changed < 30
        assert not recently or then.rates == rates
        rates, changed = then.rates, then.changed_at_seconds
    assert Rates(**{name: getattr(rates, name) for name in Rates.__slots__}) == rates


def test_time_must_go_forward_and_be_a_number():
    for times in ((1.0, 0.0), (0.0, math.nan)):
        with pytest.raises(InvalidDataError):
            state_of([Action("a", True, times[0])], times[1])
    with pytest.raises(InvalidDataError):
        tuned(Rates(), "stuck", math.nan)


PARTS = st.none() | st.floats(0, 1)


@given(PARTS, PARTS, PARTS, PARTS)
def test_maturity_is_none_without_a_part_and_zero_with_a_zero(a: Any, b: Any, c: Any, d: Any):
    whole = Maturity(data_coverage=a, convergence=b, accuracy=c, adaptability=d).maturity
    parts = [a, b, c, d]
    if None in parts:
        assert whole is None
    else:
        assert whole is not None
        assert min(parts) - 1e-9 <= whole <= max(parts) + 1e-9 or 0 in parts
        assert 0 not in parts or whole == 0


def test_the_parts_of_maturity():
    assert maturity.data_coverage({("c", "a"): 30, ("c", "b"): 29}, 4) == 0.25
    assert maturity.data_coverage({}, 0) is None
    assert maturity.data_coverage({}, 4) == 0
    assert maturity.convergence({}) is None
    assert maturity.convergence({"a": True, "b": False}) == 0.5
    assert maturity.accuracy(0, 0) is None
    low = maturity.accuracy(9, 10)
    assert low is not None
    assert low == pytest.approx(0.5958, abs=1e-4)
    assert maturity.adaptability([]) == 1
    assert maturity.adaptability([100, 300, 5000]) == 0.7
    for wrong in ([-1], [math.nan], [math.inf]):
        with pytest.raises(InvalidDataError):
            maturity.adaptability(wrong)
    with pytest.raises(InvalidDataError):
        maturity.data_coverage({1: 1, 2: 1}, 1)
    with pytest.raises(InvalidDataError):
        Maturity(data_coverage=math.nan, convergence=1, accuracy=1, adaptability=1)
