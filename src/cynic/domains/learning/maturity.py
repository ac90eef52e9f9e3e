"""How far a loop has come: four parts in [0, 1] and their geometric mean.

No primary source names this measure. The geometric mean is that of composite indicators of which no part may make up for
another (OECD/JRC 2008, section 6): any 0 gives 0, and a part that was not measured gives None, never 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from cynic.base.errors import InvalidDataError
from cynic.domains.learning.bounds import clamp, unit
from cynic.domains.learning.rates import wilson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OUTCOMES_MIN: Final = 30
"""A cell (context and dog) is covered from here on."""
RECOVERY_UPDATES_MAX: Final = 1000
"""A loop that needs so many updates after a drift has not adapted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maturity:
    """The parts of one loop; None was not measured."""

    data_coverage: float | None
    convergence: float | None
    accuracy: float | None
    adaptability: float | None

    def __post_init__(self) -> None:
        for name in ("data_coverage", "convergence", "accuracy", "adaptability"):
            value: float | None = getattr(self, name)
            if value is not None:
                unit(value, name)

    @property
    def maturity(self) -> float | None:
        """The geometric mean of all four."""
        parts = (self.data_coverage, self.convergence, self.accuracy, self.adaptability)
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        return clamp(math.prod(known) ** (1 / len(known)), 0.0, 1.0)


def data_coverage(outcomes_by_cell: Mapping[Any, int], cells: int) -> float | None:
    """The share of all `cells` with at least 30 outcomes; None when there is no cell."""
    if len(outcomes_by_cell) > cells:
        raise InvalidDataError(f"{len(outcomes_by_cell)} cells have outcomes, of {cells}")
    if not cells:
        return None
    return sum(count >= OUTCOMES_MIN for count in outcomes_by_cell.values()) / cells


def convergence(converged_by_cell: Mapping[Any, bool]) -> float | None:
    """The share of the active cells that have converged; None when none is active."""
    return sum(converged_by_cell.values()) / len(converged_by_cell) if converged_by_cell else None


def accuracy(correct: int, total: int) -> float | None:
    """The lower end of Wilson's interval: few answers are little accuracy; None without answers."""
    interval = wilson(correct, total)
    return None if interval is None else interval.low


def adaptability(recovery_updates: Sequence[float]) -> float:
    """1 - median updates to recover / 1000, after each drift; 1 when nothing has drifted."""
    if not recovery_updates:
        return 1.0
    if not all(0 <= count < math.inf for count in recovery_updates):
        raise InvalidDataError("updates to recover are counted from 0")
    return clamp(1 - median(recovery_updates) / RECOVERY_UPDATES_MAX, 0.0, 1.0)
