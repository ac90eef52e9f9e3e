"""Learning from feedback: answers are taken from a queue in the order of their writers and folded, each exactly once.

A pass takes a batch out of the queue, folds it into what the loops know, and writes states, journal, events and episodes,
all in one transaction: whoever dies when, the next pass finds either all of it or none. The fold is sequential, so it
does not matter where batches end. One learner is at it at a time, by an advisory lock.

What waits for a transaction that is still open waits with it: rows of later writers are not taken before its end.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.db import sqlfile
from cynic.flows import learn_loops, learn_state
from cynic.flows.edge import to_json
from cynic.flows.learn_loops import Changes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import psycopg

    from cynic.flows.edge import Edge

BATCH_ROWS: Final = 1000
FOLD_UPDATES: Final = 5000
FOLD_AFTER: Final = timedelta(seconds=5)

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("learn.sql")))


@dataclass(slots=True, kw_only=True)
class Pass:
    """What one pass, or several, did."""

    taken: int = 0
    """Rows out of the queue."""
    learned: int = 0
    corrected: int = 0
    """Of those learned: that took the same person's former answer back."""
    skipped: int = 0
    """Rows whose feedback is gone, or was learned before."""
    updates: int = 0
    """Of Q-values."""
    changes: Counter[str] = field(default_factory=Counter[str])
    """Loop → answers that moved it."""
    busy: bool = False
    """Another learner is at it; nothing was done."""

    def add(self, other: Pass) -> None:
        """Add up what another pass did."""
        self.taken += other.taken
        self.learned += other.learned
        self.corrected += other.corrected
        self.skipped += other.skipped
        self.updates += other.updates
        self.changes += other.changes
        self.busy = other.busy

    def document(self) -> dict[str, object]:
        """The pass as JSON values."""
        return {
            "taken": self.taken,
            "learned": self.learned,
            "corrected": self.corrected,
            "skipped": self.skipped,
            "q_updates": self.updates,
            "changes": dict(sorted(self.changes.items())),
            "busy": self.busy,
        }


def run(conn: psycopg.Connection, edge: Edge, *, limit: int = BATCH_ROWS) -> Pass:
    """Learn until nothing can be taken, then bring the snapshot up to date; waits for another learner's pass."""
    total = Pass()
    while True:
        one = learn(conn, edge, limit=limit, wait=True)
        total.add(one)
        if one.taken < limit:
            break
    fold(conn, edge, wait=True)
    return total


def tend(conn: psycopg.Connection, edge: Edge) -> Pass:
    """The worker's round: a pass if something waits, else the snapshot when it is due."""
    row = conn.execute(_SQL["due"]).fetchone()
    waiting, unfolded, folded_at = (True, 0, None) if row is None else row
    done = learn(conn, edge) if waiting else Pass()
    if not done.taken and _fold_is_due(unfolded, folded_at, edge.clock()):
        fold(conn, edge)
    return done


def learn(
    conn: psycopg.Connection, edge: Edge, *, limit: int = BATCH_ROWS, wait: bool = False
) -> Pass:
    """One pass over at most `limit` rows, in one transaction; nothing while another learner is at it, unless it waits."""
    started = edge.clock()
    with conn.transaction():
        if not _alone(conn, wait=wait):
            return Pass(busy=True)
        ids = learn_state.taken(conn.execute(_SQL["take"], {"limit": limit}).fetchall())
        if not ids:
            return Pass()
        events = learn_state.events(conn.execute(_SQL["events"], {"ids": ids}).fetchall())
        known, stats = learn_state.load(conn, events)
        changes = Changes()
        for event in events:
            learn_loops.apply(known, changes, event)
        learn_state.save(conn, known, changes, edge.clock())
        _count(conn, stats, changes, edge.clock())
        done = Pass(
            taken=len(ids),
            learned=len(events),
            corrected=changes.corrected,
            skipped=len(ids) - len(events),
            updates=changes.updates,
            changes=Counter(cast("str", row["loop"]) for row in changes.log),
        )
        _leave_task(conn, edge, done, started)
    return done


def fold(conn: psycopg.Connection, edge: Edge, *, wait: bool = False) -> bool:
    """Bring the snapshot up to date with its journal; False when another learner is at it."""
    with conn.transaction():
        if not _alone(conn, wait=wait):
            return False
        conn.execute(_SQL["fold"], {"now": edge.clock()})
    return True


def _alone(conn: psycopg.Connection, *, wait: bool) -> bool:
    if wait:
        conn.execute(_SQL["wait_for_the_learner"])
        return True
    row = conn.execute(_SQL["only_learner"]).fetchone()
    return row is not None and bool(row[0])


def _count(
    conn: psycopg.Connection, stats: Mapping[str, object], changes: Changes, now: datetime
) -> None:
    """Keep the counts of the service, and fold when it is time."""

    def count(name: str) -> int:
        return cast("int", stats.get(name, 0))

    unfolded = count("unfolded") + len(changes.journal)
    counts: dict[str, object] = {
        "episodes": count("episodes") + changes.standing,
        "updates": count("updates") + changes.updates,
        "correctPredictions": count("correctPredictions") + changes.correct,
        "unfolded": unfolded,
        "foldedAt": stats.get("foldedAt", now.isoformat()),
    }
    conn.execute(_SQL["count"], {"stats": to_json(counts)})
    if _fold_is_due(unfolded, learn_state.moment(counts["foldedAt"]), now):
        conn.execute(_SQL["fold"], {"now": now})


def _fold_is_due(unfolded: int, folded_at: datetime | None, now: datetime) -> bool:
    if not unfolded:
        return False
    return unfolded >= FOLD_UPDATES or folded_at is None or now - folded_at >= FOLD_AFTER


def _leave_task(conn: psycopg.Connection, edge: Edge, done: Pass, started: datetime) -> None:
    parameters = {
        "id": f"learn:{edge.new_id()}",
        "learned": done.learned,
        "skipped": done.skipped,
        "started": started,
        "now": edge.clock(),
    }
    conn.execute(_SQL["task"], parameters)
