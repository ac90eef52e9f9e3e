"""Have the values come to rest? A rule on the signed TD errors, and their rolling average.

The mean size of the error answers nothing: with noisy rewards it stays where the noise puts it, before and after the
values are right. The signed mean does: while values still move it has a side, at rest it has none. Converged means
|mean| ≤ 2 standard errors over the last updates, at least 100 of them. Drift is looked for in the rewards, see
`drift`: the values follow a change too fast for their errors to show it.

Sums are of whole numbers of 2^-80, which every error of at least 2^-27 is: a window that rolls has the same sums as one
that is added up anew, in whatever order, so that a restart changes no bit.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cynic.base.errors import InvalidDataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

UPDATES_MIN: Final = 100
_UNIT: Final = 2.0**80
_UNITS: Final = 1 << 80
_SIZE_MAX: Final = 2.0**900
"""A larger error has no such whole number in a double."""


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
    """Judge a window of TD errors, in any order: the same window gives the same bits."""
    whole = [_whole(error) for error in td_errors]
    return _summary(
        (len(whole), sum(whole), sum(map(abs, whole)), sum(one * one for one in whole)), updates_min
    )


def _summary(sums: tuple[int, int, int, int], updates_min: int) -> TdSummary:
    count, total, sizes, squares = sums
    if not count:
        return TdSummary(
            updates=0, rolling_abs_mean=None, signed_mean=None, standard_error=None, converged=None
        )
    spread = count * squares - total * total
    return TdSummary(
        updates=count,
        rolling_abs_mean=sizes / (count * _UNITS),
        signed_mean=total / (count * _UNITS),
        standard_error=None
        if count < 2  # noqa: PLR2004  # one has no spread
        else math.sqrt(spread / (count * count * (count - 1) * _UNITS * _UNITS)),
        converged=_at_rest(count, total, squares) if count >= updates_min else None,
    )


def _at_rest(count: int, total: int, squares: int) -> bool:
    """|mean| ≤ 2 standard errors, multiplied out: (Σd)² · (n - 1) ≤ 4 · (n · Σd² - (Σd)²)."""
    return total * total * (count + 3) <= 4 * count * squares


@dataclass(slots=True, kw_only=True)
class TdTracker:
    """A rolling window of TD errors. The last `window` journal rows restore it exactly after a crash."""

    window: int = UPDATES_MIN
    errors: deque[int] = field(init=False)
    """In units of 2^-80."""
    total: int = field(init=False, default=0)
    sizes: int = field(init=False, default=0)
    squares: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if self.window < UPDATES_MIN:
            raise InvalidDataError(f"a window of {self.window} is below {UPDATES_MIN} updates")
        self.errors = deque()

    def update(self, td_error: float) -> TdSummary:
        """Add one error; what is no finite number is refused."""
        self.push(td_error)
        return _summary((len(self.errors), self.total, self.sizes, self.squares), UPDATES_MIN)

    def push(self, td_error: float) -> tuple[float, bool]:
        """Add one error; the mean size of the last ones, and whether they are known to be at rest."""
        one = _whole(td_error)
        errors = self.errors
        errors.append(one)
        if len(errors) > self.window:
            gone = errors.popleft()
            self.total += one - gone
            self.sizes += abs(one) - abs(gone)
            self.squares += one * one - gone * gone
        else:
            self.total += one
            self.sizes += abs(one)
            self.squares += one * one
        count = len(errors)
        return (
            self.sizes / (count * _UNITS),
            count >= UPDATES_MIN and _at_rest(count, self.total, self.squares),
        )

    def restore(self, td_errors: Iterable[float]) -> None:
        """Fill the window from the journal, oldest first."""
        for error in td_errors:
            self.push(error)

    def clear(self) -> None:
        """Begin anew, as after a drift: what was learned of the old world says nothing of the new one."""
        self.errors.clear()
        self.total = self.sizes = self.squares = 0


def _whole(td_error: float) -> int:
    if not -_SIZE_MAX < td_error < _SIZE_MAX:
        raise InvalidDataError(f"a TD error is a finite number, not {td_error}")
    return int(td_error * _UNIT)
