"""Paired measurement: ours and the limit in turn, several rounds, medians compared."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Medians in seconds of ours and of the limit, and the bar they are held against."""

    what: str
    ours_seconds: float
    limit_seconds: float
    ratio_max: float | None = None
    more_seconds_max: float | None = None
    seconds_max: float | None = None
    """How long ours may take, whatever the limit took."""

    @property
    def ratio(self) -> float:
        """Ours over the limit."""
        return self.ours_seconds / self.limit_seconds

    @property
    def more_seconds(self) -> float:
        """Ours beyond the limit."""
        return self.ours_seconds - self.limit_seconds

    @property
    def reached(self) -> bool:
        """Whether every bar holds."""
        held = (
            (self.ratio, self.ratio_max),
            (self.more_seconds, self.more_seconds_max),
            (self.ours_seconds, self.seconds_max),
        )
        return all(maximum is None or value <= maximum for value, maximum in held)

    def line(self) -> str:
        """The result as one line of the printed table."""
        bars = [f"ratio <= {self.ratio_max}"] if self.ratio_max is not None else []
        bars += [f"<= {self.more_seconds_max} s more"] if self.more_seconds_max is not None else []
        bars += [f"<= {self.seconds_max} s"] if self.seconds_max is not None else []
        return (
            f"{self.what:44} {self.ours_seconds:8.3f}s {self.limit_seconds:8.3f}s {self.ratio:6.2f}"
            f" {self.more_seconds:+7.3f}s  {' and '.join(bars)}: {'reached' if self.reached else 'MISSED'}"
        )


def paired(
    ours: Callable[[], float], limit: Callable[[], float], rounds: int
) -> tuple[float, float]:
    """Run both in turn, the order swapped every round; each returns its own seconds. Medians."""
    first: list[float] = []
    second: list[float] = []
    for number in range(rounds):
        if number % 2:
            second.append(limit())
            first.append(ours())
        else:
            first.append(ours())
            second.append(limit())
    return statistics.median(first), statistics.median(second)


def seconds(action: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started
