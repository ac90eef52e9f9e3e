"""From a submission to the numbers of a judgment: score, verdict, bounded confidence, consensus. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from cynic.base.phi import confidence_from_probability
from cynic.base.verdict import Verdict, passes, verdict_of
from cynic.domains.core import score
from cynic.domains.dogs.consensus import Consensus, consensus
from cynic.domains.dogs.pack import mean_score

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cynic.domains.dogs.pack import Vote
    from cynic.flows.submission import Submission

CONFIDENCE_PLACES: Final = Decimal("0.000001")
NO_SHIFT: Final = Decimal()
SHIFTED_RULES: Final = frozenset({"votes", "distance"})
"""The rules whose probability what behaviour learned is added to."""
_HALF: Final = Decimal("0.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The numbers of one judgment, and which rules gave them."""

    q_score: Decimal
    verdict: Verdict
    confidence: Decimal
    axiom_scores: Mapping[str, Decimal | None]
    dimension_scores: Mapping[str, Decimal] | None
    consensus: Consensus | None
    score_rule: str
    """dimensions or votes."""
    confidence_rule: str
    """given, probability, calibrated, votes or distance."""


def evaluate(
    submission: Submission,
    *,
    weights: Mapping[str, Decimal] | None = None,
    calibrated: Mapping[bool, Decimal] | None = None,
    dimension_weights: Mapping[str, Decimal] = score.NO_WEIGHTS,
    confidence_shift: Decimal = NO_SHIFT,
) -> Evaluation:
    """Evaluate a submission that has dimensions, votes, or both.

    `weights` are the learned weights of the dogs (equal where one is missing); `calibrated` holds the
    probabilities that judgments of this kind which pass the item (True), or do not, turn out right, once enough of
    them had feedback. `dimension_weights` are those that do not weigh what the contract says; `confidence_shift` is
    added to a probability that neither the writer nor calibration gave.
    """
    weights = weights or {}
    voted = tuple(vote for vote in submission.votes if vote.error is None)
    axioms = score.axiom_means(submission.dimensions, submission.added, dimension_weights)
    if axioms:
        q = score.q_score(axioms)
    else:
        q = (100 * mean_score(voted, weights)).quantize(score.Q_PLACES)
    confidence, rule = _confidence(
        submission, voted, q, (calibrated or {}).get(passes(q)), confidence_shift
    )
    return Evaluation(
        q_score=q,
        verdict=verdict_of(q),
        confidence=confidence,
        axiom_scores=score.shown_axioms(axioms),
        dimension_scores=score.with_unnameable(submission.dimensions) if axioms else None,
        consensus=consensus(submission.votes, weights) if submission.votes else None,
        score_rule="dimensions" if axioms else "votes",
        confidence_rule=rule,
    )


def _confidence(
    submission: Submission,
    voted: tuple[Vote, ...],
    q: Decimal,
    calibrated: Decimal | None,
    shift: Decimal,
) -> tuple[Decimal, str]:
    """The writer's own, else 0.618 times a probability: calibrated, the votes' share, or the score's distance."""
    if submission.confidence is not None and submission.confidence_rule is not None:
        return submission.confidence, submission.confidence_rule
    if calibrated is not None:
        return confidence_from_probability(calibrated).quantize(CONFIDENCE_PLACES), "calibrated"
    if voted:
        side = passes(q)
        with_us = sum([not v.abstains and v.approves == side for v in voted])
        probability, rule = Decimal(with_us) / len(voted), "votes"
    else:
        probability, rule = _HALF + abs(q - 50) / 100, "distance"
    shifted = min(Decimal(1), max(Decimal(), probability + shift))
    return confidence_from_probability(shifted).quantize(CONFIDENCE_PLACES), rule
