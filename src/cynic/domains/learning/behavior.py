"""Feedback turned into behaviour: how sure to sound, and how easily to approve or to block.

Each cycle fades what was decided before (0.95) and adds a step from the accuracy of the feedback, correct / (correct +
incorrect): below 0.382 confidence falls by 0.1, above 0.618 it rises by 0.05; never beyond ±0.2. A partial answer is neither
right nor wrong. Only the outcome `correct` counts as correct, whatever else a feedback carries.

The thresholds on a score in [0, 1] (block below 0.3, warn below 0.5, approve from 0.7) move in the same way from the
feedback on that action alone: approvals that are mostly wrong make approving harder, blocks that are mostly wrong make
blocking rarer. A wrong warning says nothing about which way, so `warn` stays. They move by at most 0.1: the order holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Self, cast

from cynic.domains.learning.bounds import PHI, PHI2, clamp, unit, within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cynic.domains.learning.preference_pairs import Outcome

Act = Literal["approve", "warn", "block", "pass"]

FEEDBACK_MIN: Final = 3
ADJUSTMENT_MAX: Final = 0.2
SHIFT_MAX: Final = 0.1
DECAY: Final = 0.95
LOWERED: Final = -0.1
RAISED: Final = 0.05
BLOCK_BELOW: Final = 0.3
WARN_BELOW: Final = 0.5
APPROVE_FROM: Final = 0.7
SHIFTS: Final = ("confidence_shift", "approve_shift", "block_shift")


class Judged(NamedTuple):
    """What was done about an item and what feedback said of it; None where the act is not known."""

    outcome: Outcome
    act: Act | None = None


class Stated(NamedTuple):
    """A probability that behaviour may shift, as it was stated, and what feedback said."""

    probability: float
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Behavior:
    """What feedback has changed so far; all zero is the contract's behaviour."""

    confidence_shift: float = 0.0
    approve_shift: float = 0.0
    block_shift: float = 0.0

    def __post_init__(self) -> None:
        within(self.confidence_shift, -ADJUSTMENT_MAX, ADJUSTMENT_MAX, "a shift of confidence")
        within(self.approve_shift, -SHIFT_MAX, SHIFT_MAX, "a shift of approval")
        within(self.block_shift, -SHIFT_MAX, SHIFT_MAX, "a shift of blocking")

    @classmethod
    def restored(cls, document: Mapping[str, object]) -> Self:
        """The shifts out of what is kept; whatever is kept beside them is left, and what is missing is 0."""
        kept = cast("Mapping[str, float]", document)
        return cls(**{name: kept[name] for name in SHIFTS if name in kept})

    def probability(self, p: float) -> float:
        """A stated probability as this behaviour would state it, within [0, 1]."""
        return clamp(unit(p, "a probability") + self.confidence_shift, 0.0, 1.0)

    def act(self, score: float) -> Act:
        """What to do about a score in [0, 1]; between warning and approval nothing is done."""
        if unit(score, "a score") < BLOCK_BELOW + self.block_shift:
            return "block"
        if score < WARN_BELOW:
            return "warn"
        return "approve" if score >= APPROVE_FROM + self.approve_shift else "pass"


def accuracy(feedback: Sequence[Judged]) -> float | None:
    """The share of correct among correct and incorrect; None with neither."""
    correct = sum(one.outcome == "correct" for one in feedback)
    wrong = sum(one.outcome == "incorrect" for one in feedback)
    return correct / (correct + wrong) if correct + wrong else None


def heard(feedback: Sequence[Judged], stated: Sequence[Stated]) -> dict[str, int]:
    """Shift → how many decided answers speak of it: those whose confidence may be shifted, approvals, and blocks."""
    decided = [one for one in feedback if one.outcome != "partial"]
    return {
        "confidence_shift": sum(one.outcome != "partial" for one in stated),
        "approve_shift": sum(one.act == "approve" for one in decided),
        "block_shift": sum(one.act == "block" for one in decided),
    }


def modified(
    behavior: Behavior, feedback: Sequence[Judged], stated: Sequence[Stated] | None = None
) -> Behavior:
    """The behaviour after a cycle with this feedback; with fewer than 3 decided answers it stays as it is.

    With `stated`, confidence moves by those alone, and never away from how often they came true: a step that would widen
    the gap is 0.
    """
    approvals = [one for one in feedback if one.act == "approve"]
    blocks = [one for one in feedback if one.act == "block"]
    return Behavior(
        confidence_shift=_moved(
            behavior.confidence_shift,
            _step(feedback) if stated is None else _narrowing(stated),
            ADJUSTMENT_MAX,
        ),
        approve_shift=_moved(behavior.approve_shift, _opposite(_step(approvals)), SHIFT_MAX),
        block_shift=_moved(behavior.block_shift, _step(blocks), SHIFT_MAX),
    )


def _narrowing(stated: Sequence[Stated]) -> float | None:
    """The step of confidences that were stated, 0 where it leads away from the truth."""
    step = _step([Judged(one.outcome) for one in stated])
    decided = [one for one in stated if one.outcome != "partial"]
    if not step or not decided:
        return step
    meant = math.fsum(unit(one.probability, "a probability") for one in decided) / len(decided)
    share = sum(one.outcome == "correct" for one in decided) / len(decided)
    return step if (share > meant) == (step > 0) else 0.0


def _step(feedback: Sequence[Judged]) -> float | None:
    """By how much what was done deserves more or less of itself; None when too little was decided."""
    decided = [one for one in feedback if one.outcome in {"correct", "incorrect"}]
    share = accuracy(decided)
    if share is None or len(decided) < FEEDBACK_MIN:
        return None
    if share < PHI2:
        return LOWERED
    return RAISED if share > PHI else 0.0


def _opposite(step: float | None) -> float | None:
    """A threshold from which on something is done falls for it to be done more."""
    return None if step is None else -step


def _moved(shift: float, step: float | None, most: float) -> float:
    return shift if step is None else clamp(DECAY * shift + step, -most, most)
