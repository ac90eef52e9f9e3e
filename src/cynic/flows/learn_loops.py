"""The loops on one answer after the other, in memory: what they know before, and what each answer changes. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cynic.domains.dogs.pack import DOGS
from cynic.domains.learning import qlearning
from cynic.domains.learning.answers import WORTH, Tally, exchanged, reward, state_key, taken_back
from cynic.domains.learning.qlearning import QTable, Step, StepSize
from cynic.domains.learning.td_tracking import TdTracker
from cynic.domains.learning.thompson import NEW_ARM, Arm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from cynic.domains.learning.answers import Outcome

SAMPLE_MEAN: Final = StepSize()
DEFAULT_CONTEXT: Final = "general"
Sides = dict[str, Tally]
"""pass or fail → how often judgments on that side were right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Former:
    """The answer that another one supersedes."""

    feedback_id: UUID
    outcome: Outcome
    applied: bool
    """Whether it was learned from before this batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One answer with the judgment that it is about."""

    feedback_id: UUID
    outcome: Outcome
    judgment_id: str
    passed: bool
    """The side the judgment took."""
    context: str | None
    task: str | None
    item: str
    votes: Sequence[tuple[str, bool]]
    """Dog, and whether its vote passed the item; abstentions are left out."""
    former: Former | None

    @property
    def state(self) -> str:
        """What Q-learning knows the decision by."""
        return state_key(self.context, self.task, self.item)

    @property
    def arms(self) -> str:
        """Where Thompson's arms of this decision are kept."""
        return self.context or DEFAULT_CONTEXT

    @property
    def kind(self) -> str:
        """What calibration counts together."""
        return self.context or self.item

    @property
    def side(self) -> str:
        """The judgment's side, in a word."""
        return "pass" if self.passed else "fail"


@dataclass(slots=True, kw_only=True)
class Known:
    """What the loops know; the parts that a batch needs."""

    table: QTable
    tracker: TdTracker
    arms: dict[str, dict[str, Arm]] = field(default_factory=dict[str, dict[str, Arm]])
    dogs: dict[str, Tally] = field(default_factory=dict[str, Tally])
    kinds: dict[str, Sides] = field(default_factory=dict[str, Sides])


@dataclass(slots=True)
class Changes:
    """What a batch writes besides the states of the loops."""

    journal: list[Sequence[object]] = field(default_factory=list["Sequence[object]"])
    episodes: dict[str, dict[str, object]] = field(default_factory=dict[str, dict[str, object]])
    dropped: list[str] = field(default_factory=list[str])
    log: list[Mapping[str, object]] = field(default_factory=list["Mapping[str, object]"])
    applied: set[UUID] = field(default_factory=set["UUID"])
    taken_back: set[UUID] = field(default_factory=set["UUID"])
    touched: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """(loop, state) → answers folded."""
    corrected: int = 0
    updates: int = 0
    standing: int = 0
    """Change of the number of answers that are in what was learned."""
    correct: int = 0
    """The same, of those that say correct."""


def new_known(table: QTable | None = None) -> Known:
    """Loops that know nothing yet, or a table alone."""
    return Known(table=table or QTable(dogs=DOGS), tracker=TdTracker())


def apply(known: Known, changes: Changes, event: Event) -> None:
    """Fold one answer; what the former one did is taken back if it was learned."""
    former = _former(changes, event)
    _learn_q(known, changes, event, former)
    _learn_arms(known, changes, event, former)
    _learn_dogs(known, changes, event, former)
    _learn_kind(known, changes, event, former)
    _keep_episode(changes, event)
    changes.applied.add(event.feedback_id)
    changes.standing += 1
    changes.correct += event.outcome == "correct"
    if former is not None and event.former is not None:
        changes.corrected += 1
        changes.standing -= 1
        changes.correct -= former == "correct"
        changes.applied.discard(event.former.feedback_id)
        changes.taken_back.add(event.former.feedback_id)
        if changes.episodes.pop(name := _episode(event.former.feedback_id), None) is None:
            changes.dropped.append(name)


def _former(changes: Changes, event: Event) -> Outcome | None:
    """The former answer's outcome, if it is in what was learned."""
    former = event.former
    if former is None or former.feedback_id in changes.taken_back:
        return None
    return former.outcome if former.applied or former.feedback_id in changes.applied else None


