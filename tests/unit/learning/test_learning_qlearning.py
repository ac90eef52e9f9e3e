"""The laws of the Q table: a mean stays within what was seen, bad input changes nothing, snapshots are exact."""

from __future__ import annotations

import json
import math
import random
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cynic.base.errors import InvalidDataError
from cynic.domains.learning.qlearning import (
    QTable,
    Step,
    StepSize,
    choose,
    clipped,
    learn,
    learn_double,
    restored,
    snapshot,
)
from cynic.domains.learning.replay import Replaying, Transitions, solve

DOGS = ("Analyst", "Sage", "Scout")
MEAN = StepSize()
rewards = st.floats(-1, 1)
states = st.sampled_from(["task:code|ctx:night", "tool:a:b", "", "ü"])
steps = st.builds(
    Step,
    state=states,
    dog=st.sampled_from(DOGS),
    reward=rewards,
    next_state=st.none() | states,
)
sizes = st.sampled_from(
    [
        MEAN,
        StepSize(value=0.1),
        StepSize(initial_weight=2),
        StepSize(rule="constant", value=0.236),
        StepSize(rule="constant", value=1),
        StepSize(rule="power", value=0.6),
    ]
)


def trained(taken: list[Step], size: StepSize = MEAN, gamma: float = 0.0) -> QTable:
    table = QTable(dogs=DOGS)
    for step in taken:
        learn(table, step, step_size=size, gamma=gamma)
    return table


@given(st.lists(rewards, min_size=1))
def test_a_sample_mean_is_the_mean(seen: list[float]) -> None:
    table = trained([Step(state="s", dog="Sage", reward=reward) for reward in seen])
    assert table.value("s", "Sage") == pytest.approx(math.fsum(seen) / len(seen), abs=1e-12)
    assert table.count("s", "Sage") == len(seen)


@given(st.lists(steps), sizes, st.sampled_from([0.0, 0.5, 0.9]))
def test_values_stay_within_what_rewards_allow(
    taken: list[Step], size: StepSize, gamma: float
) -> None:
    bound = 1 / (1 - gamma) + 1e-9
    values = trained(taken, size, gamma).values
    assert all(abs(value) <= bound for row in values.values() for value in row.values())
    assert {(step.state, step.dog) for step in taken} == {
        (state, dog) for state, row in values.items() for dog in row
    }


@given(st.lists(steps), sizes, st.sampled_from([0.0, 0.9, 1.0]))
def test_a_snapshot_survives_json_bit_for_bit(
    taken: list[Step], size: StepSize, gamma: float
) -> None:
    table = trained(taken, size, gamma)
    document = snapshot(table, {"episodes": len(taken)})
    back = json.loads(json.dumps(document))
    again = restored(back, DOGS)
    assert again.values == table.values
    assert again.visits == table.visits
    assert back["stats"] == {"episodes": len(taken)}
    assert snapshot(again, back["stats"]) == document


@given(st.lists(steps), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_a_reward_that_is_no_number_changes_nothing(taken: list[Step], bad: float) -> None:
    table = trained(taken)
    before = snapshot(table, {})
    with pytest.raises(InvalidDataError):
        learn(table, Step(state="s", dog="Sage", reward=bad), step_size=MEAN)
    with pytest.raises(InvalidDataError):
        learn_double(
            (table, table),
            Step(state="s", dog="Sage", reward=bad),
            step_size=MEAN,
            gamma=0,
            which=0,
            rng=random.Random(0),
        )
    with pytest.raises(InvalidDataError):
        clipped(bad)
    assert snapshot(table, {}) == before


def test_a_dog_nobody_knows_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="Cerberus"):
        learn(QTable(dogs=DOGS), Step(state="s", dog="Cerberus", reward=1), step_size=MEAN)


