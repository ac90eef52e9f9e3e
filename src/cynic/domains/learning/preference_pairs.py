"""Preference pairs from feedback: in one context, a dog that was right against one that was wrong.

Within a context the answers are sorted once and matched from both ends, the best with the worst: n log n, and each
answer is in at most one pair, so that one loud judgment cannot fill the table. A pair carries k, the probability that
its label is right: k = ½ + ½ · step · min(1, 2Δ/100), where the step says how far apart the outcomes are (correct
above incorrect 1, correct above partial 0.8, partial above incorrect 0.5), and Δ is the difference of the actual scores
when both are known (without them the factor is 1). Scores that contradict the outcomes make no pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from cynic.domains.learning.bounds import PHI, within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Outcome = Literal["correct", "partial", "incorrect"]

RANKS: Final[dict[Outcome, int]] = {"incorrect": 0, "partial": 1, "correct": 2}
STEPS: Final = {(2, 0): 1.0, (2, 1): 0.8, (1, 0): 0.5}
K_MIN: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What feedback said about a dog's answer in a context."""

    feedback_id: str
    context: str
    dog: str
    outcome: Outcome
    score: float | None = None
    """The actual score, 0 to 100, where the feedback gave one."""

    def __post_init__(self) -> None:
        if self.score is not None:
            within(self.score, 0.0, 100.0, "an actual score")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One row of preference pairs before it is stored."""

    chosen: Answer
    rejected: Answer
    k: float

    @property
    def confidence(self) -> float:
        """The stored form of k: 0.618 · k."""
        return PHI * self.k


def pairs_from(answers: Iterable[Answer]) -> list[Pair]:
    """All pairs that say something, by context; the same answers in any order give the same pairs."""
    by_context: dict[str, list[Answer]] = {}
    for answer in answers:
        by_context.setdefault(answer.context, []).append(answer)
    return [pair for context in sorted(by_context) for pair in _matched(by_context[context])]


def strength(chosen: Answer, rejected: Answer) -> float:
    """How much the pair says, in [0, 1]; 0 when it says nothing or contradicts itself."""
    step = STEPS.get((RANKS[chosen.outcome], RANKS[rejected.outcome]), 0.0)
    if chosen.score is None or rejected.score is None:
        return step
    return step * min(1.0, max(0.0, 2 * (chosen.score - rejected.score) / 100))


def _matched(answers: list[Answer]) -> Iterator[Pair]:
    ordered = sorted(answers, key=_goodness)
    low, high = 0, len(ordered) - 1
    while low < high:
        worst, best = ordered[low], ordered[high]
        if RANKS[best.outcome] == RANKS[worst.outcome]:
            return
        if best.dog == worst.dog:
            low += 1  # a dog is not preferred to itself: its better answer waits for another's worse one
            continue
        # A difference too small to move k says nothing either.
        if (k := K_MIN + strength(best, worst) / 2) > K_MIN:
            yield Pair(chosen=best, rejected=worst, k=k)
        low, high = low + 1, high - 1


def _goodness(answer: Answer) -> tuple[int, float, str]:
    return RANKS[answer.outcome], 50.0 if answer.score is None else answer.score, answer.feedback_id
