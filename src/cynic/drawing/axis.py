"""Scales: round numbers to write along an axis."""

from __future__ import annotations

import math

TICKS_MAX = 6


def ticks(low: float, high: float, *, most: int = TICKS_MAX, least: float = 0) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten in [low, high], some `most` of them and no closer than `least`."""
    rough = max((high - low) / most, least)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [place * step for place in range(first, last + 1)]
