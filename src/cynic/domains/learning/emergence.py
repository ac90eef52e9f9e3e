"""Patterns that come up again and again in what was judged: how they appear, grow together and fade.

A pattern is a set of one or two tags that occurs with a category in at least 3 judgments. It says that such judgments pass (Q of
at least 61.8), and its confidence is 0.618 times the lower end of Wilson's interval of how often they do: bounded by φ, and
small while little was seen. Frequency is the number of its judgments, each counted once.

It fades by 6.18 % for every 13 days since it was last seen, and is pruned below 0.236. The faded confidence is derived from
the kept one and the time, so that fading is no sighting and does not start the clock anew; and there is no floor that
pruning could never get under. Two patterns of a category with the same judgments, mostly (Jaccard's index of at least
0.618), are one. What a pattern is worth keeping for ever is `emergence_lock`'s subject.

Times are seconds on the caller's clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from cynic.domains.learning.bounds import PHI, PHI3, finite, within
from cynic.domains.learning.rates import jaccard, wilson

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Trend = Literal["up", "down", "stable"]

Q_MIN: Final = 61.8
SOURCES_MIN: Final = 3
TAGS_MAX: Final = 2
TAGS_LOOKED_AT_MAX: Final = 20
"""Of one judgment, in sorted order: 20 tags make 210 sets."""
PATTERNS_A_CATEGORY_MAX: Final = 21
SIMILARITY_MIN: Final = PHI
DECAY: Final = 0.0618
DECAY_SECONDS: Final = 13 * 86_400.0
PRUNED_BELOW: Final = PHI3
DAY_SECONDS: Final = 86_400.0
TREND_Z: Final = 1.96


class Source(NamedTuple):
    """A judgment as patterns see it."""

    judgment_id: str
    category: str
    tags: frozenset[str]
    q: float
    at_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """What was seen of one set of tags in a category."""

    category: str
    tags: tuple[str, ...]
    """Sorted."""
    sources: frozenset[str]
    passed: frozenset[str]
    """Those of the sources that passed."""
    first_seen_seconds: float
    last_seen_seconds: float
    parents: tuple[str, ...] = ()
    """Keys of the patterns that were merged into this one."""

    @property
    def key(self) -> str:
        """Its name within a type of patterns: tags are quoted, so that no two sets share one."""
        return pattern_key(self.category, self.tags)

    @property
    def passes(self) -> int:
        """In how many of its judgments it passed."""
        return len(self.passed)

    @property
    def frequency(self) -> int:
        """In how many judgments it was seen."""
        return len(self.sources)

    @property
    def confidence(self) -> float:
        """As of when it was last seen, in [0, 0.618]."""
        interval = wilson(len(self.passed), len(self.sources))
        return 0.0 if interval is None else PHI * interval.low

    def faded(self, now_seconds: float) -> float:
        """The confidence at a later time; at an earlier one it is as when last seen."""
        return faded(self.confidence, finite(now_seconds, "a time") - self.last_seen_seconds)


def pattern_key(category: str, tags: Iterable[str]) -> str:
    """The name of a pattern within a type of patterns: tags are quoted, so that no two sets share one."""
    return f"{category}:{'+'.join(map(repr, tags))}"


def faded(confidence: float, idle_seconds: float) -> float:
    """A confidence after so long without a sighting."""
    return confidence * (1 - DECAY) ** math.floor(max(0.0, idle_seconds) / DECAY_SECONDS)


class Evolution(NamedTuple):
    """Where a pattern is heading."""

    direction: Trend
    velocity: float
    """Change of the sightings a day between the halves of the window, per day."""


def extracted(sources: Iterable[Source]) -> list[Pattern]:
    """Every pattern of at least 3 judgments whose confidence is worth keeping; at most 21 of a category, the surest.

    A judgment that comes twice counts once, the last one given.
    """
    by_id = {source.judgment_id: _checked(source) for source in sources}
    seen: dict[tuple[str, tuple[str, ...]], list[Source]] = {}
    for source in by_id.values():
        tags = sorted(source.tags)[:TAGS_LOOKED_AT_MAX]
        for size in range(1, TAGS_MAX + 1):
            for chosen in combinations(tags, size):
                seen.setdefault((source.category, chosen), []).append(source)
    found = [
        _pattern(category, tags, together)
        for (category, tags), together in seen.items()
        if len(together) >= SOURCES_MIN
    ]
    return _surest([pattern for pattern in found if pattern.confidence >= PRUNED_BELOW])


def merged(patterns: Iterable[Pattern]) -> list[Pattern]:
    """One pattern for each group with mostly the same judgments; the surest takes the others in and keeps its tags."""
    kept: list[Pattern] = []
    for pattern in sorted(patterns, key=_sureness):
        for place, other in enumerate(kept):
            if other.category == pattern.category and similarity(other, pattern) >= SIMILARITY_MIN:
                kept[place] = _joined(other, pattern)
                break
        else:
            kept.append(pattern)
    return sorted(kept, key=_sureness)


def similarity(one: Pattern, other: Pattern) -> float:
    """Jaccard's index of their judgments; 0 when neither has any."""
    return jaccard(one.sources, other.sources) or 0.0


