"""Whether scores rise while tasks are done: the last quarter of them against the first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist, fmean, variance
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

TASKS_MIN: Final = 40
"""Ten in a quarter: below, a standard error says little."""
INTERVAL: Final = 0.95

Says = Literal["better", "not better", "cannot be told"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """The mean score of the first and of the last quarter, and an interval of their difference."""

    first: float
    last: float
    low: float | None
    """The 95 % interval of last - first; None with fewer than 40 tasks."""
    high: float | None

    @property
    def difference(self) -> float:
        """Last less first."""
        return self.last - self.first

    @property
    def says(self) -> Says:
        """What the interval allows to say: only one that leaves out the other sign says anything."""
        if self.low is not None and self.low > 0:
            return "better"
        if self.high is not None and self.high <= 0:
            return "not better"
        return "cannot be told"

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "first_quarter": round(self.first, 4),
            "last_quarter": round(self.last, 4),
            "difference": round(self.difference, 4),
            "low": None if self.low is None else round(self.low, 4),
            "high": None if self.high is None else round(self.high, 4),
            "says": self.says,
            "words": self.words(),
        }

    def words(self) -> str:
        """As a line of text."""
        if self.low is None or self.high is None:
            return f"too few tasks to tell whether it gets better; {TASKS_MIN} are needed"
        return (
            f"first quarter {self.first:.3f}, last quarter {self.last:.3f}: a difference of {self.difference:+.3f}"
            f" (95 % interval {self.low:+.3f} to {self.high:+.3f})"
        )


def of(scores: Sequence[float]) -> Trend:
    """The trend of scores in the order in which they were earned; at least one."""
    size = quarter(len(scores))
    first, last = scores[:size], scores[-size:]
    means = fmean(first), fmean(last)
    if len(scores) < TASKS_MIN:
        return Trend(first=means[0], last=means[1], low=None, high=None)
    error = math.sqrt((variance(first) + variance(last)) / size)
    reach = _quantile(2 * size - 2) * error
    middle = means[1] - means[0]
    return Trend(first=means[0], last=means[1], low=middle - reach, high=middle + reach)


def quarter(count: int) -> int:
    """How many of `count` tasks a quarter is."""
    return max(1, round(0.25 * count))


def _quantile(freedom: int) -> float:
    """Student's two-sided quantile by the first term of its expansion about the normal one (Fisher & Cornish 1960)."""
    z = NormalDist().inv_cdf(0.5 + INTERVAL / 2)
    return z + (z**3 + z) / (4 * freedom)
