"""Drift detectors, fed one value at a time: Page-Hinkley, ADWIN and DDM, to River's results.

Page-Hinkley: Page 1954, with the forgetting of Gama et al. 2013. ADWIN: Bifet & Gavaldà 2007, the cut of section 3.2
with variances of Babcock et al. 2003 over an exponential histogram. DDM: Gama et al. 2004 (errors, 0 or 1). Feed the
first two rewards, not TD errors: values follow a change, and their errors then hide it.

Each starts anew on the update after a detection. A detector is a plain dataclass of numbers and lists: `state` and
`resume` carry it through JSON, so that a run that was interrupted goes on exactly.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, Self

from cynic.base.errors import InvalidDataError

if TYPE_CHECKING:
    from collections.abc import Mapping

BUCKETS_PER_ROW: Final = 5


class Detector(Protocol):
    """What learning needs of a detector."""

    def update(self, value: float) -> bool:
        """Take one value; True when it shows a change."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything it knows, as JSON values."""
        ...


class Resumable:
    """A dataclass whose fields are its whole state."""

    __slots__ = ()

    def state(self) -> dict[str, Any]:
        """Everything it knows, as JSON values."""
        return asdict(self)  # pyright: ignore[reportArgumentType]  # subclasses are dataclasses

    @classmethod
    def resume(cls, state: Mapping[str, Any]) -> Self:
        """The detector whose `state` this was."""
        return cls(**state)


@dataclass(slots=True, kw_only=True)
class PageHinkley(Resumable):
    """A change of the mean: the cumulative deviation departs from its extreme by more than `threshold`."""

    instances_min: int = 30
    delta: float = 0.005
    threshold: float = 50.0
    forgetting: float = 0.9999
    mode: Literal["both", "up", "down"] = "both"
    count: int = 0
    mean: float = 0.0
    sum_up: float = 0.0
    sum_down: float = 0.0
    least_up: float | None = None
    most_down: float | None = None
    detected: bool = False

    def update(self, value: float) -> bool:
        """Take one value; True when it shows a change."""
        _finite(value)
        if self.detected:
            self.count, self.mean, self.sum_up, self.sum_down = 0, 0.0, 0.0, 0.0
            self.least_up = self.most_down = None
        self.count += 1
        self.mean += (value - self.mean) / self.count
        deviation = value - self.mean
        self.sum_up = self.forgetting * self.sum_up + deviation - self.delta
        self.sum_down = self.forgetting * self.sum_down + deviation + self.delta
        self.least_up = self.sum_up if self.least_up is None else min(self.least_up, self.sum_up)
        self.most_down = (
            self.sum_down if self.most_down is None else max(self.most_down, self.sum_down)
        )
        rises = self.mode != "down" and self.sum_up - self.least_up > self.threshold
        falls = self.mode != "up" and self.most_down - self.sum_down > self.threshold
        self.detected = self.count >= self.instances_min and (rises or falls)
        return self.detected


@dataclass(slots=True, kw_only=True)
class Ddm(Resumable):
    """A rise of the error rate above its best by `drift_deviations` standard deviations; falls go unseen."""

    instances_min: int = 30
    warning_deviations: float = 2.0
    drift_deviations: float = 3.0
    count: int = 0
    rate: float = 0.0
    best_rate: float | None = None
    best_deviation: float | None = None
    warned: bool = False
    detected: bool = False

    def update(self, value: float) -> bool:
        """Take one outcome, 1 for an error and 0 for none; True when it shows a change."""
        if value not in {0, 1}:
            raise InvalidDataError(f"an outcome is 0 or 1, not {value}")
        if self.detected:
            self.count, self.rate = 0, 0.0
            self.best_rate = self.best_deviation = None
            self.warned = self.detected = False
        self.count += 1
        self.rate += (value - self.rate) / self.count
        deviation = math.sqrt(max(0.0, self.rate * (1 - self.rate)) / self.count)
        if self.count <= self.instances_min:
            return False
        level = self.rate + deviation
        if (
            self.best_rate is None
            or self.best_deviation is None
            or level <= self.best_rate + self.best_deviation
        ):
            self.best_rate, self.best_deviation = self.rate, deviation
        self.detected = level > self.best_rate + self.drift_deviations * self.best_deviation
        self.warned = (
            not self.detected
            and level > self.best_rate + self.warning_deviations * self.best_deviation
        )
        return self.detected


