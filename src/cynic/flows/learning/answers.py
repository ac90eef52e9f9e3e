"""The answers to learn from, as the loops see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final, cast

from cynic.base.verdict import passes
from cynic.domains.dogs.pack import ABSTENTION
from cynic.domains.learning.answers import reward, state_key, task_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from cynic.domains.learning.answers import Outcome

PASSING: Final = frozenset({"HOWL", "WAG"})
DEFAULT_CONTEXT: Final = "general"
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


Age = tuple["datetime", "datetime"]
"""When an answer was superseded, far in the future while it is not, and when it was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The one answer of a person to a judgment that is in what was learned."""

    feedback_id: UUID
    outcome: Outcome
    age: Age
    root: int
    """The place of the first answer of this person to the judgment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One answer with the judgment that it is about."""

    feedback_id: UUID
    outcome: Outcome
    age: Age
    supersedes: UUID | None
    """The answer in whose place it was given, where its signal says so."""
    judgment_id: str
    person: UUID | None
    passed: bool
    """The side the judgment took."""
    context: str | None
    task: str | None
    item: str
    votes: Sequence[tuple[str, bool]]
    """Dog, and whether its vote passed the item; abstentions are left out."""
    standing: Standing | None
    """The answer of the same person to the same judgment that was learned before this batch, and still counts."""

    def comes_after(self, standing: Standing) -> bool:
        """Whether it takes the place of the one that was learned; else it was superseded before it could be."""
        return self.supersedes == standing.feedback_id or self.age > standing.age

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
    def task_kind(self) -> str:
        """What consolidation and forgetting count together."""
        return task_kind(self.context, self.task, self.item)

    @property
    def side(self) -> str:
        """The judgment's side, in a word."""
        return "pass" if self.passed else "fail"

    def rewards(self, outcome: Outcome) -> list[tuple[str, float]]:
        """Dog, and what its vote is worth under this outcome."""
        passed = self.passed
        ours, theirs = (reward(outcome, with_judgment=side) for side in (True, False))
        return [(dog, ours if side == passed else theirs) for dog, side in self.votes]


def taken(rows: Iterable[tuple[object, ...]]) -> list[str]:
    """The signals of the rows that were taken, in their order: restored ones first, then by writer and id."""
    ordered = sorted(rows, key=_order)
    return [cast("str", row[0]) for row in ordered]


def _order(row: tuple[object, ...]) -> tuple[bool, int, int]:
    _, restored, written_by, row_id = row
    return not restored, cast("int", written_by), cast("int", row_id)


def events(rows: Iterable[tuple[object, ...]]) -> list[Event]:
    """The answers to fold; one that was folded before is none."""
    return [_event(row) for row in rows if not row[3]]


def _event(row: tuple[object, ...]) -> Event:
    _, feedback_id, outcome, _, judgment_id, verdict, context, task, item, *answered, votes = row
    person, superseded_at, answered_at, supersedes, *standing = answered
    return Event(
        feedback_id=cast("UUID", feedback_id),
        outcome=cast("Outcome", outcome),
        age=_age(superseded_at, answered_at),
        supersedes=cast("UUID | None", supersedes),
        person=cast("UUID | None", person),
        judgment_id=cast("str", judgment_id),
        passed=verdict in PASSING,
        context=cast("str | None", context),
        task=cast("str | None", task),
        item=cast("str", item),
        votes=sides(cast("Sequence[tuple[str, float]]", votes or ())),
        standing=_standing(*standing),
    )


def _standing(
    feedback_id: object, outcome: object, superseded_at: object, answered_at: object, root: object
) -> Standing | None:
    if feedback_id is None:
        return None
    return Standing(
        feedback_id=cast("UUID", feedback_id),
        outcome=cast("Outcome", outcome),
        age=_age(superseded_at, answered_at),
        root=cast("int", root),
    )


def _age(superseded_at: object, answered_at: object) -> Age:
    return cast("datetime | None", superseded_at) or _NEVER, cast("datetime", answered_at)


def sides(votes: Iterable[tuple[str, float]]) -> list[tuple[str, bool]]:
    """Dog and side; whoever abstained, or failed, took none."""
    return [(dog, side) for dog, score in votes if (side := _side(score)) is not None]


@lru_cache(maxsize=4096)
def _side(score: float) -> bool | None:
    exact = Decimal(str(score))
    return None if exact == ABSTENTION else passes(100 * exact)
