"""What an answer means to the loops: who was right, what that is worth, and how it is taken back.

An answer says that a judgment was correct, incorrect or partial. The judgment took a side (it passed the item or it did
not), and so did each vote. Correct: the side of the judgment is right, worth 1, and the other one worth 0; incorrect: the
other way round; partial: either is worth 0.5, and no count of right and wrong moves. An abstention took no side and learns
nothing. The score that an answer may carry is not looked at: an answer that contradicts itself counts by its outcome.

Counts are taken back by the same steps backwards.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from cynic.domains.learning.thompson import Arm

Outcome = Literal["correct", "incorrect", "partial"]

WORTH: Final[dict[Outcome, float]] = {"correct": 1.0, "partial": 0.5, "incorrect": 0.0}
"""Of the side that the judgment took."""
EVEN: Final = 0.5
"""The worth of an answer that takes no side."""
ANSWERS_MIN: Final = 30
"""Answers of a kind before its calibrated probability is used."""
DOG_ANSWERS_MIN: Final = 10
"""Answers on a dog's votes before its weight is used."""


def reward(outcome: Outcome, *, with_judgment: bool) -> float:
    """What a vote on the judgment's side, or on the other one, was worth: 1, 0.5 or 0."""
    worth = WORTH[outcome]
    return worth if with_judgment else 1 - worth


@lru_cache(maxsize=4096)
def state_key(context: str | None, task: str | None, item: str) -> str:
    """The state of a decision as one text that holds its three parts whatever characters are in them."""
    return json.dumps([context, task, item], ensure_ascii=False, separators=(",", ":"))


def kind_of_state(state: str) -> str:
    """The kind of task of a state key."""
    context, task, item = json.loads(state)
    return task_kind(context, task, item)


def task_kind(context: str | None, task: str | None, item: str) -> str:
    """What consolidation and forgetting count together: the kind of task, or the nearest thing that is told of it."""
    return task or context or item


class Tally(NamedTuple):
    """How often something was right and wrong."""

    right: int = 0
    wrong: int = 0

    def plus(self, worth: float, times: int = 1) -> Tally:
        """One outcome more, or with -1 one less; a worth of 0.5 counts nothing."""
        return Tally(self.right + times * (worth > EVEN), self.wrong + times * (worth < EVEN))

    @property
    def answers(self) -> int:
        """Outcomes that counted."""
        return self.right + self.wrong

    @property
    def mean(self) -> float:
        """The probability of being right: the mean of Beta(right + 1, wrong + 1), one half before the first outcome."""
        return (self.right + 1) / (self.answers + 2)

    @property
    def weight(self) -> float:
        """Twice the mean: 1 for a dog of whom nothing is known, towards 2 for one that is always right, 0 for a liar."""
        return 2 * self.mean


def taken_back(arm: Arm, worth: float) -> Arm:
    """The arm without one outcome of this worth."""
    return Arm(alpha=arm.alpha - worth, beta=arm.beta - (1 - worth))
