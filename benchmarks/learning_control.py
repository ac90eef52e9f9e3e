"""How well the learning functions learn: control tasks, a sequence of maps, bad feedback, routing.

Values, not seconds: each line gives our mean over seeds, the peer's number as the field reports it, and the bar. The
environments' transition tables come from gymnasium; values of policies are exact, computed on those tables.
"""

from __future__ import annotations

import random
import statistics
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmarks.learning_routing import routing
from benchmarks.measure import Absent, Value
from cynic.domains.learning.ewc import Careful, Consolidation
from cynic.domains.learning.forgetting import transfer
from cynic.domains.learning.qlearning import QTable, Step, StepSize, choose, greedy
from cynic.domains.learning.replay import Replaying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEEDS = 10
GAMMA = 0.99
EPSILON = 0.1
ALPHA = StepSize(rule="constant", value=0.1)
MAP_SIZE = 6
MAPS = 6
HOLES = 2
MAP_STEPS = 20_000
MAP_GAMMA = 0.95

Outcome: TypeAlias = tuple[float, str, float, bool]
"""Probability, next state, reward, whether the task ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A task's transition table: state → action → outcomes, and where it starts."""

    table: dict[str, dict[str, list[Outcome]]]
    starts: dict[str, float]
    steps_max: int

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions, the same in every state."""
        return tuple(next(iter(self.table.values())))


def run() -> Iterator[Value | Absent]:
    """All lines, each with its seeds; together most of a minute on an idle machine."""
    started = time.perf_counter()
    lake = world("FrozenLake-v1", 100, is_slippery=True)
    found = [controlled(lake, seed, steps=100_000, replay_every=5_000) for seed in range(SEEDS)]
    yield Value(
        what="FrozenLake 4x4 slippery, 100k steps, return",
        ours=statistics.fmean(found),
        peer="0.700 (Q-learning), 0.740 (best stationary)",
        bar=0.735,
        seeds=SEEDS,
        seconds=time.perf_counter() - started,
    )
    started = time.perf_counter()
    taxi = world("Taxi-v4", 200)
    found = [controlled(taxi, seed, steps=300_000, replay_every=20_000) for seed in range(SEEDS)]
    yield Value(
        what="Taxi, 300k steps, return",
        ours=statistics.fmean(found),
        peer="7.93 (Q-learning, and the best there is)",
        bar=7.92,
        seeds=SEEDS,
        seconds=time.perf_counter() - started,
    )
    yield from _maps()
    yield from routing()


def world(name: str, steps_max: int, **options: Any) -> World:
    """An environment of gymnasium as its transition table."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import gymnasium

        made: Any = gymnasium.make(name, **options).unwrapped
    return World(
        table={
            str(state): {
                str(action): [(float(p), str(s), float(r), bool(end)) for p, s, r, end in outcomes]
                for action, outcomes in row.items()
            }
            for state, row in made.P.items()
        },
        starts={
            str(state): float(share)
            for state, share in enumerate(made.initial_state_distrib)
            if share > 0
        },
        steps_max=steps_max,
    )


def exact_return(task: World, policy: dict[str, str]) -> float:
    """The expected return of a policy within the step limit."""
    chosen = {state: row[policy[state]] for state, row in task.table.items()}
    values = dict.fromkeys(task.table, 0.0)
    for _ in range(task.steps_max):
        values = {
            state: sum(p * (r + (0.0 if end else values[s])) for p, s, r, end in outcomes)
            for state, outcomes in chosen.items()
        }
    return sum(share * values[state] for state, share in task.starts.items())


def controlled(task: World, seed: int, *, steps: int, replay_every: int) -> float:
    """Learn by acting, with replay; the exact return of what is greedy in the end."""
    learner = Replaying(
        table=QTable(dogs=task.actions), step_size=ALPHA, gamma=GAMMA, every=replay_every
    )
    rng = random.Random(seed)
    _act(task, rng, steps, lambda: learner.table, learner.learn)
    learner.replay()
    return exact_return(task, _policy(task, learner.table))


