"""Tabular Q-learning on plain dicts: state key → dog → value, and how often each cell was updated.

Watkins & Dayan 1992, in the form of Sutton & Barto 2018 eq. 6.8: d = r + gamma · max_a Q(s', a) - Q(s, a), Q += alpha · d.
Double Q: van Hasselt 2010, algorithm 1. Expected SARSA: Sutton & Barto 2018 eq. 6.9.

A cell exists once it was updated: what was never measured is absent, counts as `initial` where a value is needed,
and is no zero in the table. A terminal step, and a routing decision (which is one step), has no next state; a step
that was cut off by a limit has one and bootstraps from it. Keys are never joined or split: a state key may hold
any character, and state and dog stay two levels of the same dict.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, cast

from cynic.base.errors import InvalidDataError

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

Values: TypeAlias = dict[str, dict[str, float]]
Visits: TypeAlias = dict[str, dict[str, int]]

REWARD_MIN: Final = -1.0
REWARD_MAX: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSize:
    """alpha of the n-th update of a cell.

    sample-mean: max(1/(n + initial_weight), value), the mean of all rewards until the floor `value` makes it forget;
    constant: value; power: n^-value, which meets Robbins & Monro's conditions for a value in (0.5, 1].
    """

    rule: Literal["sample-mean", "constant", "power"] = "sample-mean"
    value: float = 0.0
    initial_weight: float = 0.0
    """As how many rewards the initial value counts in a sample mean; an optimistic start lasts as long."""

    def __post_init__(self) -> None:
        least = {"sample-mean": 0.0, "constant": math.ulp(0.0), "power": 0.5}[self.rule]
        if (
            not least <= self.value <= 1
            or (self.rule == "power" and self.value == least)
            or not 0 <= self.initial_weight < math.inf
        ):
            raise InvalidDataError(f"a step size {self.rule} cannot have the value {self.value}")

    def at(self, count: int) -> float:
        """The step size of a cell's update number `count`, 1 for the first."""
        if self.rule == "constant":
            return self.value
        if self.rule == "power":
            return float(count**-self.value)
        return max(1 / (count + self.initial_weight), self.value)


@dataclass(slots=True, kw_only=True)
class QTable:
    """The working copy. `dogs` are all actions there are: a state is known only when each was tried."""

    dogs: tuple[str, ...]
    values: Values = field(default_factory=dict[str, dict[str, float]])
    visits: Visits = field(default_factory=dict[str, dict[str, int]])
    initial: float = 0.0
    """The value of a cell before its first update; above what rewards can reach it makes the start optimistic."""

    def value(self, state: str, dog: str) -> float:
        """Q(s, a), `initial` where nothing was learned."""
        row = self.values.get(state)
        return self.initial if row is None else row.get(dog, self.initial)

    def count(self, state: str, dog: str) -> int:
        """How many updates the cell has had since it was last reset."""
        row = self.visits.get(state)
        return 0 if row is None else row.get(dog, 0)

    def next_value(self, state: str | None, epsilon: float = 0.0) -> float:
        """(1-ε) · max Q(s', ·) + ε · mean Q(s', ·): Q-learning's target at ε = 0, else expected SARSA's.

        0 without a next state.
        """
        if state is None:
            return 0.0
        row = self.values.get(state)
        if not row:
            return self.initial
        best = max(row.values())
        missing = len(self.dogs) - len(row)
        if missing > 0 and best < self.initial:
            best = self.initial
        if not epsilon:
            return best
        mean = (math.fsum(row.values()) + missing * self.initial) / len(self.dogs)
        return (1 - epsilon) * best + epsilon * mean

    def put(self, state: str, dog: str, value: float) -> None:
        """Set a value and count the update."""
        values = self.values.get(state)
        if values is None:
            values = self.values[state] = {}
        values[dog] = value
        visits = self.visits.get(state)
        if visits is None:
            visits = self.visits[state] = {}
        visits[dog] = visits.get(dog, 0) + 1

    def clear(self) -> None:
        """Begin anew."""
        self.values.clear()
        self.visits.clear()


class Step(NamedTuple):
    """One decision and what came of it."""

    state: str
    dog: str
    reward: float
    next_state: str | None = None
    """None when the step ended the task, as every routing decision does; given when a limit cut it off."""


class Learned(NamedTuple):
    """One update as the journal keeps it."""

    td_error: float
    target: float
    step_size: float
    before: float
    after: float


def learn(
    table: QTable, step: Step, *, step_size: StepSize, gamma: float = 0.0, epsilon: float = 0.0
) -> Learned:
    """Fold one step into the table. A reward that is no finite number is refused and changes nothing."""
    learned = planned(table, step, step_size=step_size, gamma=gamma, epsilon=epsilon)
    table.put(step.state, step.dog, learned.after)
    return learned