@dataclass(slots=True, kw_only=True)
class Adwin(Resumable):
    """A window as long as its mean is one mean: it is cut where two parts differ more than chance allows."""

    delta: float = 0.002
    clock: int = 32
    """Cuts are looked for on every `clock`-th value."""
    part_min: int = 5
    """Values that each part must have."""
    grace: int = 10
    """No cut while the window is not longer than this."""
    ticks: int = 0
    width: int = 0
    total: float = 0.0
    variance: float = 0.0
    """Sum of squared deviations from the mean of the window."""
    rows: list[list[list[float]]] = field(default_factory=lambda: [[]])
    """Row i holds buckets [total, squared deviations] of 2^i values each, oldest first; row 0 is the newest."""
    detected: bool = False
    change: float = 0.0
    """At a detection: by how much the mean of what is left of the window differs from that of the whole."""

    @property
    def mean(self) -> float | None:
        """The mean of the window; None when it is empty."""
        return self.total / self.width if self.width else None

    def update(self, value: float) -> bool:
        """Take one value; True when it shows a change."""
        _finite(value)
        if self.detected:
            self.ticks = self.width = 0
            self.total = self.variance = 0.0
            self.rows = [[]]
        self._insert(value)
        self.ticks += 1
        self.detected = False
        if self.ticks % self.clock == 0:
            whole = self.total / self.width
            while self.width > self.grace and self._has_cut():
                self.detected = True
                self._drop_oldest()
                self.change = self.total / self.width - whole
        return self.detected

    def _insert(self, value: float) -> None:
        self.rows[0].append([value, 0.0])
        self.width += 1
        if self.width > 1:
            away = value - self.total / (self.width - 1)
            self.variance += (self.width - 1) * away * away / self.width
        self.total += value
        for level, row in enumerate(self.rows):
            if len(row) <= BUCKETS_PER_ROW:
                break
            size = 1 << level
            (total_a, variance_a), (total_b, variance_b) = row[:2]
            away = total_a / size - total_b / size
            if level + 1 == len(self.rows):
                self.rows.append([])
            merged = [total_a + total_b, variance_a + variance_b + size * away * away / 2]
            self.rows[level + 1].append(merged)
            del row[:2]

    def _drop_oldest(self) -> None:
        size = 1 << (len(self.rows) - 1)
        total, variance = self.rows[-1].pop(0)
        self.width -= size
        self.total -= total
        away = total / size - self.total / self.width
        self.variance -= variance + size * self.width * away * away / (size + self.width)
        if not self.rows[-1]:
            self.rows.pop()

    def _has_cut(self) -> bool:
        """Whether some split into old and new shows two means."""
        spread = math.log(2 * math.log(self.width) / self.delta)
        noise = 2 * max(0.0, self.variance) / self.width * spread  # rounding can leave it below 0
        old, old_total, new, new_total = 0, 0.0, self.width, self.total
        for level in range(len(self.rows) - 1, -1, -1):
            size = 1 << level
            for total, _ in self.rows[level]:
                old += size
                new -= size
                old_total += total
                new_total -= total
                if old < self.part_min or new < self.part_min:
                    continue
                inverse = 1 / (old - self.part_min + 1) + 1 / (new - self.part_min + 1)
                bound = math.sqrt(noise * inverse) + 2 / 3 * spread * inverse
                if abs(old_total / old - new_total / new) > bound:
                    return True
        return False


def _finite(value: float) -> None:
    if not math.isfinite(value):
        raise InvalidDataError(f"a drift detector takes finite numbers, not {value}")
