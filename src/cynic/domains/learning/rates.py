"""Rates with how sure they are, running means, and how far two sets of dogs agree.

Wilson 1927 for intervals; Jeffreys' interval (Brown, Cai & DasGupta 2001, section 3) by the incomplete beta function
(continued fraction, Press et al. 2007, section 6.4). Without data there is no rate and no interval: None.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, NamedTuple

from cynic.base.errors import InvalidDataError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

ALPHA: Final = 0.05
"""Two-sided: intervals cover 95 %."""
_NORMAL: Final = NormalDist()
_TINY: Final = 1e-300
_PRECISION: Final = 1e-15
_TERMS_MAX: Final = 10_000


class Interval(NamedTuple):
    """Both ends within [0, 1]."""

    low: float
    high: float

    def overlaps(self, other: Interval) -> bool:
        """Whether some value lies in both."""
        return self.low <= other.high and other.low <= self.high


def rate(correct: int, total: int) -> float | None:
    """The share of `correct`; None without any."""
    return correct / total if _counted(correct, total) else None


def wilson(correct: int, total: int, alpha: float = ALPHA) -> Interval | None:
    """Wilson's score interval for correct / total; None without data."""
    if not _counted(correct, total):
        return None
    z = _NORMAL.inv_cdf(1 - alpha / 2)
    share = correct / total
    spread = z * math.sqrt((share * (1 - share) + z * z / (4 * total)) / total)
    middle, scale = share + z * z / (2 * total), 1 + z * z / total
    low = 0.0 if correct == 0 else (middle - spread) / scale
    high = 1.0 if correct == total else (middle + spread) / scale
    return Interval(max(0.0, low), min(1.0, high))


def jeffreys(correct: int, total: int, alpha: float = ALPHA) -> Interval | None:
    """The quantiles alpha/2 and 1-alpha/2 of Beta(correct + ½, wrong + ½); None without data."""
    if not _counted(correct, total):
        return None
    a, b = correct + 0.5, total - correct + 0.5
    return Interval(beta_quantile(alpha / 2, a, b), beta_quantile(1 - alpha / 2, a, b))


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    log_front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1) / (a + b + 2):
        return math.exp(log_front) * _beta_fraction(x, a, b) / a
    return 1 - math.exp(log_front) * _beta_fraction(1 - x, b, a) / b


def beta_quantile(p: float, a: float, b: float) -> float:
    """The x with I_x(a, b) = p, by halving until the interval is two neighbouring floats."""
    low, high = 0.0, 1.0
    while True:
        middle = (low + high) / 2
        if middle in {low, high}:
            return middle
        if beta_cdf(middle, a, b) < p:
            low = middle
        else:
            high = middle


def faded_means(values: Iterable[float], fading: float) -> Iterator[float]:
    """The means m ← f·x + (1-f)·m, begun at the first value (Gama et al. 2013); at f = 0.236 it halves in 2.6 values."""
    mean: float | None = None
    for value in values:
        mean = faded(mean, value, fading)
        yield mean


def faded(mean: float | None, value: float, fading: float) -> float:
    """One step of `faded_means`; None before the first value."""
    if not (math.isfinite(value) and 0 < fading <= 1):
        raise InvalidDataError(f"no mean of {value} fading by {fading}")
    return value if mean is None else fading * value + (1 - fading) * mean


def rolling_means(values: Iterable[float], window: int) -> Iterator[float]:
    """The mean of the last `window` values, of fewer at the start; exact sums, so that nothing builds up."""
    recent: deque[float] = deque(maxlen=window)
    for value in values:
        recent.append(value)
        yield math.fsum(recent) / len(recent)


def jaccard(chosen: Collection[str], wanted: Collection[str]) -> float | None:
    """What two sets share over all that is in either; None when both are empty."""
    one, other = set(chosen), set(wanted)
    return len(one & other) / len(one | other) if one or other else None


def exact_match(chosen: Collection[str], wanted: Collection[str]) -> bool | None:
    """Whether the two sets are the same; None when both are empty."""
    return set(chosen) == set(wanted) if chosen or wanted else None


def _counted(correct: int, total: int) -> bool:
    if not 0 <= correct <= total:
        raise InvalidDataError(f"{correct} of {total} is no rate")
    return total > 0


def _beta_fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of I_x(a, b), by Lentz' method."""
    c, d = 1.0, 1 / _safe(1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, _TERMS_MAX):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _safe(1 + term * d)
            c = _safe(1 + term / c)
            fraction *= d * c
        if abs(d * c - 1) < _PRECISION:
            break
    return fraction


def _safe(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
