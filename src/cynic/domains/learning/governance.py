"""Who may add a dimension: candidates are proposed, approved, rejected or retired by vote.

Proposed: confidence of at least 0.382 from at least 5 samples. Approved: at least 0.618 of at least 3 votes, half an hour
after the last promotion and not more than 3 in any 24 hours. What waits for one of these two is not rejected. Below 0.618 it is
rejected. A dimension that was added is retired by the same majority. Among several, the one with the most evidence comes
first; waiting adds up to 0.236 to its rank over a week, so that none waits for ever, and nothing to its votes.

Times are seconds on the caller's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from cynic.domains.learning.bounds import PHI, PHI2, PHI3, finite, within

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from cynic.domains.learning.residual import Candidate

Action = Literal["propose", "approve", "reject", "retire"]

CONFIDENCE_MIN: Final = PHI2
SAMPLES_MIN: Final = 5
APPROVAL_MIN: Final = PHI
VOTERS_MIN: Final = 3
COOLDOWN_SECONDS: Final = 30 * 60.0
DAY_SECONDS: Final = 86_400.0
PROMOTIONS_A_DAY_MAX: Final = 3
AGEING_MAX: Final = PHI3
AGEING_SECONDS: Final = 7 * DAY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Votes counted; None abstains."""

    approvals: int
    voters: int

    @property
    def approval(self) -> float | None:
        """The share of the voters in favour; None without voters."""
        return self.approvals / self.voters if self.voters else None

    @property
    def carried(self) -> bool:
        """Whether at least 3 voted and at least 0.618 of them in favour."""
        return self.voters >= VOTERS_MIN and self.approvals >= APPROVAL_MIN * self.voters

    def document(self) -> dict[str, object]:
        """The vote as JSON values."""
        return {"approvals": self.approvals, "voters": self.voters, "approval": self.approval}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What is decided about a dimension; no action means that it waits, and for what."""

    dimension: str
    action: Action | None
    reason: str
    tally: Tally | None = None


def tally(votes: Mapping[str, bool | None]) -> Tally:
    """Count votes by dog; abstentions do not count."""
    cast = [vote for vote in votes.values() if vote is not None]
    return Tally(approvals=sum(cast), voters=len(cast))


def proposal(candidate: Candidate) -> Ruling:
    """Whether a candidate is ready for a vote."""
    if candidate.samples < SAMPLES_MIN:
        return Ruling(
            dimension=candidate.name,
            action=None,
            reason=f"{candidate.samples} of {SAMPLES_MIN} samples",
        )
    if candidate.confidence < CONFIDENCE_MIN:
        return Ruling(
            dimension=candidate.name,
            action=None,
            reason=f"confidence {candidate.confidence:.3f} is below {CONFIDENCE_MIN}",
        )
    return Ruling(dimension=candidate.name, action="propose", reason="enough evidence")


def decision(
    dimension: str,
    votes: Mapping[str, bool | None],
    now_seconds: float,
    promoted_at_seconds: Iterable[float] = (),
) -> Ruling:
    """Approve or reject a proposed dimension, or let it wait."""
    counted = tally(votes)
    if counted.voters < VOTERS_MIN:
        return Ruling(
            dimension=dimension,
            action=None,
            reason=f"{counted.voters} of at least {VOTERS_MIN} voters",
            tally=counted,
        )
    if not counted.carried:
        reason = f"approval {counted.approval:.3f} is below {APPROVAL_MIN}"
        return Ruling(dimension=dimension, action="reject", reason=reason, tally=counted)
    waits = _waits(now_seconds, list(promoted_at_seconds))
    return Ruling(
        dimension=dimension,
        action=None if waits else "approve",
        reason=waits or "approved",
        tally=counted,
    )


def retirement(dimension: str, votes: Mapping[str, bool | None]) -> Ruling:
    """Retire an added dimension, or keep it; a vote of True is for retiring."""
    counted = tally(votes)
    return Ruling(
        dimension=dimension,
        action="retire" if counted.carried else None,
        reason="retired" if counted.carried else "kept",
        tally=counted,
    )


def rank(candidate: Candidate, waiting_seconds: float) -> float:
    """Its place among candidates: confidence, and up to 0.236 for waiting a week."""
    waited = within(finite(waiting_seconds, "a wait"), 0.0, float("inf"), "a wait")
    return candidate.confidence + AGEING_MAX * min(1.0, waited / AGEING_SECONDS)


def in_turn(candidates: Iterable[tuple[Candidate, float]]) -> list[Candidate]:
    """Candidates with their seconds of waiting, the next to be voted on first."""
    ordered = sorted(candidates, key=lambda one: (-rank(*one), one[0].name))
    return [candidate for candidate, _ in ordered]


def promoted_name(candidate: Candidate, taken: Collection[str]) -> str:
    """{WEAK}_EXTENDED after its one weak dimension, else the first free DISCOVERED_n."""
    if len(candidate.weak) == 1 and (name := f"{candidate.weak[0]}_EXTENDED") not in taken:
        return name
    number = 1
    while f"DISCOVERED_{number}" in taken:
        number += 1
    return f"DISCOVERED_{number}"


def _waits(now_seconds: float, promoted: list[float]) -> str | None:
    finite(now_seconds, "a time")
    recent = [at for at in promoted if now_seconds - at < DAY_SECONDS]
    if len(recent) >= PROMOTIONS_A_DAY_MAX:
        return f"{len(recent)} promotions in the last 24 hours"
    if recent and now_seconds - max(recent) < COOLDOWN_SECONDS:
        return "less than 30 minutes since the last promotion"
    return None
