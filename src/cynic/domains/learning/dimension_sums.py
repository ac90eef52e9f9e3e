"""What answers say about the dimensions, as exact sums: in any order, and taken back, they give the same numbers.

Of each dimension n, Σx, Σx², Σy and Σxy over the decided answers whose judgment has it: x is the score in
ten-thousandths, y is 1 where the answer says that the item should have passed and -1 where not. (Σy² is n.) What is
correlated is therefore the dimension with what the item was worth, not with whether the judgment was right about it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self, TypedDict, cast

from cynic.domains.learning.bounds import PHI, PHI3, clamp
from cynic.domains.learning.sona import Seen, reach

if TYPE_CHECKING:
    from collections.abc import Mapping

UNIT: Final = 10_000
PRIOR: Final = 1 / PHI3
"""How many answers without a bias a person is taken to have given before the first."""


class Document(TypedDict):
    """The sums as they are kept."""

    answers: int
    found: int
    given: int
    dimensions: dict[str, list[int]]


@dataclass(slots=True, kw_only=True)
class Sums:
    """Of everybody's answers, or of one person's."""

    answers: int = 0
    """Decided ones, with or without dimensions."""
    found: int = 0
    """Items that should have passed, by the answers."""
    given: int = 0
    """Items that passed, by the judgments."""
    dimensions: dict[str, list[int]] = field(default_factory=dict[str, list[int]])

    def add(
        self, dimensions: Mapping[str, float], *, passed: bool, right_side: bool, times: int = 1
    ) -> None:
        """Count a decided answer, or with -1 take it back."""
        self.answers += times
        self.found += times * right_side
        self.given += times * passed
        y = times if right_side else -times
        for name, score in dimensions.items():
            x = round(score * UNIT)
            sums = self.dimensions.get(name)
            if sums is None:
                sums = self.dimensions[name] = [0, 0, 0, 0, 0]
            sums[0] += times
            sums[1] += times * x
            sums[2] += times * x * x
            sums[3] += y
            sums[4] += y * x

    def merge(self, other: Sums) -> None:
        """Add what others counted."""
        self.answers += other.answers
        self.found += other.found
        self.given += other.given
        for name, sums in other.dimensions.items():
            mine = self.dimensions.get(name)
            self.dimensions[name] = (
                list(sums) if mine is None else [a + b for a, b in zip(mine, sums, strict=True)]
            )

    def seen(self) -> dict[str, Seen]:
        """Dimension → what is known of it, for those that were seen."""
        return {
            name: Seen(sums[0], correlation(*sums), _reach(*sums[:4]))
            for name, sums in sorted(self.dimensions.items())
            if sums[0] > 0
        }

    @property
    def bias(self) -> float:
        """How much better (towards 0.618) or worse (-0.618) a person finds things than judgments do; 0 before the first answer."""
        return PHI * (self.found - self.given) / (self.answers + PRIOR)

    @property
    def rate(self) -> float:
        """How much the next answer counts in the bias: 0.236 at first, less with each."""
        return 1 / (self.answers + PRIOR)

    @classmethod
    def restored(cls, document: Mapping[str, object]) -> Self:
        """The sums as they were kept; an empty document has none."""
        if not document:
            return cls()
        kept = cast("Document", document)
        return cls(
            answers=kept["answers"],
            found=kept["found"],
            given=kept["given"],
            dimensions=kept["dimensions"],
        )

    def document(self) -> Document:
        """The sums to be kept."""
        return {
            "answers": self.answers,
            "found": self.found,
            "given": self.given,
            "dimensions": {name: sums for name, sums in self.dimensions.items() if any(sums)},
        }


def _reach(n: int, x: int, xx: int, y: int) -> float:
    scale = n * 100 * UNIT
    return reach(
        (x / scale, math.sqrt(max(0, n * xx - x * x)) / scale),
        (y / n, math.sqrt(max(0, n * n - y * y)) / n),
    )


def correlation(n: int, x: int, xx: int, y: int, xy: int) -> float | None:
    """Pearson's r; None when either side does not vary. Exact up to the last division."""
    spread = (n * xx - x * x) * (n * n - y * y)
    if n <= 0 or spread <= 0:
        return None
    return clamp((n * xy - x * y) / math.sqrt(spread), -1.0, 1.0)
