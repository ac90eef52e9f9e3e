"""Thompson sampling over Beta arms, one per dog.

Thompson 1933; Agrawal & Goyal 2012, algorithm 2: draw from each arm's Beta(alpha, beta), take the highest. Draws are compared
as they are, uncapped: a cap makes good arms tie. Ties are drawn by lot.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cynic.base.errors import InvalidDataError

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

PHI: Final = 0.618
EXPLORATION_MAX: Final = 0.382
EXPLORATION_MIN: Final = 0.05
PULLS_SCALE: Final = 200.0
DRAWS: Final = 1000
_PRIOR_VARIANCE: Final = 1 / 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """What is believed of one dog; Beta(1, 1) before the first outcome."""

    alpha: float = 1.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        if not (1 <= self.alpha < math.inf and 1 <= self.beta < math.inf):
            raise InvalidDataError(f"no arm Beta({self.alpha}, {self.beta})")

    def after(self, reward: float) -> Arm:
        """With one outcome more: 1 a success, 0 a failure, between them a part of each."""
        if not 0 <= reward <= 1:
            raise InvalidDataError(f"an outcome lies in [0, 1], not {reward}")
        return Arm(alpha=self.alpha + reward, beta=self.beta + 1 - reward)

    @property
    def pulls(self) -> float:
        """Outcomes so far."""
        return self.alpha + self.beta - 2

    @property
    def mean(self) -> float | None:
        """The expected success; None before the first outcome."""
        return self.alpha / (self.alpha + self.beta) if self.pulls else None

    @property
    def variance(self) -> float:
        """Of the belief: 1/12 before the first outcome, less with every further one."""
        total = self.alpha + self.beta
        return self.alpha * self.beta / (total * total * (total + 1))


NEW_ARM: Final = Arm()


def sample(arms: Mapping[str, Arm], dogs: Sequence[str], rng: random.Random) -> str:
    """The dog of the highest draw. A dog without an arm has a new one."""
    if not dogs:
        raise InvalidDataError("no dog to choose from")
    draws = [
        rng.betavariate(arm.alpha, arm.beta) for arm in (arms.get(dog, NEW_ARM) for dog in dogs)
    ]
    best = max(draws)
    tied = [dog for dog, draw in zip(dogs, draws, strict=True) if draw == best]
    return tied[0] if len(tied) == 1 else rng.choice(tied)


def propensities(
    arms: Mapping[str, Arm], dogs: Sequence[str], rng: random.Random, draws: int = DRAWS
) -> dict[str, float]:
    """How likely `sample` takes each dog, by Monte Carlo with one success of each added, so that none is 0."""
    counts = dict.fromkeys(dogs, 1)
    for _ in range(draws):
        counts[sample(arms, dogs, rng)] += 1
    return {dog: count / (draws + len(counts)) for dog, count in counts.items()}


def exploration(arms: Mapping[str, Arm]) -> float:
    """max(0.05, 0.382 · e^(-pulls/200)): how much is still tried rather than known."""
    pulls = math.fsum(arm.pulls for arm in arms.values())
    return max(EXPLORATION_MIN, EXPLORATION_MAX * math.exp(-pulls / PULLS_SCALE))


def maturity(arms: Mapping[str, Arm]) -> float | None:
    """0.618 · (1 - mean variance / that of a new arm), in [0, 0.618]; None before the first outcome.

    Against the variance of a new arm, not against the largest a Beta can have: else nothing known were mature.
    """
    if not any(arm.pulls for arm in arms.values()):
        return None
    mean = math.fsum(arm.variance for arm in arms.values()) / len(arms)
    return PHI * max(0.0, 1 - mean / _PRIOR_VARIANCE)
