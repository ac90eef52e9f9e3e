"""Have the values come to rest? A rule on the signed TD errors, and their rolling average.

The mean size of the error answers nothing: with noisy rewards it stays where the noise puts it, before and after the
values are right. The signed mean does: while values still move it has a side, at rest it has none. Converged means
|mean| ≤ 2 standard errors over the last updates, at least 100 of them. Drift is looked for in the rewards, see
`drift`: the values follow a change too fast for their errors to show it.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from operator import mul
from typing import TYPE_CHECKING, Final

from cynic.base.errors import InvalidDataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

UPDATES_MIN: Final = 100
STANDARD_ERRORS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TdSummary:
    """The last updates in numbers; None where there are too few to say."""

    updates: int
    rolling_abs_mean: float | None
    """Mean |TD error|: what `rolling_avg_td_error` shows."""
    signed_mean: float | None
    standard_error: float | None
    converged: bool | None


def summary(td_errors: Sequence[float], updates_min: int = UPDATES_MIN) -> TdSummary:
    """Judge a window of TD errors, in any order. Sums are exact (fsum): the same window gives the same bits."""
    count = len(td_errors)
    if not count:
        return TdSummary(
            updates=0, rolling_abs_mean=None, signed_mean=None, standard_error=None, converged=None
        )
    mean = math.fsum(td_errors) / count
    error = None
    if count > 1:
        squares = max(0.0, math.fsum(map(mul, td_errors, td_errors)) - count * mean * mean)
        error = math.sqrt(squares / (count - 1) / count)
    enough = error is not None and count >= updates_min
    return TdSummary(
        updates=count,
        rolling_abs_mean=math.fsum(map(abs, td_errors)) / count,
        signed_mean=mean,
        standard_error=error,
        converged=abs(mean) <= STANDARD_ERRORS * error if enough and error is not None else None,
    )


@dataclass(slots=True, kw_only=True)
class TdTracker:
    """A rolling window of TD errors. The last `window` journal rows restore it exactly after a crash."""

    window: int = UPDATES_MIN
    errors: deque[float] = field(init=False)

    def __post_init__(self) -> None:
        if self.window < UPDATES_MIN:
            raise InvalidDataError(f"a window of {self.window} is below {UPDATES_MIN} updates")
        self.errors = deque(maxlen=self.window)

    def update(self, td_error: float) -> TdSummary:
        """Add one error; what is no finite number is refused."""
        if not math.isfinite(td_error):
            raise InvalidDataError(f"a TD error is a finite number, not {td_error}")
        self.errors.append(td_error)
        return summary(self.errors)

    def restore(self, td_errors: Iterable[float]) -> None:
        """Fill the window from the journal, oldest first."""
        self.errors.extend(td_errors)

    def clear(self) -> None:
        """Begin anew, as after a drift: what was learned of the old world says nothing of the new one."""
        self.errors.clear()
