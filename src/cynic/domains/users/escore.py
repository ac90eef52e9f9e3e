"""The E-score: how much a person has contributed, from seven parts of 0 to 100 each.

Pure arithmetic over counts. Parts for which nothing is known stay out of the sum and of its weights: what was
not measured is not zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import log, log10
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_PHI: Final = (1 + 5**0.5) / 2
WEIGHTS: Final[Mapping[str, float]] = {
    "hold": 1 / _PHI,
    "burn": _PHI,
    "use": 1.0,
    "build": _PHI,
    "run": 1 / _PHI,
    "refer": 1 / _PHI**2,
    "time": 1 / _PHI**2,
}
USE_WINDOW_DAYS: Final = 30
USE_SATURATES: Final = 10 * USE_WINDOW_DAYS
"""Judgments in the window beyond which the part `use` is full: counting may stop there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of one person; None where nothing can be known."""

    days_known: float
    """Since the person was first named."""
    judgments_in_window: int
    answers_given: int
    burned: int | None
    """Tokens burned by the person's wallet; None without a wallet."""


def parts(facts: Facts) -> dict[str, Decimal]:
    """The parts that can be measured, each 0 to 100, to two places."""
    window = min(max(facts.days_known, 1.0), USE_WINDOW_DAYS)
    found = {
        "use": min(10 * facts.judgments_in_window / window, 100.0),
        "build": min(5.0 * facts.answers_given, 100.0),
        "time": min(40 * log10(max(facts.days_known, 0.0) + 1), 100.0),
    }
    if facts.burned is not None:
        found["burn"] = min(10 * log(facts.burned + 1) / log(_PHI), 100.0)
    return {name: Decimal(repr(round(value, 2))) for name, value in found.items()}


def e_score(measured: Mapping[str, Decimal]) -> Decimal:
    """The weighted mean of the measured parts, to one place. Needs at least one part."""
    total = sum(WEIGHTS[name] for name in measured)
    summed = sum(WEIGHTS[name] * float(value) for name, value in measured.items())
    return Decimal(repr(round(summed / total, 1)))
