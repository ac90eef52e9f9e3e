"""How well stated probabilities agree with what came true: bins, curve, ECE with its interval, MCE.

Naeini et al. 2015; Guo et al. 2017, eqs. 2-5: ECE = Σ n_b/N · |hits_b - mean p_b| over equal bins, MCE the largest term.
The bin of p is min(9, floor(10 p)), [a, b) with the last one closed, as the database derives it.

A stored confidence is a scaled probability (c = 0.618 · p); everything here takes p. `unscaled` undoes the scale in
decimals, so that a probability on an edge of a bin stays on its side of it.

ECE is biased upwards when rows are few (Roelofs et al. 2022): it is given with n and with the basic bootstrap interval
(Davison & Hinkley 1997, eq. 5.6), which reflects that bias instead of doubling it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from cynic.base.errors import InvalidDataError
from cynic.base.phi import probability_from_confidence
from cynic.domains.learning.bounds import unit

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence
    from decimal import Decimal

BINS: Final = 10
RESAMPLES: Final = 1000
COVERAGE: Final = 0.95
ROWS_RESAMPLED_MAX: Final = 200
"""Up to here rows are drawn one by one; beyond, the sums of the bins are drawn from their normal limit."""


ROWS_MIN: Final = 2
"""Before, resampling gives the same row again and again."""
SPREAD_MIN: Final = 1e-12
"""Resamples that differ by less differ by rounding."""


class Scored(NamedTuple):
    """A probability and whether the predicted outcome came true."""

    p: float
    hit: bool


@dataclass(frozen=True, slots=True)
class Bin:
    """One tenth of the curve that holds at least one row."""

    bucket: int
    count: int
    mean_p: float
    hit_rate: float

    @property
    def gap(self) -> float:
        """How far the hit rate is from what was said."""
        return abs(self.hit_rate - self.mean_p)


@dataclass(frozen=True, slots=True)
class Calibration:
    """The summary of at least one row."""

    n: int
    ece: float
    ece_low: float | None
    ece_high: float | None
    """The 95 % bootstrap interval, which always holds `ece`; None when resampling cannot say how sure it is."""
    ece_root_mean_square: float
    """As ECE, the gaps squared: weighs large gaps more."""
    mce: float
    ace: float
    """The mean gap of the bins, whatever their counts."""
    curve: tuple[Bin, ...]


def unscaled(confidence: Decimal) -> float:
    """The probability behind a stored confidence: p = c / 0.618."""
    return float(probability_from_confidence(confidence))


def scored(confidence: Decimal, predicted: str, actual: str | None) -> Scored | None:
    """A stored prediction as it is judged; None when it is unresolved or partial, which is no miss."""
    if actual is None or actual == "partial":
        return None
    return Scored(unscaled(confidence), predicted == actual)


def bucket_of(p: float, bins: int = BINS) -> int:
    """The bin of a probability, from 0."""
    return min(bins - 1, math.floor(unit(p, "a probability") * bins))


def curve(rows: Sequence[Scored], bins: int = BINS) -> tuple[Bin, ...]:
    """Said against seen by equal bins, in order; a bin without rows is left out."""
    return _curve(rows, lambda p: bucket_of(p, bins))


def equal_mass_curve(rows: Sequence[Scored], bins: int = BINS) -> tuple[Bin, ...]:
    """The same with about as many rows in each bin: (a, b] between interpolated quantiles of p."""
    ordered = sorted(unit(row.p, "a probability") for row in rows)
    if not ordered:
        return ()
    edges = [quantile(ordered, place / bins) for place in range(1, bins)]
    return _curve(rows, lambda p: bisect_left(edges, p))


def calibration(
    rows: Sequence[Scored], rng: random.Random, *, bins: int = BINS, resamples: int = RESAMPLES
) -> Calibration | None:
    """ECE, its interval, MCE and the curve; None without rows."""
    if not rows:
        return None
    filled = curve(rows, bins)
    ece = _ece(filled, len(rows))
    interval = _interval(rows, ece, rng, bins=bins, resamples=resamples)
    low, high = interval or (None, None)
    return Calibration(
        n=len(rows),
        ece=ece,
        ece_low=low,
        ece_high=high,
        ece_root_mean_square=math.sqrt(math.fsum(b.count * b.gap**2 for b in filled) / len(rows)),
        mce=max(b.gap for b in filled),
        ace=math.fsum(b.gap for b in filled) / len(filled),
        curve=filled,
    )


def expected_error(rows: Sequence[Scored], bins: int = BINS) -> float | None:
    """ECE alone; None without rows."""
    return _ece(curve(rows, bins), len(rows)) if rows else None


def _ece(filled: Sequence[Bin], total: int) -> float:
    return math.fsum(b.count * b.gap for b in filled) / total


def _curve(rows: Sequence[Scored], bin_of: Callable[[float], int]) -> tuple[Bin, ...]:
    held: dict[int, list[Scored]] = {}
    for row in rows:
        held.setdefault(bin_of(row.p), []).append(row)
    return tuple(
        Bin(
            bucket=bucket,
            count=len(inside),
            mean_p=math.fsum(row.p for row in inside) / len(inside),
            hit_rate=sum(row.hit for row in inside) / len(inside),
        )
        for bucket, inside in sorted(held.items())
    )


def _interval(
    rows: Sequence[Scored], ece: float, rng: random.Random, *, bins: int, resamples: int
) -> tuple[float, float] | None:
    """[2·ECE - q_high, 2·ECE - q_low] of resampled ECEs, within [0, 1] and wide enough to hold ECE itself.

    None when there is one row, or when all resamples have the same ECE: such rows cannot show how far it might be off.
    """
    if resamples < 1:
        raise InvalidDataError("an interval needs at least one resample")
    tail = (1 - COVERAGE) / 2
    # A bin adds |Σ (hit - p)| / N, so a resample needs only these signed sums, never the rows again.
    misses = [(bucket_of(row.p, bins), row.hit - row.p) for row in sorted(rows)]
    draw = _drawn_rows if len(rows) <= ROWS_RESAMPLED_MAX else _drawn_sums
    drawn = sorted(
        math.fsum(map(abs, sums)) / len(rows) for sums in draw(misses, rng, bins, resamples)
    )
    if len(rows) < ROWS_MIN or drawn[-1] - drawn[0] <= SPREAD_MIN:
        return None
    low = 2 * ece - quantile(drawn, 1 - tail)
    high = 2 * ece - quantile(drawn, tail)
    return max(0.0, min(low, ece)), min(1.0, max(high, ece))


def _drawn_rows(
    misses: Sequence[tuple[int, float]], rng: random.Random, bins: int, resamples: int
) -> list[list[float]]:
    """Efron's bootstrap: as many rows as there are, drawn with replacement."""
    found: list[list[float]] = []
    for _ in range(resamples):
        sums = [0.0] * bins
        for bucket, miss in rng.choices(misses, k=len(misses)):
            sums[bucket] += miss
        found.append(sums)
    return found


def _drawn_sums(
    misses: Sequence[tuple[int, float]], rng: random.Random, bins: int, resamples: int
) -> list[list[float]]:
    """The Poisson bootstrap (Hanley & MacGibbon 2006) in its limit: each sum is normal, with variance Σ miss²."""
    means, squares = [0.0] * bins, [0.0] * bins
    for bucket, miss in misses:
        means[bucket] += miss
        squares[bucket] += miss * miss
    spreads = [math.sqrt(square) for square in squares]
    return [
        [rng.gauss(mean, spread) for mean, spread in zip(means, spreads, strict=True)]
        for _ in range(resamples)
    ]


def quantile(ordered: Sequence[float], share: float) -> float:
    """Linear interpolation between the order statistics."""
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
