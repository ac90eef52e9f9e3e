"""The four verdict words and the scores they stand for."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal

Verdict = Literal["HOWL", "WAG", "GROWL", "BARK"]

VERDICTS: Final[tuple[Verdict, ...]] = ("HOWL", "WAG", "GROWL", "BARK")
HOWL_MIN: Final = Decimal(80)
WAG_MIN: Final = Decimal(50)
GROWL_MIN: Final = Decimal("38.2")


def verdict_of(score: Decimal) -> Verdict:
    """The word for a score from 0 to 100: HOWL from 80, WAG from 50, GROWL from 38.2, BARK below."""
    if score >= HOWL_MIN:
        return "HOWL"
    if score >= WAG_MIN:
        return "WAG"
    return "GROWL" if score >= GROWL_MIN else "BARK"


def passes(score: Decimal) -> bool:
    """Which of the two sides a score is on: HOWL and WAG pass, GROWL and BARK do not."""
    return score >= WAG_MIN
