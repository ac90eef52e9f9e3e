"""The Brier score and what it is made of.

Brier 1950: BS = mean (p - y)². CORP (Dimitriadis, Gneiting & Jordan 2021, eq. 5) splits it without bins, by isotonic
regression: BS = MCB - DSC + UNC. In bins (Murphy 1973) the split is exact only with the two terms within bins (Stephenson
et al. 2008, eq. 8): BS = REL - RES + UNC + WBV - WBC. CORP is what is shown; the bins belong to the curve.

Probabilities, not confidences: a stored confidence is unscaled first. Without rows there is no score.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cynic.domains.learning.bounds import clamp, unit
from cynic.domains.learning.calibration import BINS, Scored, bucket_of
from cynic.domains.learning.isotonic import isotonic

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Corp:
    """score = miscalibration - discrimination + uncertainty."""

    n: int
    score: float
    miscalibration: float
    discrimination: float
    uncertainty: float

    @property
    def skill(self) -> float | None:
        """1 - BS/UNC: 0 is the base rate, 1 perfect; None when only one outcome was seen."""
        return None if self.uncertainty == 0 else 1 - self.score / self.uncertainty


@dataclass(frozen=True, slots=True, kw_only=True)
class Murphy:
    """score = reliability - resolution + uncertainty + within_bin_variance - within_bin_covariance_x2."""

    reliability: float
    resolution: float
    uncertainty: float
    within_bin_variance: float
    within_bin_covariance_x2: float


def brier(rows: Sequence[Scored]) -> float | None:
    """The mean squared difference of probability and outcome; None without rows."""
    if not rows:
        return None
    return math.fsum((unit(row.p, "a probability") - row.hit) ** 2 for row in rows) / len(rows)


def corp(rows: Sequence[Scored]) -> Corp | None:
    """The score and its three parts; None without rows."""
    score = brier(rows)
    if score is None:
        return None
    rate = sum(row.hit for row in rows) / len(rows)
    uncertainty = rate * (1 - rate)
    fitted = isotonic([row.p for row in rows], [row.hit for row in rows])
    best = math.fsum((fitted(row.p) - row.hit) ** 2 for row in rows) / len(rows)
    return Corp(
        n=len(rows),
        score=score,
        miscalibration=score - best,
        discrimination=uncertainty - best,
        uncertainty=uncertainty,
    )


def murphy(rows: Sequence[Scored], bins: int = BINS) -> Murphy | None:
    """The five parts in equal bins, each bin standing for its mean forecast; None without rows."""
    if not rows:
        return None
    total = len(rows)
    rate = sum(row.hit for row in rows) / total
    held: dict[int, list[Scored]] = {}
    for row in rows:
        held.setdefault(bucket_of(row.p, bins), []).append(row)
    parts = [_bin_parts(inside, rate) for _, inside in sorted(held.items())]
    reliability, resolution, variance, covariance = (
        math.fsum(column) / total for column in zip(*parts, strict=True)
    )
    return Murphy(
        reliability=reliability,
        resolution=resolution,
        uncertainty=rate * (1 - rate),
        within_bin_variance=variance,
        within_bin_covariance_x2=2 * covariance,
    )


def log_loss(rows: Sequence[Scored]) -> float | None:
    """-mean ln of the probability given to what happened, kept within [ε, 1 - ε] of float64; None without rows."""
    if not rows:
        return None
    edge = sys.float_info.epsilon
    said = (clamp(unit(row.p, "a probability"), edge, 1 - edge) for row in rows)
    return -math.fsum(
        math.log(p) if row.hit else math.log1p(-p) for p, row in zip(said, rows, strict=True)
    ) / len(rows)


def _bin_parts(inside: Sequence[Scored], rate: float) -> tuple[float, float, float, float]:
    """Reliability, resolution, variance and covariance of one bin, each times its count."""
    count = len(inside)
    mean_p = math.fsum(row.p for row in inside) / count
    hits = sum(row.hit for row in inside) / count
    return (
        count * (mean_p - hits) ** 2,
        count * (hits - rate) ** 2,
        math.fsum((row.p - mean_p) ** 2 for row in inside),
        math.fsum((row.hit - hits) * (row.p - mean_p) for row in inside),
    )
