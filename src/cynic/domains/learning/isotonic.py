"""The best non-decreasing fit: pool adjacent violators (Ayer et al. 1955; Barlow et al. 1972, section 1.2)."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cynic.base.errors import InvalidDataError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Isotonic:
    """A non-decreasing map through the points (x, value): linear between them, constant beyond them."""

    xs: tuple[float, ...]
    """Strictly increasing."""
    values: tuple[float, ...]
    """Non-decreasing."""

    def __call__(self, x: float) -> float:
        """The value at x."""
        right = bisect_right(self.xs, x)
        if right == 0:
            return self.values[0]
        if right == len(self.xs):
            return self.values[-1]
        x0, x1 = self.xs[right - 1], self.xs[right]
        v0, v1 = self.values[right - 1], self.values[right]
        return v0 + (v1 - v0) * (x - x0) / (x1 - x0)


def isotonic(xs: Sequence[float], ys: Sequence[float]) -> Isotonic:
    """Minimise Σ (f(x) - y)² over non-decreasing f; equal xs share one value. O(n log n); without data refused."""
    if not xs:
        raise InvalidDataError("no map can be fitted to no data")
    means: list[float] = []
    weights: list[int] = []
    points: list[tuple[float, float, int]] = _tied(xs, ys)
    starts: list[int] = []
    for place, (_, mean, weight) in enumerate(points):
        means.append(mean)
        weights.append(weight)
        starts.append(place)
        while len(means) > 1 and means[-2] >= means[-1]:
            total = weights[-2] + weights[-1]
            means[-2] += (means[-1] - means[-2]) * (weights[-1] / total)
            weights[-2] = total
            del means[-1], weights[-1], starts[-1]
    ends = [*starts[1:], len(points)]
    values = [
        mean
        for mean, start, end in zip(means, starts, ends, strict=True)
        for _ in range(start, end)
    ]
    return Isotonic(tuple(x for x, _, _ in points), tuple(values))


def _tied(xs: Sequence[float], ys: Sequence[float]) -> list[tuple[float, float, int]]:
    """(x, mean y, count) for each distinct x, in order."""
    grouped: dict[float, tuple[float, int]] = {}
    for x, y in zip(xs, ys, strict=True):
        total, count = grouped.get(x, (0.0, 0))
        grouped[x] = (total + y, count + 1)
    return [(x, total / count, count) for x, (total, count) in sorted(grouped.items())]
