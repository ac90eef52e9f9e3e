"""Self-optimising adaptation: a dimension weighs more the more it foretells the outcome.

Pearson 1896's r between the scores of a dimension and the outcomes. It is significant when chance would hardly make it: of
outcomes that know nothing of the scores, |r| is at least so large with a probability of at most

    2 · exp(-n · r² / (2 · (1 + reach · |r| / 3)))

by Bernstein's inequality (Boucheron, Lugosi & Massart 2013, theorem 2.10), `reach` being the largest product of deviations that
one observation can have, in standard deviations of both sides. It holds for any n, and for scores and outcomes that are
lopsided, where Fisher's z does not: with five answers and two different scores, r is often 1 by chance. The 5 % are shared by
all dimensions (Bonferroni): among 36 dimensions of pure noise one or two would pass an unshared test.

A weight is its base times a modifier in [1 - 0.382, 1 + 0.382]. A significant correlation aims at 1 + 0.382 · r, any other at
1; the modifier moves 0.236 of the way there, so that the same data again and again lead to a limit, never to a bound. Fewer
than the least observations say nothing and leave it where it is; so does a lock.

A public predecessor of this loop asks for |r| of at least 0.382 (φ⁻²) besides. That floor is left out: an outcome is one bit, and
with one bit r is point-biserial, of which 0.38 is a very large effect (Cohen 1988 calls 0.37 large; it stands for d = 0.8). Of
36 dimensions that each tell a little none reaches it, and nothing would be learned. A weak correlation moves its weight by
little as it is. Each cycle tests anew, so that a false alarm comes now and then; what it moves is given back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Final, NamedTuple

from cynic.domains.learning.bounds import PHI2, PHI3, clamp, finite, within

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

RATE: Final = PHI3
CHANGE_MAX: Final = PHI2
OBSERVATIONS_MIN: Final = 30
"""The contract's floor is 3; fewer than 30 pass the test only where the two sides go together nearly without exception."""
SIGNIFICANCE: Final = 0.05
NEARLY: Final = 1e-6
"""A modifier so near to 1 that it aims at is 1: weights are used to six places."""


class Observation(NamedTuple):
    """A judgment's dimensions, 0 to 100, and how it turned out, in [-1, 1]."""

    dimensions: Mapping[str, float]
    outcome: float


class Seen(NamedTuple):
    """What was observed of one dimension."""

    n: int
    correlation: float | None
    """Pearson's r; None when either side does not vary."""
    reach: float
    """The largest product of the deviations of a score and an outcome, in standard deviations of both."""

    def chance(self) -> float:
        """At most the probability that outcomes that know nothing of the scores correlate so much; 1 where nothing is known."""
        if self.correlation is None:
            return 1.0
        r = abs(self.correlation)
        return min(1.0, 2 * math.exp(-self.n * r * r / (2 * (1 + self.reach * r / 3))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptation:
    """What was seen of one dimension and where its modifier went."""

    n: int
    correlation: float | None
    """None without at least two different scores and two different outcomes."""
    significant: bool
    modifier: float
    delta: float
    """0 when locked, when too little was seen, and at the limit."""
    locked: bool


NOTHING: Final = Seen(0, None, math.inf)


def pearson(xs: Sequence[float], ys: Sequence[float]) -> float | None:
    """Pearson's r in [-1, 1]; None when either side does not vary."""
    # fsum is exact, so the order of the observations cannot show.
    pairs = list(zip(xs, ys, strict=True))
    if not pairs or len(set(xs)) == 1 or len(set(ys)) == 1:
        return None
    mean_x = math.fsum(x for x, _ in pairs) / len(pairs)
    mean_y = math.fsum(y for _, y in pairs) / len(pairs)
    together = math.fsum((x - mean_x) * (y - mean_y) for x, y in pairs)
    spread_x = math.fsum((x - mean_x) ** 2 for x, _ in pairs)
    spread_y = math.fsum((y - mean_y) ** 2 for _, y in pairs)
    scale = math.sqrt(spread_x) * math.sqrt(spread_y)
    return None if scale == 0 else clamp(together / scale, -1.0, 1.0)


def adapted(
    observations: Sequence[Observation],
    modifiers: Mapping[str, float],
    *,
    locked: Collection[str] = (),
    observations_min: int = OBSERVATIONS_MIN,
) -> dict[str, Adaptation]:
    """One step for every dimension that was observed or has a modifier; a new one starts at 1."""
    seen = {
        name: Seen(len(xs), pearson(xs, ys), _reach_of(xs, ys))
        for name, (xs, ys) in _by_dimension(observations).items()
    }
    return moved(seen, modifiers, locked=locked, observations_min=observations_min)


def moved(
    seen: Mapping[str, Seen],
    modifiers: Mapping[str, float],
    *,
    locked: Collection[str] = (),
    observations_min: int = OBSERVATIONS_MIN,
) -> dict[str, Adaptation]:
    """The same from what was seen of each dimension."""
    at_most = SIGNIFICANCE / max(1, len(seen))
    found: dict[str, Adaptation] = {}
    for name in sorted({*seen, *modifiers}):
        now = within(modifiers.get(name, 1.0), 1 - CHANGE_MAX, 1 + CHANGE_MAX, f"{name}'s modifier")
        one = seen.get(name, NOTHING)
        n, r, _ = one
        if n < max(OBSERVATIONS_MIN, observations_min):
            r = None
        significant = r is not None and one.chance() <= at_most
        aim = 1 + CHANGE_MAX * r if r is not None and significant else 1.0
        moves = r is not None and name not in locked
        then = _nearer(now, aim) if moves else now
        found[name] = Adaptation(
            n=n,
            correlation=r,
            significant=significant,
            modifier=then,
            delta=then - now,
            locked=name in locked,
        )
    return found


def strongest(found: Mapping[str, Adaptation]) -> str | None:
    """The dimension of the largest |r|, of the significant ones where there are any; None where no r is known."""
    known = [
        (not one.significant, -abs(one.correlation), name)
        for name, one in found.items()
        if one.correlation is not None
    ]
    return min(known)[2] if known else None


def weights(base: Mapping[str, float], modifiers: Mapping[str, float]) -> dict[str, float]:
    """The weight of each dimension: its base times its modifier, 1 for one that has none."""
    return {name: weight * modifiers.get(name, 1.0) for name, weight in base.items()}


def _nearer(now: float, aim: float) -> float:
    then = now + RATE * (aim - now)
    return 1.0 if aim == 1 and abs(then - 1) < NEARLY else then


def _by_dimension(
    observations: Sequence[Observation],
) -> dict[str, tuple[list[float], list[float]]]:
    seen: dict[str, tuple[list[float], list[float]]] = {}
    for dimensions, outcome in observations:
        within(outcome, -1.0, 1.0, "an outcome")
        for name, score in dimensions.items():
            xs, ys = seen.setdefault(name, ([], []))
            xs.append(within(finite(score, name), 0.0, 100.0, name))
            ys.append(outcome)
    return seen


def reach(x: tuple[float, float], y: tuple[float, float]) -> float:
    """Of (mean, standard deviation) of scores in [0, 1] and outcomes in [-1, 1]: how far both can be from their means at once."""
    (mean_x, deviation_x), (mean_y, deviation_y) = x, y
    scale = deviation_x * deviation_y
    return max(mean_x, 1 - mean_x) * (1 + abs(mean_y)) / scale if scale > 0 else math.inf


def _reach_of(xs: Sequence[float], ys: Sequence[float]) -> float:
    shares = [x / 100 for x in xs]
    return reach((fmean(shares), pstdev(shares)), (fmean(ys), pstdev(ys)))
