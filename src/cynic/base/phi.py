"""The bound on confidence, and the scale between a bounded confidence and a probability.

A confidence never exceeds 0.618 (1/φ to three places). It is a scaled probability, never a clipped
one: c = 0.618 · p. Clipping p at 0.618 would merge "quite sure" with "certain" and raise the
calibration error several times over.
"""

from __future__ import annotations

from decimal import Decimal

from cynic.base.errors import InvalidDataError

PHI_BOUND = Decimal("0.618")
"""The largest confidence, exactly as every CHECK in the database states it."""


def confidence_from_probability(probability: Decimal) -> Decimal:
    """Scale a probability in [0, 1] to a confidence in [0, 0.618]: c = 0.618 · p."""
    if not (probability.is_finite() and 0 <= probability <= 1):
        raise InvalidDataError(f"a probability lies in [0, 1], not {probability}")
    return PHI_BOUND * probability


def probability_from_confidence(confidence: Decimal) -> Decimal:
    """Undo the scale: p = c / 0.618, for everything that scores (Brier, calibration, curves)."""
    return check_confidence(confidence) / PHI_BOUND


def check_confidence(confidence: Decimal) -> Decimal:
    """Return a confidence in [0, 0.618] as it is; refuse any other value, NaN and infinities."""
    if not (confidence.is_finite() and 0 <= confidence <= PHI_BOUND):
        raise InvalidDataError(
            f"a confidence lies in [0, 0.618], not {confidence}",
            hint="give a probability in [0, 1] as `probability`; it is scaled by 0.618",
        )
    return confidence
