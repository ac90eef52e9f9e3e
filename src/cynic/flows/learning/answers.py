"""The answers to learn from, as the loops see them."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Former:
    """The answer that another one supersedes."""

    feedback_id: UUID
    outcome: Outcome
    applied: bool
    """Whether it was learned from before this batch."""
    root: int | None
    """The place of the first answer of this person to the judgment, if one was learned before this batch."""


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
    _, feedback_id, outcome, _, judgment_id, verdict, context, task, item, *former, votes = row
    former_id, former_outcome, former_applied, former_root = former
    return Event(
        feedback_id=cast("UUID", feedback_id),
        outcome=cast("Outcome", outcome),
        judgment_id=cast("str", judgment_id),
        passed=verdict in PASSING,
        context=cast("str | None", context),
        task=cast("str | None", task),
        item=cast("str", item),
        votes=sides(cast("Sequence[tuple[str, float]]", votes or ())),
        former=None
        if former_id is None
        else Former(
            feedback_id=cast("UUID", former_id),
            outcome=cast("Outcome", former_outcome),
            applied=bool(former_applied),
            root=cast("int | None", former_root),
        ),
    )


def sides(votes: Iterable[tuple[str, float]]) -> list[tuple[str, bool]]:
    """Dog and side; whoever abstained, or failed, took none."""
    return [(dog, side) for dog, score in votes if (side := _side(score)) is not None]


@lru_cache(maxsize=4096)
def _side(score: float) -> bool | None:
    exact = Decimal(str(score))
    return None if exact == ABSTENTION else passes(100 * exact)
