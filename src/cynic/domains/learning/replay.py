"""Replay of all that was ever tried: value iteration on counted transitions.

Sutton & Barto 2018 eq. 4.10 on the maximum-likelihood model (certainty equivalence): the transitions of a cell and
their mean rewards as they were counted. It uses every step as often as it helps, where an online update uses it
once; with the same steps it finds better policies (Sutton & Barto 2018, chapter 8).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from cynic.base.errors import InvalidDataError
from cynic.domains.learning.qlearning import Learned, QTable, Step, StepSize, Values, learn

SWEEPS_MAX: Final = 10_000


@dataclass(slots=True, kw_only=True)
class Outcomes:
    """What followed one cell: how often, with which sum of rewards, and where it led how often."""

    count: int = 0
    reward_sum: float = 0.0
    next_counts: dict[str, int] = field(default_factory=dict[str, int])
    """Steps that ended the task are in `count` only."""


@dataclass(slots=True, kw_only=True)
class Transitions:
    """The counted transitions of all cells: state → dog → outcomes."""

    cells: dict[str, dict[str, Outcomes]] = field(default_factory=dict[str, dict[str, Outcomes]])

    def add(self, step: Step) -> None:
        """Count one step; a reward that is no finite number is refused."""
        if not math.isfinite(step.reward):
            raise InvalidDataError(f"a reward is a finite number, not {step.reward}")
        row = self.cells.get(step.state)
        if row is None:
            row = self.cells[step.state] = {}
        outcomes = row.get(step.dog)
        if outcomes is None:
            outcomes = row[step.dog] = Outcomes()
        outcomes.count += 1
        outcomes.reward_sum += step.reward
        if step.next_state is not None:
            counts = outcomes.next_counts
            counts[step.next_state] = counts.get(step.next_state, 0) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """The values of the counted model, and whether they came to rest within the sweeps allowed."""

    values: Values
    sweeps: int
    converged: bool


def solve(
    transitions: Transitions,
    *,
    gamma: float,
    tolerance: float = 1e-9,
    sweeps_max: int = SWEEPS_MAX,
    start: dict[str, float] | None = None,
) -> Solution:
    """Value iteration, in place, until no state moves by more than `tolerance`.

    Dogs that were never tried in a state are no part of its maximum; a state nobody has left is worth 0. `start`:
    the states' values of an earlier solution, from where it goes on.
    """
    model = _model(transitions, gamma)
    best: dict[str, float] = dict.fromkeys(transitions.cells, 0.0)
    if start is not None:
        best.update((state, value) for state, value in start.items() if state in best)
    sweeps, moved = 0, math.inf
    while moved > tolerance and sweeps < sweeps_max:
        sweeps += 1
        moved = 0.0
        for state, cells in model:
            value = max(
                [
                    reward + sum([p * best[following] for following, p in chances])
                    for _, reward, chances in cells
                ]
            )
            moved = max(moved, abs(value - best[state]))
            best[state] = value
    values = {
        state: {
            dog: reward + sum(p * best[following] for following, p in chances)
            for dog, reward, chances in cells
        }
        for state, cells in model
    }
    return Solution(values=values, sweeps=sweeps, converged=moved <= tolerance)


def replayed(table: QTable, solution: Solution) -> QTable:
    """The table with the solution's values in place of its own; visits stay what they are."""
    values = {state: dict(row) for state, row in table.values.items()}
    for state, row in solution.values.items():
        values.setdefault(state, {}).update(row)
    return QTable(dogs=table.dogs, values=values, visits=table.visits, initial=table.initial)


def _model(
    transitions: Transitions, gamma: float
) -> list[tuple[str, list[tuple[str, float, list[tuple[str, float]]]]]]:
    """Per state and dog: the mean reward, and gamma · P(s') for each next state that anybody has left."""
    cells = transitions.cells
    return [
        (
            state,
            [
                (
                    dog,
                    seen.reward_sum / seen.count,
                    [
                        (s, gamma * n / seen.count)
                        for s, n in seen.next_counts.items()
                        if s in cells
                    ],
                )
                for dog, seen in row.items()
            ],
        )
        for state, row in cells.items()
    ]


@dataclass(slots=True, kw_only=True)
class Replaying:
    """Q-learning online, so that behaviour improves at once, and a replay of everything every `every` steps."""

    table: QTable
    step_size: StepSize
    gamma: float
    every: int
    transitions: Transitions = field(default_factory=Transitions)
    steps: int = 0

    def learn(self, step: Step) -> Learned:
        """Fold one step into table and counts; the replay comes when it is due."""
        learned = learn(self.table, step, step_size=self.step_size, gamma=self.gamma)
        self.transitions.add(step)
        self.steps += 1
        if self.steps % self.every == 0:
            self.replay()
        return learned

    def replay(self) -> Solution:
        """Solve the counted model, from the present values on, and put its values into the table."""
        start = {state: max(row.values()) for state, row in self.table.values.items()}
        solution = solve(self.transitions, gamma=self.gamma, start=start)
        self.table = replayed(self.table, solution)
        return solution
