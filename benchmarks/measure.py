"""Paired measurement: ours and the limit in turn, several rounds, medians compared."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HEADER = f"{'what':50} {'ours':>9} {'limit':>9} {'ratio':>6} {'more':>8}  bar"


class Measured(Protocol):
    """What a benchmark yields: one printed line, and whether its bars hold."""

    @property
    def reached(self) -> bool:
        """Whether every bar holds."""
        ...

    def line(self) -> str:
        """The result as one line of the printed table."""
        ...


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
            f"{self.what:50} {_shown(self.ours_seconds)} {_shown(self.limit_seconds)} {self.ratio:6.2f}"
            f" {self.more_seconds:+7.3f}s  {_verdict(bars, reached=self.reached)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """Rates a second of ours and of the limit, round by round; the ratio is the median of the rounds' ratios."""

    what: str
    rounds: Sequence[tuple[float, float]]
    ratio_min: float | None = None
    """None for a line that only informs."""
    rate_min: float | None = None
    """What ours must reach a second, whatever the limit does."""

    @property
    def ratio(self) -> float:
        """Ours over the limit: each round was measured in one go, so that a slow minute slows both."""
        return statistics.median(ours / limit for ours, limit in self.rounds)

    @property
    def reached(self) -> bool:
        """Whether the bar holds."""
        ours = statistics.median(one for one, _ in self.rounds)
        held = ((self.ratio, self.ratio_min), (ours, self.rate_min))
        return all(minimum is None or value >= minimum for value, minimum in held)

    def line(self) -> str:
        """The result as one line of the printed table."""
        ours, limit = (statistics.median(side) for side in zip(*self.rounds, strict=True))
        bars = [f"ratio >= {self.ratio_min}"] if self.ratio_min is not None else []
        bars += [f">= {self.rate_min:.0f}/s"] if self.rate_min is not None else []
        return (
            f"{self.what:50} {ours:7.0f}/s {limit:7.0f}/s {self.ratio:6.2f} {'':8}"
            f"  {_verdict(bars, reached=self.reached)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One number against a bar; `peer` is what the field reaches, for the reader."""

    what: str
    ours: float
    peer: str
    bar: float | None
    """None for a line that only informs."""
    seeds: int
    seconds: float
    at_most: bool = False

    @property
    def reached(self) -> bool:
        """Whether the bar holds."""
        if self.bar is None:
            return True
        return self.ours <= self.bar if self.at_most else self.ours >= self.bar

    def line(self) -> str:
        """The result as one line of the printed table."""
        bars = [] if self.bar is None else [f"{'<=' if self.at_most else '>='} {self.bar}"]
        return (
            f"{self.what:50} {self.ours:9.4f}  peer {self.peer}; mean of {self.seeds} seeds,"
            f" {self.seconds:.0f} s  {_verdict(bars, reached=self.reached)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A benchmark that could not be run; it misses no bar."""

    what: str
    why: str
    reached: bool = True

    def line(self) -> str:
        """The result as one line of the printed table."""
        return f"{self.what:50} not measured: {self.why}"


def paired(
    ours: Callable[[], float], limit: Callable[[], float], rounds: int
) -> tuple[float, float]:
    """Run both in turn, the order swapped every round; each returns its own seconds. Medians."""
    first, second = zip(*pairs(ours, limit, rounds), strict=True)
    return statistics.median(first), statistics.median(second)


def pairs(
    ours: Callable[[], float], limit: Callable[[], float], rounds: int
) -> list[tuple[float, float]]:
    """Run both in turn, the order swapped every round; what each returned, round by round."""
    found: list[tuple[float, float]] = []
    for number in range(rounds):
        if number % 2:
            second = limit()
            found.append((ours(), second))
        else:
            found.append((ours(), limit()))
    return found


def seconds(action: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _shown(duration_seconds: float) -> str:
    if duration_seconds < 0.1:
        return f"{duration_seconds * 1000:7.3f}ms"
    return f"{duration_seconds:8.3f}s"


def _verdict(bars: Sequence[str], *, reached: bool) -> str:
    return f"{' and '.join(bars)}: {'reached' if reached else 'MISSED'}" if bars else "informs"
