"""Patterns as they are kept: what was counted by category, the rows of `patterns`, and the pack's shared set."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, Self, cast

from cynic.db import sqlfile
from cynic.domains.learning.emergence import DAY_SECONDS
from cynic.domains.learning.emergence_lock import distillation
from cynic.domains.learning.emergence_window import Counted
from cynic.flows.edge import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import psycopg

LOOP: Final = "emergence"
SHARED_MAX: Final = 144
"""Patterns in the pack's shared set, the surest."""

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("patterns.sql")))


@dataclass(slots=True, kw_only=True)
class Category:
    """What is known of one category."""

    name: str
    since: int
    """Answers after this place are in it."""
    passes: int = 0
    judgments: int = 0
    patterns: dict[str, Counted] = field(default_factory=dict[str, Counted])
    """By key."""
    written: dict[str, float] = field(default_factory=dict[str, float])
    """Key → confidence in the pattern's row."""
    answers: int = 0
    """In this cycle."""
    until: int = 0

    @classmethod
    def read(cls, name: str, weights: Mapping[str, object]) -> Self:
        """The category as it is stored."""
        found = cls(
            name=name,
            since=cast("int", weights["since"]),
            passes=cast("int", weights["passes"]),
            judgments=cast("int", weights["judgments"]),
            until=cast("int", weights["until"]),
        )
        for one in cast("Sequence[Mapping[str, object]]", weights["patterns"]):
            fields = dict(one)
            written = cast("float", fields.pop("written"))
            buckets = cast("Mapping[str, int]", fields.pop("buckets"))
            tags = tuple(cast("Sequence[str]", fields.pop("tags")))
            counted = Counted(
                category=name,
                tags=tags,
                buckets={int(bucket): count for bucket, count in buckets.items()},
                **fields,  # pyright: ignore[reportArgumentType]  # the rest are numbers
            )
            found.patterns[counted.key] = counted
            found.written[counted.key] = written
        return found

    def row(self) -> dict[str, object]:
        """The category to be stored."""
        patterns = [
            {
                "tags": one.tags,
                "passes": one.passes,
                "frequency": one.frequency,
                "seen": one.seen,
                "since": one.since,
                "first_seen_seconds": one.first_seen_seconds,
                "last_seen_seconds": one.last_seen_seconds,
                "buckets": one.buckets,
                "written": self.written.get(key, 0.0),
            }
            for key, one in sorted(self.patterns.items())
        ]
        counts = {"passes": self.passes, "judgments": self.judgments}
        places = {"since": self.since, "until": self.until}
        weights = {**counts, **places, "patterns": patterns}
        return {"loop": LOOP, "state": self.name, "answers": self.answers, "weights": weights}


def pattern_id(key: str) -> str:
    """The name of a pattern's row: the same pattern, the same name."""
    return f"pat_{hashlib.sha256(key.encode()).hexdigest()[:24]}"


def locked(conn: psycopg.Connection) -> dict[str, float]:
    """The ids of the patterns that are kept for ever, and since when, in seconds."""
    return dict(conn.execute(_SQL["locked"]).fetchall())


def pattern_row(one: Counted, *, is_locked: bool, now_seconds: float) -> dict[str, object]:
    """A pattern as `patterns`, `pattern_evolution` and the shared set have it."""
    first, last = one.first_seen_seconds, one.last_seen_seconds
    trend = one.evolution(now_seconds)
    age_days = max(0.0, last - first) / DAY_SECONDS
    return {
        "id": pattern_id(one.key),
        "key": one.key,
        "category": one.category,
        "name": " with ".join(one.tags),
        "tags": one.tags,
        "confidence": one.confidence,
        "frequency": one.seen,
        "locked": is_locked,
        "first_seen": first,
        "last_seen": last,
        "strength": 100 * distillation(one.confidence, one.seen, age_days),
        "direction": None if trend is None else trend.direction,
        "velocity": 0.0 if trend is None else trend.velocity,
    }


def share(
    conn: psycopg.Connection,
    rows: Iterable[Mapping[str, object]],
    *,
    left: Iterable[str] = (),
    whole: bool = False,
) -> None:
    """Bring patterns of the pack's shared set up to date, and take those out that have `left`; or set it `whole`."""
    names = ("id", "category", "tags", "confidence", "frequency", "locked")
    shared = [{name: row[name] for name in names} for row in rows]
    gone = {*left, *(cast("str", one["id"]) for one in shared)}
    parameters = {"rows": to_json(shared), "left": sorted(gone), "whole": whole, "most": SHARED_MAX}
    conn.execute(_SQL["share"], parameters)
