"""The predictor of `residual`, fitted as feedback comes: sums that take an answer in, fade, and give it back.

The normal equations of ridge regression are sums over judgments, so that a fit needs no judgment twice. A judgment that
lies n answers back weighs (1 - 1/5000)^n: some 5000 answers are known, and what no longer holds is forgotten. Since its
place is known, so is its weight, and an answer that is taken back leaves the sums as if it had never come (rounding apart).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from operator import mul
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from cynic.domains.learning.newton import solve
from cynic.domains.learning.residual import JUDGMENTS_MAX, JUDGMENTS_MIN, RIDGE, Judged, Predictor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FADING: Final = 1 - 1 / JUDGMENTS_MAX
"""By which a judgment weighs less with every answer that comes after it."""
DIMENSIONS_MAX: Final = 64
"""Dimensions with a weight of their own, the first to be judged; the mean of a judgment has all of them in it."""


class Sample(NamedTuple):
    """A judgment that feedback scored, and the place of that answer."""

    place: int
    judged: Judged


@dataclass(slots=True, kw_only=True)
class Fit:
    """The sums over all judgments so far, of features 1, mean, and each dimension's distance from the mean."""

    names: list[str] = field(default_factory=list[str])
    counts: list[int] = field(default_factory=list[int])
    """Of each dimension, in how many judgments it was."""
    matrix: list[list[float]] = field(default_factory=lambda: [[0.0], [0.0, 0.0]])
    """Σ x·xᵀ, the lower triangle by rows."""
    vector: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """Σ x·(actual - mean), in hundreds of points."""
    judgments: int = 0
    place: int = 0
    """Of the last answer that the weights are as of."""

    @classmethod
    def read(cls, document: Mapping[str, object]) -> Self:
        """The fit whose `document` this was."""
        return cls(**dict(document))  # pyright: ignore[reportArgumentType]

    def document(self) -> dict[str, object]:
        """Everything it knows, as JSON values."""
        return {
            "names": self.names,
            "counts": self.counts,
            "matrix": self.matrix,
            "vector": self.vector,
            "judgments": self.judgments,
            "place": self.place,
        }

    def advance(self, place: int) -> None:
        """Let everything fade up to a later place."""
        fade = FADING ** max(0, place - self.place)
        self.matrix = [[fade * value for value in row] for row in self.matrix]
        self.vector = [fade * value for value in self.vector]
        self.place = max(self.place, place)

    def fold(self, samples: Sequence[Sample], sign: int = 1) -> None:
        """Take samples in, or with -1 back; their places are not after `place`."""
        if not samples:
            return
        at = self._places(samples)
        columns, missed = self._columns(samples, at)
        for i, column in enumerate(columns):
            if not any(column):
                continue
            self.vector[i] += sign * sum(map(mul, column, missed))
            row = self.matrix[i]
            for j in range(i + 1):
                row[j] += sign * sum(map(mul, column, columns[j]))
        self.judgments += sign * len(samples)
        for sample in samples:
            for name in sample.judged.dimensions:
                if name in at:
                    self.counts[at[name] - 2] += sign

    def predictor(self) -> Predictor | None:
        """The weights that the sums give; None with fewer than 30 judgments."""
        if self.judgments < JUDGMENTS_MIN:
            return None
        size = len(self.vector)
        full = [[*row, *(0.0,) * (size - len(row))] for row in self.matrix]
        for i in range(size):
            for j in range(i):
                full[j][i] = full[i][j]
            full[i][i] += RIDGE
        found = solve(full, self.vector)
        return Predictor(
            intercept=100 * found[0],
            slope=1 + found[1],
            weights=dict(zip(self.names, found[2:], strict=True)),
            judgments=self.judgments,
        )

    def _places(self, samples: Sequence[Sample]) -> dict[str, int]:
        """Dimension → its row; new ones get rows at the end, in order of their names."""
        known = set(self.names)
        new = sorted({name for one in samples for name in one.judged.dimensions} - known)
        for name in new[: max(0, DIMENSIONS_MAX - len(self.names))]:
            self.names.append(name)
            self.counts.append(0)
            self.vector.append(0.0)
            self.matrix.append([0.0] * len(self.vector))
        return {name: place for place, name in enumerate(self.names, start=2)}

    def _columns(
        self, samples: Sequence[Sample], at: Mapping[str, int]
    ) -> tuple[list[list[float]], list[float]]:
        """By feature its values in all samples, each times the root of the sample's weight; and the same of the target."""
        columns = [[0.0] * len(samples) for _ in self.vector]
        missed = [0.0] * len(samples)
        for number, (place, judged) in enumerate(samples):
            root = FADING ** ((self.place - place) / 2)
            mean = math.fsum(judged.dimensions.values()) / len(judged.dimensions) / 100
            columns[0][number] = root
            columns[1][number] = root * mean
            missed[number] = root * (judged.actual / 100 - mean)
            for name, score in judged.dimensions.items():
                if (row := at.get(name)) is not None:
                    columns[row][number] = root * (score / 100 - mean)
        return columns, missed
