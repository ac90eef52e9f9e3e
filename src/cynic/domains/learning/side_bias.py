"""Whether judgments are significantly less often right on one side than on the other, or a side is mostly wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cynic.domains.learning.answers import ANSWERS_MIN, EVEN
from cynic.domains.learning.rates import wilson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cynic.domains.learning.answers import Tally

SIDES: Final = ("pass", "fail")


def biases(sides: Mapping[str, Tally]) -> list[dict[str, object]]:
    """A finding for each side whose 95 % interval (Wilson) lies below the other's or below one half; 30 answers at least."""
    found: list[dict[str, object]] = []
    known = {
        side: tally
        for side, tally in sides.items()
        if side in SIDES and tally.answers >= ANSWERS_MIN
    }
    for side, tally in sorted(known.items()):
        here = wilson(tally.right, tally.answers)
        other = known.get(SIDES[1 - SIDES.index(side)])
        there = None if other is None else wilson(other.right, other.answers)
        if here is None:
            continue
        below = there is not None and here.high < there.low
        if below or here.high < EVEN:
            found.append(
                {
                    "bias": f"too often {side}",
                    "side": side,
                    "right": tally.right,
                    "answers": tally.answers,
                    "low": round(here.low, 6),
                    "high": round(here.high, 6),
                    "compared_with": "the other side" if below else "one half",
                }
            )
    return found