def planned(
    table: QTable, step: Step, *, step_size: StepSize, gamma: float = 0.0, epsilon: float = 0.0
) -> Learned:
    """What `learn` would do, without doing it."""
    _check(table, step, gamma)
    state, dog, target, following = step
    if following is not None:
        target += gamma * table.next_value(following, epsilon)
    before = table.value(state, dog)
    alpha = step_size.at(table.count(state, dog) + 1)
    td_error = target - before
    return Learned(td_error, target, alpha, before, before + alpha * td_error)


def learn_double(
    tables: tuple[QTable, QTable],
    step: Step,
    *,
    step_size: StepSize,
    gamma: float,
    which: int,
    rng: random.Random,
) -> Learned:
    """Double Q: table `which` (the caller's coin, 0 or 1) is updated and picks the next action, the other values it."""
    table, other = tables[which], tables[1 - which]
    _check(table, step, gamma)
    following = 0.0
    if step.next_state is not None:
        picked = greedy(table, step.next_state, table.dogs)
        following = other.value(
            step.next_state, picked[0] if len(picked) == 1 else rng.choice(picked)
        )
    target = step.reward + gamma * following
    before = table.value(step.state, step.dog)
    alpha = step_size.at(table.count(step.state, step.dog) + 1)
    td_error = target - before
    after = before + alpha * td_error
    table.put(step.state, step.dog, after)
    return Learned(td_error=td_error, target=target, step_size=alpha, before=before, after=after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A dog, and with which probability this rule would have chosen it (for off-policy values)."""

    dog: str
    propensity: float
    greedy: bool


def greedy(table: QTable, state: str, dogs: Sequence[str]) -> list[str]:
    """All dogs of the highest value, in the order given."""
    row = table.values.get(state)
    if row is None:
        return list(dogs)
    initial = table.initial
    best = max(row.get(dog, initial) for dog in dogs)
    return [dog for dog in dogs if row.get(dog, initial) == best]


def choose(
    table: QTable,
    state: str,
    dogs: Sequence[str],
    *,
    epsilon: float,
    rng: random.Random,
) -> Choice:
    """ε-greedy; equal values are drawn by lot, so that the order of the dogs decides nothing.

    The propensity is ε/K, and (1-ε)/m more for each of the m best.
    """
    if not dogs or not 0 <= epsilon <= 1:
        raise InvalidDataError(f"no choice among {len(dogs)} dogs with an exploration of {epsilon}")
    best = greedy(table, state, dogs)
    pool = dogs if epsilon and rng.random() < epsilon else best
    dog = pool[0] if len(pool) == 1 else rng.choice(pool)
    is_best = dog in best
    propensity = epsilon / len(dogs) + ((1 - epsilon) / len(best) if is_best else 0.0)
    return Choice(dog=dog, propensity=propensity, greedy=is_best)


def clipped(reward: float) -> float:
    """A reward within [-1, 1], the range of a feedback value; what is no finite number is refused."""
    return min(REWARD_MAX, max(REWARD_MIN, _finite(reward)))


def snapshot(table: QTable, stats: Mapping[str, object]) -> dict[str, object]:
    """The table as a JSON document {table, visits, stats}: `restored` of it is the same table, bit for bit."""
    return {
        "table": {
            # + 0.0 turns a negative zero, which jsonb does not keep, into zero
            state: {dog: value + 0.0 for dog, value in row.items()}
            for state, row in table.values.items()
        },
        "visits": {state: dict(row) for state, row in table.visits.items()},
        "stats": dict(stats),
    }


def restored(document: Mapping[str, object], dogs: tuple[str, ...], initial: float = 0.0) -> QTable:
    """The table of a snapshot. Numbers may have come back as integers; what is no finite number is refused."""
    values = cast("Mapping[str, Mapping[str, float]]", document.get("table", {}))
    visits = cast("Mapping[str, Mapping[str, int]]", document.get("visits", {}))
    return QTable(
        dogs=dogs,
        values={
            state: {dog: _finite(value) for dog, value in row.items()}
            for state, row in values.items()
        },
        visits={
            state: {dog: int(count) for dog, count in row.items()} for state, row in visits.items()
        },
        initial=initial,
    )


def _finite(value: float) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise InvalidDataError(f"a reward or a value is a finite number, not {number}")
    return number


def _check(table: QTable, step: Step, gamma: float) -> None:
    if not math.isfinite(step.reward):
        raise InvalidDataError(f"a reward is a finite number, not {step.reward}")
    if not 0 <= gamma <= 1:
        raise InvalidDataError(f"a discount lies in [0, 1], not {gamma}")
    if step.dog not in table.dogs:
        raise InvalidDataError(f"no dog {step.dog!r} among {len(table.dogs)}")
