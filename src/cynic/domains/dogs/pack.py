"""The eleven dogs, and a vote of one."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from cynic.base.verdict import passes

if TYPE_CHECKING:
    from collections.abc import Mapping

DOGS: Final = (
    "CYNIC",
    "Analyst",
    "Sage",
    "Scholar",
    "Guardian",
    "Oracle",
    "Architect",
    "Deployer",
    "Janitor",
    "Scout",
    "Cartographer",
)
GUARDIAN: Final = "Guardian"
VETO_BELOW: Final = Decimal("0.382")
"""A Guardian's score under this is a veto by itself (1/φ²)."""
ABSTENTION: Final = Decimal("0.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What one dog thinks of one item: 0 rejects, 0.5 abstains, 1 approves."""

    dog: str
    score: Decimal
    confidence: Decimal
    """Bounded: 0.618 times the probability of being right."""
    confidence_rule: str
    """given, probability, or distance when the writer gave neither."""
    veto: bool = False
    reasoning: str | None = None
    error: str | None = None
    """Why the dog could not vote; its score is then an abstention, and nothing is approved."""

    @property
    def abstains(self) -> bool:
        """Whether the vote takes no side."""
        return self.score == ABSTENTION

    @property
    def approves(self) -> bool:
        """Whether the vote is on the side of HOWL and WAG."""
        return passes(100 * self.score)

    @property
    def vetoes(self) -> bool:
        """Whether this vote alone withholds approval."""
        return self.dog == GUARDIAN and (self.veto or self.score < VETO_BELOW)


def mean_score(votes: tuple[Vote, ...], weights: Mapping[str, Decimal]) -> Decimal:
    """The weighted mean of the votes in [0, 1]; a dog without a weight counts 1. Needs at least one vote."""
    ordered = sorted(votes, key=attrgetter("dog"))
    if not weights:
        return sum([vote.score for vote in ordered], Decimal()) / len(ordered)
    total = sum((weights.get(vote.dog, Decimal(1)) for vote in ordered), Decimal())
    if not total:
        return mean_score(votes, {})
    summed = sum((weights.get(vote.dog, Decimal(1)) * vote.score for vote in ordered), Decimal())
    return summed / total