def pruned(patterns: Iterable[Pattern], now_seconds: float) -> tuple[list[Pattern], list[Pattern]]:
    """(kept, gone): gone is what has faded below 0.236."""
    kept: list[Pattern] = []
    gone: list[Pattern] = []
    for pattern in patterns:
        (kept if pattern.faded(now_seconds) >= PRUNED_BELOW else gone).append(pattern)
    return kept, gone


def evolution(
    sightings_seconds: Sequence[float], now_seconds: float, window_days: float
) -> Evolution | None:
    """Compare the halves of the window before `now_seconds`; None when nothing was seen in it.

    Two Poisson counts a and b differ when |b - a| / √(a + b) is at least 1.96 (Przyborowski & Wilenski 1940); else stable.
    """
    half = within(window_days, math.ulp(0.0), math.inf, "a window") * DAY_SECONDS / 2
    ages = [finite(now_seconds, "a time") - finite(at, "a sighting") for at in sightings_seconds]
    late = sum(0 <= age < half for age in ages)
    early = sum(half <= age < 2 * half for age in ages)
    return compared(early, late, window_days / 2)


def compared(early: int, late: int, half_days: float) -> Evolution | None:
    """The same of sightings that were counted: so many in a half of the window, and so many in the next."""
    if not late + early:
        return None
    velocity = (late - early) / half_days / half_days
    z = (late - early) / math.sqrt(late + early)
    direction: Trend = "stable" if abs(z) < TREND_Z else "up" if z > 0 else "down"
    return Evolution(direction, velocity)


def _pattern(category: str, tags: tuple[str, ...], together: Sequence[Source]) -> Pattern:
    return Pattern(
        category=category,
        tags=tags,
        sources=frozenset(source.judgment_id for source in together),
        passed=frozenset(source.judgment_id for source in together if source.q >= Q_MIN),
        first_seen_seconds=min(source.at_seconds for source in together),
        last_seen_seconds=max(source.at_seconds for source in together),
    )


def _joined(one: Pattern, other: Pattern) -> Pattern:
    return replace(
        one,
        sources=one.sources | other.sources,
        passed=one.passed | other.passed,
        first_seen_seconds=min(one.first_seen_seconds, other.first_seen_seconds),
        last_seen_seconds=max(one.last_seen_seconds, other.last_seen_seconds),
        parents=tuple(sorted({*one.parents, *other.parents, other.key})),
    )


def _surest(patterns: Iterable[Pattern]) -> list[Pattern]:
    taken: dict[str, int] = {}
    chosen: list[Pattern] = []
    for pattern in sorted(patterns, key=_sureness):
        taken[pattern.category] = taken.get(pattern.category, 0) + 1
        if taken[pattern.category] <= PATTERNS_A_CATEGORY_MAX:
            chosen.append(pattern)
    return chosen


def _sureness(pattern: Pattern) -> tuple[float, int, int, str]:
    """Surest first; of equals the one that says it with fewer tags."""
    return -pattern.confidence, -pattern.frequency, len(pattern.tags), pattern.key


def _checked(source: Source) -> Source:
    within(source.q, 0.0, 100.0, f"Q of {source.judgment_id}")
    finite(source.at_seconds, "a time")
    return source
