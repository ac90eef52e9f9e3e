"""Self-optimising adaptation: a dimension weighs more the more it foretells the outcome.

Pearson 1896's r between the scores of a dimension and the outcomes; its significance by Fisher 1921's z = atanh(r) · √(n - 3),
at 5 % shared by all dimensions (Bonferroni): among 36 dimensions of pure noise one or two would pass an unshared test.

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
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, NamedTuple

from cynic.domains.learning.bounds import PHI2, PHI3, clamp, finite, within

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

RATE: Final = PHI3
CHANGE_MAX: Final = PHI2
OBSERVATIONS_MIN: Final = 5
"""The contract's floor is 3, of which Fisher's z can say nothing; 5 is the least that could ever pass."""
SIGNIFICANCE: Final = 0.05
NEARLY: Final = 1e-6
"""A modifier so near to 1 that it aims at is 1: weights are used to six places."""


class Observation(NamedTuple):
    """A judgment's dimensions, 0 to 100, and how it turned out, in [-1, 1]."""

    dimensions: Mapping[str, float]
    outcome: float


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
    least = max(OBSERVATIONS_MIN, observations_min)
    seen = {
        name: (len(xs), pearson(xs, ys) if len(xs) >= least else None)
        for name, (xs, ys) in _by_dimension(observations).items()
    }
    return moved(seen, modifiers, locked=locked, observations_min=least)


def moved(
    seen: Mapping[str, tuple[int, float | None]],
    modifiers: Mapping[str, float],
    *,
    locked: Collection[str] = (),
    observations_min: int = OBSERVATIONS_MIN,
) -> dict[str, Adaptation]:
    """The same from how often each dimension was observed, and its correlation."""
    critical = NormalDist().inv_cdf(1 - SIGNIFICANCE / (2 * max(1, len(seen))))
    found: dict[str, Adaptation] = {}
    for name in sorted({*seen, *modifiers}):
        now = within(modifiers.get(name, 1.0), 1 - CHANGE_MAX, 1 + CHANGE_MAX, f"{name}'s modifier")
        n, r = seen.get(name, (0, None))
        if n < max(OBSERVATIONS_MIN, observations_min):
            r = None
        significant = r is not None and _z(r, n) >= critical
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


def _z(r: float, n: int) -> float:
    """|atanh(r)| · √(n - 3); a perfect correlation of more than three is infinitely significant."""
    if n <= 3:  # noqa: PLR2004  # Fisher's z needs more than three
        return 0.0
    return math.inf if abs(r) >= 1 else math.atanh(abs(r)) * math.sqrt(n - 3)
