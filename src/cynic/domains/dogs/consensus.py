"""What the pack agrees on: approval needs three voters, an agreement of 0.618, no veto and no error."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from cynic.base.verdict import Verdict, passes, verdict_of
from cynic.domains.dogs.pack import Vote, mean_score

if TYPE_CHECKING:
    from collections.abc import Mapping

VOTERS_MIN: Final = 3
AGREEMENT_MIN: Final = Decimal("0.618")
AGREEMENT_PLACES: Final = Decimal("0.000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """The pack's common answer beside the score; it never changes the verdict of the judgment."""

    approved: bool
    verdict: Verdict | None
    """The word for the mean of the votes; None when nobody took a side."""
    agreement: Decimal | None
    """Share of the voters on the side of `verdict`; None without voters."""
    voters: int
    """Votes that took a side; abstentions and errors do not count."""
    veto: bool
    reason: str

    def document(self) -> dict[str, object]:
        """The consensus as JSON values."""
        return {
            "approved": self.approved,
            "verdict": self.verdict,
            "agreement": None if self.agreement is None else float(self.agreement),
            "voters": self.voters,
            "veto": self.veto,
            "reason": self.reason,
        }


def consensus(votes: tuple[Vote, ...], weights: Mapping[str, Decimal]) -> Consensus:
    """Count the votes; whatever is in doubt is not approved."""
    voters = [vote for vote in votes if not vote.abstains]
    veto = any(vote.vetoes for vote in votes)
    if not voters:
        return Consensus(
            approved=False,
            verdict=None,
            agreement=None,
            voters=0,
            veto=veto,
            reason=_reason(votes, veto=veto, voters=0, agreement=Decimal(), approving=False),
        )
    score = 100 * mean_score(tuple(voters), weights)
    approving = passes(score)
    with_us = sum(vote.approves == approving for vote in voters)
    agreement = (Decimal(with_us) / len(voters)).quantize(AGREEMENT_PLACES)
    reason = _reason(votes, veto=veto, voters=len(voters), agreement=agreement, approving=approving)
    return Consensus(
        approved=reason == "approved",
        verdict=verdict_of(score),
        agreement=agreement,
        voters=len(voters),
        veto=veto,
        reason=reason,
    )


def _reason(
    votes: tuple[Vote, ...], *, veto: bool, voters: int, agreement: Decimal, approving: bool
) -> str:
    if veto:
        return "Guardian vetoes"
    if failed := sorted(vote.dog for vote in votes if vote.error is not None):
        return f"no vote from {', '.join(failed)}: an error"
    if voters < VOTERS_MIN:
        return f"{voters} of at least {VOTERS_MIN} voters"
    if agreement < AGREEMENT_MIN:
        return f"agreement {agreement.normalize():f} is below {AGREEMENT_MIN}"
    return "approved" if approving else "rejected"
