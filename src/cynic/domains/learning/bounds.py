"""What a number may be before a loop learns from it: NaN and infinities are refused, never clamped."""

from __future__ import annotations

import math
from typing import Final

from cynic.base.errors import InvalidDataError
from cynic.base.phi import PHI_BOUND

PHI: Final = float(PHI_BOUND)
"""0.618, the largest confidence."""
PHI2: Final = 0.382
PHI3: Final = 0.236


def finite(value: float, what: str) -> float:
    """The value as it is, if it is a finite number."""
    if not math.isfinite(value):
        raise InvalidDataError(f"{what} is a finite number, not {value}")
    return value


def within(value: float, low: float, high: float, what: str) -> float:
    """The value as it is, if it lies in [low, high]."""
    if not low <= value <= high:
        raise InvalidDataError(f"{what} lies in [{low:g}, {high:g}], not {value}")
    return value


def unit(value: float, what: str) -> float:
    """The value as it is, if it lies in [0, 1]."""
    return within(value, 0.0, 1.0, what)


def clamp(value: float, low: float, high: float) -> float:
    """The nearest value in [low, high]; only for results, never for input."""
    return min(high, max(low, value))
