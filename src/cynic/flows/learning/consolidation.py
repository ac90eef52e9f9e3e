"""Consolidation of patterns: which ones are kept for ever, which are freed, and which have faded.

It happens every 2000 answers, or with the first answer of another day. Time is that of the answers: a pattern fades while
others are answered, not while nobody is. Chance is ruled out over all patterns at once (`domains.learning.emergence_lock`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.db import sqlfile
from cynic.domains.learning.emergence import DAY_SECONDS, PRUNED_BELOW
from cynic.domains.learning.emergence_lock import PATTERNS_MIN, adjusted, locks
from cynic.flows.edge import to_json
from cynic.flows.learning import patterns, state
from cynic.flows.learning.patterns import LOOP, Category, pattern_id, pattern_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cynic.domains.learning.emergence_lock import Locks
    from cynic.domains.learning.emergence_window import Counted
    from cynic.flows.learning.cycle import Cycle

KEPT_AS: Final = "emergence-locks"
EVERY_ANSWERS: Final = 2000
CATEGORIES_MAX: Final = 144
"""Categories whose patterns are counted, those that were answered last."""

_SQL = cast(
    "Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("consolidation.sql"))
)


def consolidate(cycle: Cycle) -> None:
    """Fade, lock and free patterns, when it is time."""
    kept = cycle.kept(KEPT_AS)
    former = None if kept is None else cast("float", kept["at_seconds"])
    times = [one.answered_at.timestamp() for one in cycle.answers]
    now = max([*times, *(() if former is None else (former,))], default=0.0)
    if not times or not _is_due(cycle, former, now):
        return
    cycle.conn.execute(_SQL["bound"], {"most": CATEGORIES_MAX})
    categories = [Category.read(name, weights) for name, weights in cycle.conn.execute(_SQL["all"])]
    locked = patterns.locked(cycle.conn)
    gone = _faded(categories, locked, now)
    live = [one for category in categories for one in category.patterns.values()]
    rates = {one.name: one.passes / one.judgments for one in categories if one.judgments}
    importance = {key: 1 - p for key, p in adjusted(live, rates).items()}
    since = {one.key: locked[pattern_id(one.key)] for one in live if pattern_id(one.key) in locked}
    found = locks(live, rates, since, now)
    held = (since.keys() - set(found.unlock)) | set(found.lock)
    _write(cycle, live, held, importance, now)
    _tell(cycle, found, gone, importance)
    if gone:
        rows = [{"id": pattern_id(one.key), "confidence": one.faded(now)} for one in gone]
        cycle.conn.execute(_SQL["faded"], {"rows": to_json(rows)})
        changed = {one.category for one in gone}
        state.save_loops(
            cycle.conn, [one.row() for one in categories if one.name in changed], cycle.now
        )
    if len(live) >= PATTERNS_MIN or found.unlock:
        _leave_row(cycle, importance)
    summary = {"at_seconds": now, "patterns": len(live), "locked": len(held)}
    cycle.keep(KEPT_AS, summary, answers=len(cycle.answers))


def _is_due(cycle: Cycle, former: float | None, now: float) -> bool:
    if former is None or now - former >= DAY_SECONDS:
        return True
    return cycle.until // EVERY_ANSWERS > cycle.since // EVERY_ANSWERS


def _faded(
    categories: Sequence[Category], locked: Mapping[str, float], now: float
) -> list[Counted]:
    """Take the patterns out that have faded; locked ones stay."""
    gone: list[Counted] = []
    for category in categories:
        for key, one in sorted(category.patterns.items()):
            if pattern_id(key) not in locked and one.faded(now) < PRUNED_BELOW:
                del category.patterns[key]
                category.written.pop(key, None)
                gone.append(one)
    return gone


def _write(
    cycle: Cycle,
    live: Iterable[Counted],
    held: set[str],
    importance: Mapping[str, float],
    now: float,
) -> None:
    rows = [
        pattern_row(one, is_locked=one.key in held, now_seconds=now)
        | {"importance": importance.get(one.key, 0.0)}
        for one in live
    ]
    cycle.conn.execute(_SQL["consolidate"], {"rows": to_json(rows), "at_seconds": now})
    patterns.share(cycle.conn, rows, whole=True)


def _tell(
    cycle: Cycle, found: Locks, gone: Iterable[Counted], importance: Mapping[str, float]
) -> None:
    for event, keys in (("locked", found.lock), ("unlocked", found.unlock)):
        for key in keys:
            cycle.log(LOOP, event, action=pattern_id(key), importance=importance.get(key))
    for one in gone:
        cycle.log(LOOP, "faded", action=pattern_id(one.key), confidence=one.confidence)


def _leave_row(cycle: Cycle, importance: Mapping[str, float]) -> None:
    parameters = {
        "id": f"ewc_{cycle.cycle_id}",
        "entries": len(importance),
        "average": sum(importance.values()) / len(importance) if importance else None,
        "now": cycle.now,
    }
    cycle.conn.execute(_SQL["history"], parameters)