def _learn_q(known: Known, changes: Changes, event: Event, former: Outcome | None) -> None:
    """Sample means of what each dog's votes were worth. A correction is journaled without target and reward."""
    state = event.state
    moved: dict[str, float] = {}
    for dog, side in event.votes:
        now = reward(event.outcome, with_judgment=side == event.passed)
        if former is not None:
            was = reward(former, with_judgment=side == event.passed)
            before, after = exchanged(known.table, state, dog, was, now)
            row = (state, dog, after - before, None, False, after, None, None)
        else:
            step = Step(state=state, dog=dog, reward=now)
            learned = qlearning.learn(known.table, step, step_size=SAMPLE_MEAN)
            before, after = learned.before, learned.after
            seen = known.tracker.update(learned.td_error)
            row = (
                *(state, dog, learned.td_error, seen.rolling_abs_mean),
                *(seen.converged is True, after, learned.target, now),
            )
            changes.updates += 1
        changes.journal.append(row)
        moved[dog] = after - before
    _log(changes, event, former, "q-learning", moved, {"state": state})


def _learn_arms(known: Known, changes: Changes, event: Event, former: Outcome | None) -> None:
    arms = known.arms.setdefault(event.arms, {})
    moved: dict[str, float] = {}
    for dog, side in event.votes:
        before = arm = arms.get(dog, NEW_ARM)
        if former is not None:
            arm = taken_back(arm, reward(former, with_judgment=side == event.passed))
        now = reward(event.outcome, with_judgment=side == event.passed)
        arms[dog] = arm = arm.after((1 + now) / 2)
        moved[dog] = arm.alpha / (arm.alpha + arm.beta) - before.alpha / (
            before.alpha + before.beta
        )
    _touch(changes, "thompson", event.arms, moved)
    _log(changes, event, former, "thompson", moved, {"context": event.arms})


def _learn_dogs(known: Known, changes: Changes, event: Event, former: Outcome | None) -> None:
    moved: dict[str, float] = {}
    for dog, side in event.votes:
        before = tally = known.dogs.get(dog, Tally())
        if former is not None:
            tally = tally.plus(reward(former, with_judgment=side == event.passed), -1)
        tally = tally.plus(reward(event.outcome, with_judgment=side == event.passed))
        if tally != before:
            known.dogs[dog] = tally
            moved[dog] = tally.weight - before.weight
    _touch(changes, "dog-votes", "default", moved)
    _log(changes, event, former, "dog-votes", moved, {})


def _learn_kind(known: Known, changes: Changes, event: Event, former: Outcome | None) -> None:
    sides = known.kinds.setdefault(event.kind, {})
    before = tally = sides.get(event.side, Tally())
    if former is not None:
        tally = tally.plus(WORTH[former], -1)
    tally = tally.plus(WORTH[event.outcome])
    if tally == before:
        return
    sides[event.side] = tally
    moved = {event.side: tally.mean - before.mean}
    _touch(changes, "calibration", event.kind, moved)
    _log(changes, event, former, "calibration", moved, {"kind": event.kind})


def _keep_episode(changes: Changes, event: Event) -> None:
    features = {"context": event.context, "task": event.task, "item": event.item}
    changes.episodes[_episode(event.feedback_id)] = {
        "episode_id": _episode(event.feedback_id),
        "features": [f"{name}:{value}" for name, value in features.items() if value is not None],
        "task_type": event.task,
        "actions": [
            {"dog": dog, "reward": reward(event.outcome, with_judgment=side == event.passed)}
            for dog, side in event.votes
        ],
        "outcome": {
            "status": event.outcome,
            "judgmentId": event.judgment_id,
            "side": event.side,
            "state": event.state,
        },
        "reward": WORTH[event.outcome],
    }


def _episode(feedback_id: UUID) -> str:
    return f"feedback:{feedback_id}"


def _touch(changes: Changes, loop: str, state: str, moved: Mapping[str, float]) -> None:
    if moved:
        changes.touched[loop, state] = changes.touched.get((loop, state), 0) + 1


def _log(  # the parts of a row
    changes: Changes,
    event: Event,
    former: Outcome | None,
    loop: str,
    moved: Mapping[str, float],
    where: Mapping[str, object],
) -> None:
    """One row for each loop that an answer moved; `delta` is the mean of the changes."""
    if not moved:
        return
    changes.log.append(
        {
            "loop": loop,
            "event": "feedback" if former is None else "correction",
            "judgment_id": event.judgment_id,
            "value": WORTH[event.outcome],
            "action": event.outcome,
            "delta": math.fsum(moved.values()) / len(moved),
            "metadata": {"feedbackId": str(event.feedback_id), "changes": dict(moved), **where},
        }
    )
