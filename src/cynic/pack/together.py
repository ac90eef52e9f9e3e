"""Oracle and CYNIC: what the others measured, looked at together."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final

from cynic.pack import look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cynic.pack.look import Look

ORACLE: Final = "Oracle"
CYNIC: Final = "CYNIC"
SIDES: Final = {
    "analysis": ("Analyst", "Guardian", "Deployer"),
    "design": ("Sage", "Architect", "Scout"),
    "upkeep": ("Scholar", "Janitor", "Cartographer"),
}
"""The three pillars on which the dogs stand."""
REMARKED_SHARE: Final = (0.0, 0.5)
SCORE_MIN: Final = 0.01
"""Stands for zero in a geometric mean, so that what else was measured still shows."""


def oracle(looks: Sequence[Look]) -> Look:
    """Balance: the score of the weakest of the three sides, the mean of its dogs."""
    sides = {
        name: look.mean(one.score for one in _votes(looks) if one.dog in dogs)
        for name, dogs in SIDES.items()
        if any(one.dog in dogs for one in _votes(looks))
    }
    if len(sides) < 2:  # noqa: PLR2004  # a balance has two sides
        return look.silent(ORACLE, "one side alone has no balance")
    weakest = min(sides, key=lambda name: (sides[name], name))
    shown = ", ".join(f"{name} {score:.2f}" for name, score in sides.items())
    return look.vote(
        ORACLE, sides[weakest], f"balance: {shown}; weakest {weakest}", HARMONY=sides[weakest]
    )


def cynic(looks: Sequence[Look], lines: int) -> Look:
    """Synthesis: the share of lines that no dog remarked on, together with the geometric mean of the dogs' scores.

    A geometric mean, so that one deep fault is not outvoted by ten things in order.
    """
    votes = _votes(looks)
    if not votes:
        return look.silent(CYNIC, "no dog saw anything")
    remarked = Counter(line for one in votes for line in one.lines)
    several = sum(dogs > 1 for dogs in remarked.values())
    clean = look.ramp(len(remarked) / max(1, lines), *REMARKED_SHARE)
    logs = [math.log(max(SCORE_MIN, one.score)) for one in votes]
    together = math.exp(sum(logs) / len(logs))
    lowest = min(votes, key=lambda one: (one.score, one.dog))
    said = (
        f"{len(remarked)} of {lines} lines remarked on, {several} by several dogs; geometric mean of "
        f"{look.counted(len(votes), 'vote')} {together:.2f}, lowest {lowest.dog} {lowest.score:.2f}"
    )
    return look.vote(CYNIC, math.sqrt(max(SCORE_MIN, clean) * together), said, CONGRUENCE=clean)


def _votes(looks: Sequence[Look]) -> list[Look]:
    return [one for one in looks if one.outcome == "vote" and one.dog not in {ORACLE, CYNIC}]
