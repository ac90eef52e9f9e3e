"""A data set replayed: for each task a dog is chosen by what was learned so far, judges, gets feedback, and all is learned.

Everything goes the way of any other judgment: `judge`, `feedback`, `learn`. The choice is by the values of Q-learning, read
from the database before each round of tasks, with an exploration of 2 %.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cynic.base.checks import NAME_CHARACTERS_MAX
from cynic.base.errors import CynicError
from cynic.domains.dogs.pack import DOGS
from cynic.domains.learning.adaptive import OPTIMISM
from cynic.domains.learning.answers import state_key
from cynic.domains.learning.qlearning import QTable, choose
from cynic.flows import learn, submission
from cynic.flows.learning.state import Keeper
from cynic.reads.learning.values import q_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cynic.demo.dataset import DataSet, Task
    from cynic.memory import Memory

ROUND_TASKS: Final = 40
EXPLORATION: Final = 0.02
ITEM: Final = "task"
CLAIM: Final = 0.8
"""The vote of a chosen dog: it says that it has done the task."""
PASS_FROM: Final = 0.5
"""A task whose score is at least this was done."""
PERSON: Final = "demo"


@dataclass(slots=True, kw_only=True)
class Replayed:
    """What the pack earned on the way."""

    rewards: list[float] = field(default_factory=list[float])
    """The score of the chosen dog, task by task."""
    chosen: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    """Context → dog → how often."""
    learned: learn.Pass = field(default_factory=learn.Pass)

    def mean(self, share: float = 1.0) -> float:
        """The mean score of the last `share` of the tasks."""
        last = self.rewards[-max(1, round(share * len(self.rewards))) :]
        return sum(last) / len(last)


def replay(
    memory: Memory, data: DataSet, *, seed: int, progress: Callable[[int], object]
) -> Replayed:
    """Let the pack work through all tasks in a seeded order; `progress` is told how many are done."""
    rng = random.Random(seed)  # noqa: S311  # no secret: the same order each time
    tasks = rng.sample(list(data.tasks), len(data.tasks))
    done = Replayed()
    keeper = Keeper()
    for start in range(0, len(tasks), ROUND_TASKS):
        some = tasks[start : start + ROUND_TASKS]
        with memory.connection() as conn:
            table = q_table(conn, OPTIMISM)
        _work(memory, data, some, table, rng, done)
        with memory.connection() as conn:
            edge = memory.edge(conn)
            while (passed := learn.learn(conn, edge, keeper=keeper, wait=True)).worked:
                done.learned.add(passed)
            if edge.learned is not None:
                edge.learned.look_again()
        progress(start + len(some))
    done.learned.add(memory.learn())
    return done


def _work(
    memory: Memory,
    data: DataSet,
    tasks: Sequence[Task],
    table: QTable,
    rng: random.Random,
    done: Replayed,
) -> None:
    chosen = [
        choose(
            table,
            state_key(task.context, None, ITEM),
            data.dogs,
            epsilon=EXPLORATION,
            rng=rng,
        ).dog
        for task in tasks
    ]
    given = [_judgment(task, dog, data) for task, dog in zip(tasks, chosen, strict=True)]
    for task, dog, recorded in zip(tasks, chosen, memory.judge_many(given), strict=True):
        if isinstance(recorded, CynicError):
            raise recorded
        reward = task.scores[dog]
        passed = recorded.verdict in {"HOWL", "WAG"}
        answer = {
            "outcome": "correct" if passed == (reward >= PASS_FROM) else "incorrect",
            "actual_score": round(100 * reward, 2),
            "user": PERSON,
        }
        memory.answer(recorded.judgment_id, submission.read_feedback(answer))
        done.rewards.append(reward)
        row = done.chosen.setdefault(task.context, dict.fromkeys(DOGS, 0))
        row[dog] += 1


def _judgment(task: Task, dog: str, data: DataSet) -> dict[str, Any]:
    document: dict[str, Any] = {
        "item_type": ITEM,
        "item_content": f"a task of {task.context}, done by {data.stands_for[dog]}",
        "context_type": task.context,
        "user": PERSON,
        "session_id": f"{PERSON} {task.context}"[:NAME_CHARACTERS_MAX],
        "votes": [{"dog": dog, "score": CLAIM}],
    }
    if task.dimensions:
        document["dimensions"] = dict(task.dimensions)
    return document
