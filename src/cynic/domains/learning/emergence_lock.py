"""Which patterns are kept for ever: those that chance does not explain.

The test: an exact one-sided binomial test (Clopper & Pearson 1934) of the pattern's passes among its judgments against the rate
at which its whole category passes, at 5 % shared by all patterns tested (Holm 1979). A pattern that merely repeats how its
category usually goes is never locked, however often it is seen. Locking starts once there are 13 patterns to choose from, and
at most 377 are locked. A locked one is freed after 30 days when it does not pass the test any more.

The distillation score says how far a pattern is from mere sightings to knowledge.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from cynic.base.errors import InvalidDataError
from cynic.domains.learning.bounds import PHI, PHI2, PHI3, finite, unit, within

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ALPHA: Final = 0.05
PATTERNS_MIN: Final = 13
LOCKED_MAX: Final = 377
HELD_SECONDS: Final = 30 * 86_400.0


class Tested(Protocol):
    """What the test looks at."""

    @property
    def key(self) -> str:
        """The pattern's name."""
        ...

    @property
    def category(self) -> str:
        """Whose rate it is held against."""
        ...

    @property
    def passes(self) -> int:
        """In how many of its judgments it passed."""
        ...

    @property
    def frequency(self) -> int:
        """In how many judgments it was seen."""
        ...


class Locks(NamedTuple):
    """Keys of patterns, sorted."""

    lock: list[str]
    unlock: list[str]


def p_value(passed: int, total: int, rate: float) -> float | None:
    """P(at least `passed` of `total`) at this rate; None without any."""
    if not 0 <= passed <= total:
        raise InvalidDataError(f"{passed} of {total} did not pass")
    unit(rate, "a rate")
    if not total:
        return None
    if passed == 0 or rate == 1:
        return 1.0
    if rate == 0:
        return 0.0
    log_rate, log_rest = math.log(rate), math.log1p(-rate)
    whole = math.lgamma(total + 1)
    terms = (
        math.exp(
            whole
            - math.lgamma(k + 1)
            - math.lgamma(total - k + 1)
            + k * log_rate
            + (total - k) * log_rest
        )
        for k in range(passed, total + 1)
    )
    return min(1.0, math.fsum(terms))


def adjusted(patterns: Iterable[Tested], rate_by_category: Mapping[str, float]) -> dict[str, float]:
    """Key → its p value times the tests that are still open to it (Holm), at most 1; a category without rate is left out."""
    tested: list[tuple[float, str]] = []
    for pattern in patterns:
        rate = rate_by_category.get(pattern.category)
        p = None if rate is None else p_value(pattern.passes, pattern.frequency, rate)
        if p is not None:
            tested.append((p, pattern.key))
    found: dict[str, float] = {}
    least = 0.0
    for place, (p, key) in enumerate(sorted(tested)):
        least = max(least, min(1.0, p * (len(tested) - place)))
        found[key] = least
    return found


def significant(
    patterns: Iterable[Tested], rate_by_category: Mapping[str, float], alpha: float = ALPHA
) -> set[str]:
    """Keys of the patterns that pass more often than their category, by Holm's procedure."""
    found = adjusted(patterns, rate_by_category)
    return {key for key, p in found.items() if p <= alpha}


def locks(
    patterns: Iterable[Tested],
    rate_by_category: Mapping[str, float],
    locked_since_seconds: Mapping[str, float],
    now_seconds: float,
) -> Locks:
    """What to lock and what to free now; the most frequent first where room is short."""
    known = {pattern.key: pattern for pattern in patterns}
    finite(now_seconds, "a time")
    passing = significant(known.values(), rate_by_category)
    unlock = sorted(
        key
        for key, since in locked_since_seconds.items()
        if key in known and key not in passing and now_seconds - since >= HELD_SECONDS
    )
    if len(known) < PATTERNS_MIN:
        return Locks([], unlock)
    room = LOCKED_MAX - (len(locked_since_seconds) - len(unlock))
    new = sorted(
        (key for key in passing if key not in locked_since_seconds),
        key=lambda key: (-known[key].frequency, key),
    )
    return Locks(sorted(new[: max(0, room)]), unlock)


def distillation(confidence: float, frequency: int, age_days: float) -> float:
    """min(1, 0.618 · p + 0.382 · min(1, log10(f + 1) / 2) + 0.236 · min(1, age / 7)), p the probability behind a confidence.

    The weights add up to more than 1, and the sum stops there: what is old and frequent need not be certain.
    """
    within(confidence, 0.0, PHI, "a confidence")  # which is 0.618 · p already
    if frequency < 0:
        raise InvalidDataError(f"a frequency is at least 0, not {frequency}")
    aged = min(1.0, within(age_days, 0.0, math.inf, "an age") / 7)
    often = min(1.0, math.log10(frequency + 1) / 2)
    return min(1.0, confidence + often * PHI2 + aged * PHI3)