def test_a_step_that_was_cut_off_bootstraps_and_a_last_one_does_not() -> None:
    table = QTable(dogs=DOGS, values={"next": {"Sage": 0.5}})
    whole = StepSize(rule="constant", value=1)
    cut = Step(state="s", dog="Sage", reward=0.1, next_state="next")
    assert learn(table, cut, step_size=whole, gamma=0.5).target == 0.35
    last = Step(state="s", dog="Sage", reward=0.1)
    assert learn(table, last, step_size=whole, gamma=0.5).target == 0.1
    unknown = Step(state="s", dog="Sage", reward=0.1, next_state="never seen")
    assert learn(table, unknown, step_size=whole, gamma=0.5).target == 0.1


def test_dogs_never_tried_count_as_initial() -> None:
    table = QTable(dogs=DOGS, values={"s": {"Sage": -0.5}})
    assert table.next_value("s") == 0
    assert QTable(dogs=("Sage",), values={"s": {"Sage": -0.5}}).next_value("s") == -0.5


@given(st.floats(0, 1), st.integers(0, 2**32), st.lists(steps, max_size=5))
def test_propensities_are_those_of_the_draws(epsilon: float, seed: int, taken: list[Step]) -> None:
    table, rng = trained(taken), random.Random(seed)
    told = {}
    for _ in range(400):
        choice = choose(table, "", DOGS, epsilon=epsilon, rng=rng)
        told[choice.dog] = choice.propensity
    if len(told) == len(DOGS):
        assert sum(told.values()) == pytest.approx(1)
    assert all(0 < share <= 1 for share in told.values())


def test_ties_are_drawn_by_lot() -> None:
    rng = random.Random(5)
    table = QTable(dogs=DOGS)
    drawn = Counter(choose(table, "s", DOGS, epsilon=0, rng=rng).dog for _ in range(3000))
    assert all(900 < drawn[dog] < 1100 for dog in DOGS)


def test_one_dog_is_certain() -> None:
    choice = choose(QTable(dogs=DOGS), "s", ["Sage"], epsilon=0.1, rng=random.Random(0))
    assert (choice.dog, choice.propensity) == ("Sage", pytest.approx(1))


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("constant", 0.0),
        ("constant", 1.1),
        ("power", 0.5),
        ("sample-mean", -0.1),
        ("power", math.nan),
    ],
)
def test_step_sizes_that_cannot_learn_are_refused(rule: str, value: float) -> None:
    with pytest.raises(InvalidDataError):
        StepSize(rule=rule, value=value)


@given(st.lists(steps, min_size=1), st.sampled_from([0.0, 0.9]))
@example(
    [
        Step("task:code|ctx:night", "Analyst", 0.0, "tool:a:b"),
        Step("", "Analyst", 0.0, ""),
        Step("tool:a:b", "Analyst", 0.0, ""),
        Step("", "Analyst", 1.0, ""),
    ],
    0.9,
)
def test_replay_comes_to_rest_at_a_fixed_point(taken: list[Step], gamma: float) -> None:
    counted = Transitions()
    for step in taken:
        counted.add(step)
    solution = solve(counted, gamma=gamma)
    assert solution.converged
    again = solve(
        counted,
        gamma=gamma,
        start={state: max(row.values()) for state, row in solution.values.items()},
    )
    # What is left of the last sweep may be handed along a chain of states once more.
    assert again.sweeps <= max(2, solution.sweeps // 10)
    for state, row in solution.values.items():
        assert again.values[state] == pytest.approx(row, abs=1e-7)


def test_replay_of_one_step_decisions_is_the_mean_reward() -> None:
    learner = Replaying(
        table=QTable(dogs=DOGS),
        step_size=StepSize(rule="constant", value=0.1),
        gamma=0.0,
        every=3,
    )
    for reward in (1.0, 0.0, 0.5):
        learner.learn(Step(state="s", dog="Sage", reward=reward))
    assert learner.table.value("s", "Sage") == 0.5


def test_nothing_counted_has_no_values() -> None:
    assert solve(Transitions(), gamma=0.9).values == {}
