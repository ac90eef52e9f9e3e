"""Patterns found as judgments come: the sets of tags of a window, and what was counted of each known pattern.

A window holds the judgments of one category. Which of them have a tag is a number with one bit for each, so that a set of
tags is an AND, its judgments a bit count, and Jaccard's index of two sets three of these (Eclat: Zaki 2000, on bit vectors).

Beyond 400 judgments the counts of a pattern are halved: what it says is of late, not of ever.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Final, NamedTuple

from cynic.domains.learning.bounds import PHI
from cynic.domains.learning.emergence import (
    DAY_SECONDS,
    PATTERNS_A_CATEGORY_MAX,
    PRUNED_BELOW,
    Q_MIN,
    SIMILARITY_MIN,
    SOURCES_MIN,
    TAGS_LOOKED_AT_MAX,
    Evolution,
    compared,
    faded,
    pattern_key,
)
from cynic.domains.learning.rates import wilson

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cynic.domains.learning.emergence import Source

COUNTED_MAX: Final = 400
SETS_COMPARED_MAX: Final = 55
"""Of one window, the surest; whatever is less sure than so many is looked at when it is surer."""
BUCKET_DAYS: Final = 5
BUCKETS: Final = 6
"""Of sightings, for the trend: thirty days in two halves."""


@lru_cache(maxsize=65_536)
def sureness(passed: int, total: int) -> float:
    """0.618 times the lower end of Wilson's interval; 0 without judgments."""
    interval = wilson(passed, total)
    return 0.0 if interval is None else PHI * interval.low


class Mined(NamedTuple):
    """A set of tags, and which judgments of the window have it."""

    tags: tuple[str, ...]
    mask: int


@dataclass(slots=True)
class Window:
    """Judgments of one category, oldest first."""

    sources: Sequence[Source]
    passing: int = 0
    """The judgments that passed."""
    masks: dict[str, int] = field(default_factory=dict[str, int])
    """Tag → the judgments that have it."""

    def __post_init__(self) -> None:
        for place, source in enumerate(self.sources):
            bit = 1 << place
            self.passing |= bit if source.q >= Q_MIN else 0
            for tag in sorted(source.tags)[:TAGS_LOOKED_AT_MAX]:
                self.masks[tag] = self.masks.get(tag, 0) | bit

    def mask(self, tags: Iterable[str]) -> int:
        """The judgments that have all of these tags."""
        mask = (1 << len(self.sources)) - 1
        for tag in tags:
            mask &= self.masks.get(tag, 0)
        return mask

    def confidence(self, mask: int) -> float:
        """What a pattern of these judgments would be sure of."""
        return sureness((mask & self.passing).bit_count(), mask.bit_count())

    def mined(self, known: Iterable[int] = ()) -> list[Mined]:
        """New patterns, the surest first: none is mostly the judgments of another, or of those of the `known` masks."""
        surest: dict[int, Mined] = {}
        for one in self._frequent():
            other = surest.get(one.mask)
            if other is None or (len(one.tags), one.tags) < (len(other.tags), other.tags):
                surest[one.mask] = one
        ordered = sorted(
            (one for one in surest.values() if self.confidence(one.mask) >= PRUNED_BELOW),
            key=lambda one: (
                *(-self.confidence(one.mask), -one.mask.bit_count()),
                *(len(one.tags), one.tags),
            ),
        )
        taken = list(known)
        found: list[Mined] = []
        for one in ordered[:SETS_COMPARED_MAX]:
            if len(found) < PATTERNS_A_CATEGORY_MAX and not any(
                one.mask & other and similar(one.mask, other) for other in taken
            ):
                found.append(one)
                taken.append(one.mask)
        return found

    def _frequent(self) -> list[Mined]:
        frequent = [
            (tag, mask)
            for tag, mask in sorted(self.masks.items())
            if mask.bit_count() >= SOURCES_MIN
        ]
        sets = [Mined((tag,), mask) for tag, mask in frequent]
        for (one, first), (other, second) in combinations(frequent, 2):
            both = first & second
            if both.bit_count() >= SOURCES_MIN:
                sets.append(Mined((one, other), both))
        return sets


def similar(one: int, other: int) -> bool:
    """Whether two sets are mostly the same judgments: Jaccard's index of at least 0.618."""
    return (one & other).bit_count() >= SIMILARITY_MIN * max(1, (one | other).bit_count())


@dataclass(slots=True, kw_only=True)
class Counted:
    """What was counted of one known pattern."""

    category: str
    tags: tuple[str, ...]
    """Sorted."""
    passes: int = 0
    frequency: int = 0
    """Of late: both are halved beyond 400."""
    seen: int = 0
    """In all."""
    since: int = 0
    """Answers after this place are in it."""
    first_seen_seconds: float = 0.0
    last_seen_seconds: float = 0.0
    buckets: dict[int, int] = field(default_factory=dict[int, int])
    """Number of a stretch of five days → sightings in it; of the last six."""

    @property
    def key(self) -> str:
        """Its name within a type of patterns."""
        return pattern_key(self.category, self.tags)

    @property
    def confidence(self) -> float:
        """As of when it was last seen, in [0, 0.618]."""
        return sureness(self.passes, self.frequency)

    def faded(self, now_seconds: float) -> float:
        """The confidence at a later time."""
        return faded(self.confidence, now_seconds - self.last_seen_seconds)

    def sighted(self, sources: Iterable[Source]) -> None:
        """Count judgments that have its tags."""
        for source in sources:
            self.passes += source.q >= Q_MIN
            self.frequency += 1
            self.seen += 1
            at = source.at_seconds
            self.first_seen_seconds = min(at, self.first_seen_seconds) if self.seen > 1 else at
            self.last_seen_seconds = max(at, self.last_seen_seconds)
            bucket = _bucket(at)
            self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        if self.frequency > COUNTED_MAX:
            self.passes, self.frequency = self.passes // 2, self.frequency // 2
        newest = _bucket(self.last_seen_seconds)
        self.buckets = {b: n for b, n in self.buckets.items() if b > newest - BUCKETS}

    def unsighted(self, source: Source) -> None:
        """Take a judgment back that was counted; when it was last seen stays."""
        self.frequency = max(0, self.frequency - 1)
        self.passes = min(self.frequency, max(0, self.passes - (source.q >= Q_MIN)))
        self.seen = max(0, self.seen - 1)
        bucket = _bucket(source.at_seconds)
        if bucket in self.buckets:
            self.buckets[bucket] = max(0, self.buckets[bucket] - 1)

    def evolution(self, now_seconds: float) -> Evolution | None:
        """The sightings of the last fifteen days against those of the fifteen before; None without any."""
        newest = _bucket(now_seconds)
        half = BUCKETS // 2
        late = sum(n for b, n in self.buckets.items() if newest - half < b <= newest)
        early = sum(n for b, n in self.buckets.items() if newest - BUCKETS < b <= newest - half)
        return compared(early, late, half * BUCKET_DAYS)


def _bucket(at_seconds: float) -> int:
    return int(at_seconds // (BUCKET_DAYS * DAY_SECONDS))
