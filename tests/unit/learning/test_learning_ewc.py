"""The laws of consolidation: stable at any strength, locked cells hold, nothing divides by zero."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cynic.base.errors import InvalidDataError
from cynic.domains.learning.ewc import (
    NOTHING_CONSOLIDATED,
    Careful,
    Consolidation,
    Gradients,
    consolidate,
    empirical_fisher,
    lock,
    normalised,
    online,
    penalty,
    penalty_gradient,
    proximal,
    softmax_fisher,
    visit_fisher,
)
from cynic.domains.learning.qlearning import QTable, Step, StepSize

unit = st.floats(0, 1)
signed = st.floats(-1, 1)
strengths = st.floats(0, 1e12) | st.just(math.inf)
tables = st.dictionaries(
    st.sampled_from("abc"), st.dictionaries(st.sampled_from("xyz"), unit, min_size=1)
)


@given(signed, signed, signed, st.floats(1e-6, 1), strengths, unit)
def test_a_proximal_update_stays_between_its_ends(
    q: float, target: float, anchor: float, alpha: float, strength: float, fisher: float
) -> None:
    free = q + alpha * (target - q)
    found = proximal(q, target - q, alpha=alpha, ewc_lambda=strength, fisher=fisher, anchor=anchor)
    assert min(free, anchor) - 1e-12 <= found <= max(free, anchor) + 1e-12


@given(signed, signed, st.floats(0.01, 1), st.floats(0, 1e9), unit)
def test_a_proximal_update_comes_to_rest_where_it_should(
    target: float, anchor: float, alpha: float, strength: float, fisher: float
) -> None:
    rest = (target + strength * fisher * anchor) / (1 + strength * fisher)
    after = proximal(
        rest, target - rest, alpha=alpha, ewc_lambda=strength, fisher=fisher, anchor=anchor
    )
    assert after == pytest.approx(rest, abs=1e-9)


@given(st.floats(-5, 5), st.integers(0, 50), st.floats(0, 1e6))
def test_a_locked_cell_moves_no_further_than_its_strength_allows(
    burst: float, updates: int, strength: float
) -> None:
    learner = Careful(
        table=QTable(dogs=("x",), values={"a": {"x": 0.5}}),
        consolidation=Consolidation(
            anchor={"a": {"x": 0.5}},
            fisher={"a": {"x": 1.0}},
            locked=frozenset({("a", "x")}),
            locked_lambda=strength,
        ),
    )
    size = StepSize(rule="constant", value=0.1)
    for _ in range(updates):
        learner.learn(Step(state="a", dog="x", reward=burst), step_size=size)
    moved = abs(learner.table.value("a", "x") - 0.5)
    assert moved <= abs(burst - 0.5) / (1 + strength) + 1e-9


def test_at_an_infinite_strength_a_locked_cell_holds_and_says_so() -> None:
    learner = Careful(
        table=QTable(dogs=("x",), values={"a": {"x": 0.5}}),
        consolidation=Consolidation(
            anchor={"a": {"x": 0.5}},
            fisher={"a": {"x": 1.0}},
            locked=frozenset({("a", "x")}),
            locked_lambda=math.inf,
        ),
    )
    learned = learner.learn(Step(state="a", dog="x", reward=-1), step_size=StepSize(value=0.1))
    assert (learned.after, learned.before, learned.td_error) == (0.5, 0.5, -1.5)
    assert learner.gradients["a"]["x"].update_count == 1


def test_a_lock_guards_the_rivals_too_and_no_other_state() -> None:
    held = Consolidation(
        anchor={"a": {"x": 0.5, "y": 0.1}, "b": {"x": 0.5}},
        fisher={"a": {"x": 1.0}},
        locked=frozenset({("a", "x")}),
        locked_lambda=math.inf,
    )
    table = QTable(dogs=("x", "y"), values={"a": {"x": 0.5, "y": 0.1}, "b": {"x": 0.5}})
    learner = Careful(table=table, consolidation=held)
    size = StepSize(rule="constant", value=1)
    assert learner.learn(Step(state="a", dog="y", reward=1), step_size=size).after == 0.1
    assert learner.learn(Step(state="b", dog="x", reward=1), step_size=size).after == 1
    assert learner.learn(Step(state="b", dog="y", reward=1), step_size=size).after == 1


def test_each_task_has_its_own_largest_fisher() -> None:
    learner = Careful(table=QTable(dogs=("x",)))
    for state, times in (("often", 99), ("seldom", 1)):
        for _ in range(times):
            learner.learn(Step(state=state, dog="x", reward=1), step_size=StepSize())
    assert learner.end_task(task_of=str).locked == {("often", "x"), ("seldom", "x")}


def test_locks_have_hysteresis() -> None:
    assert not lock(0.617, locked=False)
    assert lock(0.618, locked=False)
    assert lock(0.236, locked=True)
    assert not lock(0.2359, locked=True)


@given(tables)
def test_normalising_is_idempotent_and_bounded(fisher: dict[str, dict[str, float]]) -> None:
    once = normalised(fisher)
    assert all(0 <= value <= 1 for row in once.values() for value in row.values())
    assert normalised(once) == once


def test_an_all_zero_fisher_stays_zero() -> None:
    assert normalised({"a": {"x": 0.0}}) == {"a": {"x": 0.0}}
    assert normalised({}) == {}


def test_nothing_updated_has_no_fisher() -> None:
    assert empirical_fisher({}) == visit_fisher({}) == {}
    assert visit_fisher({"a": {"x": Gradients()}}) == {}


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), signed), min_size=1))
def test_visit_shares_sum_to_one(seen: list[tuple[str, str, float]]) -> None:
    cells: dict[str, dict[str, Gradients]] = {}
    for state, dog, error in seen:
        cells.setdefault(state, {}).setdefault(dog, Gradients()).add(error)
    shares = [value for row in visit_fisher(cells).values() for value in row.values()]
    assert sum(shares) == pytest.approx(1)
    empirical = [value for row in empirical_fisher(cells).values() for value in row.values()]
    squares = sum(error**2 for _, _, error in seen) / len(seen)
    assert sum(empirical) == pytest.approx(squares, abs=1e-12)
    sums = sum(cell.gradient_sum for row in cells.values() for cell in row.values())
    assert sums == pytest.approx(-sum(error for _, _, error in seen), abs=1e-9)


@given(tables, tables, tables, st.floats(0, 100))
def test_a_penalty_is_zero_at_its_anchor_and_never_negative(
    values: dict[str, dict[str, float]],
    anchor: dict[str, dict[str, float]],
    fisher: dict[str, dict[str, float]],
    strength: float,
) -> None:
    assert penalty(values, anchor, fisher, strength) >= 0
    assert penalty(values, values, fisher, strength) == 0
    assert penalty(values, {}, fisher, strength) == 0  # no earlier task
    gradient = penalty_gradient(values, anchor, fisher, strength)
    assert {state: set(row) for state, row in gradient.items()} == {
        state: set(row) for state, row in values.items()
    }


def test_online_fisher_keeps_the_cells_of_both() -> None:
    merged = online({"a": {"x": 1.0}}, {"a": {"x": 0.5, "y": 0.25}, "b": {"x": 1.0}}, 0.9)
    assert merged == {"a": {"x": 1.4, "y": 0.25}, "b": {"x": 1.0}}
    with pytest.raises(InvalidDataError):
        online({}, {}, 1.5)


def test_consolidating_nothing_gives_nothing() -> None:
    found = consolidate({}, {})
    assert (found.anchor, found.fisher, found.locked) == ({}, {}, frozenset())
    assert NOTHING_CONSOLIDATED.locked == frozenset()


def test_a_task_ends_with_its_values_as_anchor() -> None:
    learner = Careful(table=QTable(dogs=("x", "y")))
    for dog, times in (("x", 9), ("y", 1)):
        for _ in range(times):
            learner.learn(Step(state="a", dog=dog, reward=1), step_size=StepSize())
    found = learner.end_task()
    assert found.anchor == {"a": {"x": 1.0, "y": 1.0}}
    assert found.fisher["a"] == pytest.approx({"x": 1.0, "y": 1 / 9})
    assert found.locked == {("a", "x")}
    assert learner.gradients == {}


def test_a_gradient_that_is_no_number_is_refused() -> None:
    with pytest.raises(InvalidDataError):
        Gradients().add(math.nan)


def test_softmax_fisher_without_decisions_is_zero() -> None:
    assert softmax_fisher({"c": {"x": 0.5, "y": 0.5}}, []) == {"c": {"x": 0.0, "y": 0.0}}
    found = softmax_fisher({"c": {"x": 0.5, "y": 0.5}}, [("c", "x")])
    assert found == {"c": {"x": 0.25, "y": 0.25}}


halves = st.sampled_from([0.0, 0.5, 1.0])
MEAN = StepSize(rule="sample-mean", initial_weight=2.0)


@given(st.lists(halves, min_size=1, max_size=300), st.data())
def test_an_exchanged_reward_of_a_free_cell_is_as_if_it_had_been_the_other(
    rewards: list[float], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(rewards) - 1))
    now = data.draw(halves)
    learners = [Careful(table=QTable(dogs=("x",), initial=1.0)) for _ in range(2)]
    for learner, wanted in zip(
        learners, (rewards, [*rewards[:place], now, *rewards[place + 1 :]]), strict=True
    ):
        for reward in wanted:
            learner.learn(Step(state="a", dog="x", reward=reward), step_size=MEAN)
    before, after = learners[0].exchange("a", "x", rewards[place], now, initial_weight=2.0)
    assert after == pytest.approx(learners[1].table.value("a", "x"), abs=1e-12)
    assert learners[0].table.visits == learners[1].table.visits
    assert learners[0].exchange("a", "x", now, rewards[place], initial_weight=2.0)[1] == (
        pytest.approx(before, abs=1e-12)
    )


@given(st.lists(halves, min_size=1, max_size=50), halves, halves)
def test_an_exchanged_reward_of_a_held_cell_moves_it_as_little_as_a_new_one(
    rewards: list[float], former: float, now: float
) -> None:
    learner = Careful(table=QTable(dogs=("x",), initial=1.0))
    for reward in rewards:
        learner.learn(Step(state="a", dog="x", reward=reward), step_size=MEAN)
    learner.end_task()
    weight = len(rewards) + 2
    before, after = learner.exchange("a", "x", former, now, initial_weight=2.0)
    assert after - before == pytest.approx((now - former) / (weight + 20))
    assert learner.exchange("a", "x", now, former, initial_weight=2.0)[1] == pytest.approx(before)
    assert learner.gradients == {}


def test_no_reward_is_exchanged_in_a_cell_that_is_not_there() -> None:
    learner = Careful(table=QTable(dogs=("x",), initial=1.0))
    assert learner.exchange("a", "x", 0.0, 1.0) == (1.0, 1.0)
    assert learner.table.values == {}


def test_some_states_are_consolidated_and_the_others_keep_what_they_had() -> None:
    learner = Careful(table=QTable(dogs=("x", "y")))
    for state in ("a", "b"):
        learner.learn(Step(state=state, dog="x", reward=1), step_size=StepSize())
    first = learner.end_task(task_of=str, states=["a"])
    assert first.anchor == {"a": {"x": 1.0}}
    assert first.locked == {("a", "x")}
    assert set(learner.gradients) == {"b"}
    learner.learn(Step(state="a", dog="y", reward=0), step_size=StepSize())
    second = learner.end_task(task_of=str, states=["b"])
    assert second.anchor == {"a": {"x": 1.0}, "b": {"x": 1.0}}
    assert second.locked == {("a", "x"), ("b", "x")}
    assert second.fisher == {"a": {"x": 1.0}, "b": {"x": 1.0}}
    assert learner.gradients["a"]["y"].update_count == 1
