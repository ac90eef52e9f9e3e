"""The loops that move with every answer, in memory: what they know before, and what each answer changes. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cynic.domains.learning.answers import WORTH, Tally, taken_back
from cynic.domains.learning.thompson import NEW_ARM, Arm
from cynic.flows.learning.answers import Standing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from cynic.domains.learning.adaptive import Found
    from cynic.domains.learning.answers import Outcome
    from cynic.flows.learning.answers import Event
    from cynic.flows.learning.q_learning import QLearning

LOGGED_PLACES: Final = 6
NO_ANSWERS: Final = Tally()
Sides = dict[str, Tally]
"""pass or fail → how often judgments on that side were right."""


@dataclass(slots=True, kw_only=True)
class Known:
    """What the loops know. Of arms and kinds, what was asked for so far."""

    q: QLearning
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
    places: dict[UUID, int] = field(default_factory=dict["UUID", int])
    """Answer → its place in the order of learning; also of those that a later one of the batch took back."""
    taken_back: set[UUID] = field(default_factory=set["UUID"])
    standing: dict[tuple[str, UUID | None], Standing] = field(
        default_factory=dict["tuple[str, UUID | None]", "Standing"]
    )
    """Judgment and person → the answer of this batch that is in what was learned."""
    reset_at: int | None = None
    """How many rows of the journal came before the values were last given up."""
    tasks: dict[str, tuple[int, float]] = field(default_factory=dict[str, tuple[int, float]])
    """Kind of task → change of the number of its episodes, and of the sum of their rewards."""
    touched: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """(loop, state) → answers folded."""
    corrected: int = 0
    updates: int = 0
    more: int = 0
    """Change of the number of answers that are in what was learned."""
    correct: int = 0
    """The same, of those that say correct."""


def apply(known: Known, changes: Changes, event: Event, place: int) -> bool:
    """Fold one answer, the `place`-th of all, and take back what the one that it comes after did.

    False when it was superseded by one that was folded before: nothing is left to learn from it then.
    """
    key = event.judgment_id, event.person
    standing = changes.standing.get(key, event.standing)
    if standing is not None and not event.comes_after(standing):
        return False
    former, root = (None, place) if standing is None else (standing.outcome, standing.root)
    _learn_q(known, changes, event, former, (place, root))
    _learn_arms(known, changes, event, former)
    _learn_dogs(known, changes, event, former)
    _learn_kind(known, changes, event, former)
    if standing is not None:
        _take_back(changes, standing)
    _keep_episode(changes, event)
    _count_task(changes, event, former)
    changes.places[event.feedback_id] = place
    changes.standing[key] = Standing(
        feedback_id=event.feedback_id, outcome=event.outcome, age=event.age, root=root
    )
    changes.more += 1
    changes.correct += event.outcome == "correct"
    return True


def _take_back(changes: Changes, standing: Standing) -> None:
    changes.corrected += 1
    changes.more -= 1
    changes.correct -= standing.outcome == "correct"
    changes.taken_back.add(standing.feedback_id)
    if changes.episodes.pop(name := _episode(standing.feedback_id), None) is None:
        changes.dropped.append(name)


def _count_task(changes: Changes, event: Event, former: Outcome | None) -> None:
    episodes, rewards = changes.tasks.get(event.task_kind, (0, 0.0))
    more, worth = (
        (1, WORTH[event.outcome]) if former is None else (0, WORTH[event.outcome] - WORTH[former])
    )
    changes.tasks[event.task_kind] = (episodes + more, rewards + worth)


def _learn_q(
    known: Known,
    changes: Changes,
    event: Event,
    former: Outcome | None,
    places: tuple[int, int],
) -> None:
    place, root = places
    moved = known.q.learn(event, former, place=place, root=root)
    changes.journal.extend(moved.journal)
    changes.updates += moved.updates
    # What each dog's value did is in the journal.
    _log(changes, event, former, "q-learning", moved.changes, {"state": event.state})
    if moved.found != "nothing":
        _log_finding(known, changes, event, moved.found)
    if moved.found == "drift":
        changes.reset_at = len(changes.journal)


def _log_finding(known: Known, changes: Changes, event: Event, found: Found) -> None:
    """That the mean reward fell and locks hold for now, that it rose again, or that all values were given up."""
    doubt = known.q.router.suspicion
    changes.log.append(
        {
            "loop": "q-learning",
            "event": found,
            "judgment_id": event.judgment_id,
            "value": None,
            "action": "reset" if found == "drift" else None,
            "delta": None,
            "metadata": {
                "feedbackId": str(event.feedback_id),
                "resets": known.q.router.resets,
                "change": known.q.router.detector.change,
                **({} if doubt is None else {"before": doubt.before, "after": doubt.after}),
            },
        }
    )


def _learn_arms(known: Known, changes: Changes, event: Event, former: Outcome | None) -> None:
    arms = known.arms.setdefault(event.arms, {})
    moved: dict[str, float] = {}
    was = {} if former is None else dict(event.rewards(former))
    for dog, now in event.rewards(event.outcome):
        before = arm = arms.get(dog, NEW_ARM)
        if former is not None:
            arm = taken_back(arm, was[dog])
        arms[dog] = arm = arm.after(now)
        moved[dog] = arm.alpha / (arm.alpha + arm.beta) - before.alpha / (
            before.alpha + before.beta
        )
    _touch(changes, "thompson", event.arms, moved)
    where = {"context": event.arms, "changes": _rounded(moved)}
    _log(changes, event, former, "thompson", moved, where)


def _learn_dogs(known: Known, changes: Changes, event: Event, former: Outcome | None) -> None:
    moved: dict[str, float] = {}
    was = {} if former is None else dict(event.rewards(former))
    for dog, now in event.rewards(event.outcome):
        before = tally = known.dogs.get(dog, NO_ANSWERS)
        if former is not None:
            tally = tally.plus(was[dog], -1)
        tally = tally.plus(now)
        if tally != before:
            known.dogs[dog] = tally
            moved[dog] = tally.weight - before.weight
    _touch(changes, "dog-votes", "default", moved)
    _log(changes, event, former, "dog-votes", moved, {"changes": _rounded(moved)})


def _rounded(moved: Mapping[str, float]) -> dict[str, float]:
    return {name: round(change, LOGGED_PLACES) for name, change in moved.items()}


def _learn_kind(known: Known, changes: Changes, event: Event, former: Outcome | None) -> None:
    sides = known.kinds.setdefault(event.kind, {})
    before = tally = sides.get(event.side, NO_ANSWERS)
    if former is not None:
        tally = tally.plus(WORTH[former], -1)
    tally = tally.plus(WORTH[event.outcome])
    if tally == before:
        return
    sides[event.side] = tally
    moved = {event.side: tally.mean - before.mean}
    _touch(changes, "calibration", event.kind, moved)
    where = {"kind": event.kind, "changes": _rounded(moved)}
    _log(changes, event, former, "calibration", moved, where)


def _keep_episode(changes: Changes, event: Event) -> None:
    features = {"context": event.context, "task": event.task, "item": event.item}
    name = _episode(event.feedback_id)
    changes.episodes[name] = {
        "episode_id": name,
        "features": [f"{name}:{value}" for name, value in features.items() if value is not None],
        "task_type": event.task,
        "actions": [{"dog": dog, "reward": reward} for dog, reward in event.rewards(event.outcome)],
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
            "value": 2 * WORTH[event.outcome] - 1,
            "action": event.outcome,
            "delta": math.fsum(moved.values()) / len(moved),
            "metadata": {"feedbackId": str(event.feedback_id), **where},
        }
    )