def _act(
    task: World,
    rng: random.Random,
    steps: int,
    table: Callable[[], QTable],
    learn: Callable[[Step], object],
) -> None:
    states, shares, actions = list(task.starts), list(task.starts.values()), task.actions
    state, age = "", 0
    for _ in range(steps):
        if not state:
            state, age = rng.choices(states, shares)[0], 0
        action = choose(table(), state, actions, epsilon=EPSILON, rng=rng).dog
        outcomes = task.table[state][action]
        _, following, reward, end = outcomes[0]
        if len(outcomes) > 1:
            chances = [outcome[0] for outcome in outcomes]
            _, following, reward, end = rng.choices(outcomes, chances)[0]
        age += 1
        learn(Step(state=state, dog=action, reward=reward, next_state=None if end else following))
        state = "" if end or age >= task.steps_max else following


def _policy(task: World, table: QTable) -> dict[str, str]:
    return {state: greedy(table, state, task.actions)[0] for state in task.table}


def _maps() -> Iterator[Value | Absent]:
    started = time.perf_counter()
    plain = [in_sequence(seed, 0.0) for seed in range(SEEDS)]
    careful = [in_sequence(seed, 0.1) for seed in range(SEEDS)]
    seconds = time.perf_counter() - started
    for what, place, peer, bar in (
        ("final accuracy", 0, "0.837 (none), 0.951 (replay), 0.965 (EWC)", 0.955),
        ("backward transfer", 1, "-0.196 (none), -0.055 (replay), -0.041 (EWC)", -0.05),
    ):
        here = statistics.fmean(one[place] for one in plain)
        yield Value(
            what=f"six maps 6x6, one table, λ 0.1, {what}",
            ours=statistics.fmean(one[place] for one in careful),
            peer=f"{peer}; λ 0 here {here:.3f}",
            bar=bar,
            seeds=SEEDS,
            seconds=seconds,
        )


def in_sequence(seed: int, ewc_lambda: float) -> tuple[float, float]:
    """Six maps learned one after another in one table: final accuracy and backward transfer."""
    rng = random.Random(seed)
    tasks = [world("FrozenLake-v1", 100, desc=plan, is_slippery=False) for plan in draw_maps(seed)]
    learner = Careful(
        table=QTable(dogs=tasks[0].actions, initial=1.0),
        consolidation=Consolidation(
            anchor={}, fisher={}, ewc_lambda=ewc_lambda, locked_lambda=ewc_lambda
        ),
    )
    rows: list[list[float]] = []
    for task in tasks:
        _act(
            task,
            rng,
            MAP_STEPS,
            lambda: learner.table,
            lambda step: learner.learn(step, step_size=ALPHA, gamma=MAP_GAMMA),
        )
        rows.append([exact_return(other, _policy(other, learner.table)) for other in tasks])
        learner.end_task()
    found = transfer(rows)
    return found.average_accuracy or 0.0, found.average_bwt or 0.0


def draw_maps(seed: int) -> list[list[str]]:
    """Six plans with two holes each, drawn until one way leads past the holes of all: the tasks do not conflict."""
    rng = random.Random(seed)
    free = [divmod(cell, MAP_SIZE) for cell in range(1, MAP_SIZE * MAP_SIZE - 1)]
    while True:
        plans = [set(rng.sample(free, HOLES)) for _ in range(MAPS)]
        if _passable(set[tuple[int, int]]().union(*plans)):
            return [_drawn(holes) for holes in plans]


def _drawn(holes: set[tuple[int, int]]) -> list[str]:
    cells = [
        ["H" if (row, column) in holes else "F" for column in range(MAP_SIZE)]
        for row in range(MAP_SIZE)
    ]
    cells[0][0], cells[-1][-1] = "S", "G"
    return ["".join(row) for row in cells]


def _passable(holes: set[tuple[int, int]]) -> bool:
    seen, waiting = {(0, 0)}, [(0, 0)]
    while waiting:
        row, column = waiting.pop()
        for near in ((row + 1, column), (row, column + 1), (row - 1, column), (row, column - 1)):
            inside = min(near) >= 0 and max(near) < MAP_SIZE
            if inside and near not in holes and near not in seen:
                seen.add(near)
                waiting.append(near)
    return (MAP_SIZE - 1, MAP_SIZE - 1) in seen
