"""Learning from feedback: answers are taken from a queue in the order of their writers and folded, each exactly once.

A pass takes a batch out of the queue, folds it into what the loops know, and writes states, journal, events and episodes,
all in one transaction: whoever dies when, the next pass finds either all of it or none. The fold is sequential, and a
batch ends where a learning cycle is due, so it does not matter where batches end. One learner is at it at a time, by an
advisory lock.

What waits for a transaction that is still open waits with it: rows of later writers are not taken before its end. A row
whose data cannot be learned from is set aside with an event that says why, and holds up nothing, unless many in a row are so.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.db import sqlfile
from cynic.flows.learning import batch, cycle, ewc, governance, sessions, state
from cynic.flows.learning.done import Pass
from cynic.flows.learning.state import Counts, Keeper

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    import psycopg

    from cynic.flows.edge import Edge

BATCH_ROWS: Final = 1000
FOLD_UPDATES: Final = 5000
FOLD_AFTER: Final = timedelta(seconds=5)
AGAIN_AFTER: Final = timedelta(seconds=5)
"""A cycle comes so soon when more calls of tools wait than one looks at; not at once, since one may fail again and again."""

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("learn.sql")))


def run(
    conn: psycopg.Connection,
    edge: Edge,
    *,
    limit: int = BATCH_ROWS,
    keeper: Keeper | None = None,
    progress: Callable[[int], object] | None = None,
) -> Pass:
    """Learn until nothing can be taken, close the cycle, bring the snapshot up to date, and vote when it is time.

    It waits for another's pass.

    `progress` is told after each pass how many rows were taken so far.
    """
    keeper = keeper or Keeper()
    task = str(edge.new_id())
    total = Pass()
    while (one := learn(conn, edge, limit=limit, wait=True, keeper=keeper, task=task)).worked:
        total.add(one)
        if progress is not None:
            progress(total.taken)
    for _ in range(max(1, -(-_calls_waiting(conn) // sessions.CALLS_MAX))):
        total.add(close_cycle(conn, edge, wait=True, task=task))
    total.add(consolidate(conn, edge, wait=True, task=task))
    fold_table(conn, edge, wait=True)
    governance.tend(conn, edge)
    row = conn.execute(_SQL["waiting"]).fetchone()
    total.waiting = 0 if row is None else row[0]
    return total


def tend(conn: psycopg.Connection, edge: Edge, keeper: Keeper | None = None) -> Pass:
    """The worker's round: a pass if something waits; else the cycle when it is due, the consolidation, the snapshot.

    The rounds of a minute are one run, and leave one task.
    """
    row = conn.execute(_SQL["due"], {"calls": sessions.CALLS_MAX}).fetchone()
    waiting, calls, counts = (
        (True, 0, Counts()) if row is None else (row[0], row[1], Counts.read(row[2]))
    )
    done = learn(conn, edge, keeper=keeper) if waiting else Pass()
    if not done.taken and _cycle_is_due(counts, calls, edge.clock()):
        done = close_cycle(conn, edge)
        counts = Counts() if done.busy else Keeper().counts(conn)
    if not done.worked and ewc.due_now(counts, edge.clock()):
        done = consolidate(conn, edge)
    elif not done.taken and _fold_is_due(counts, edge.clock()):
        fold_table(conn, edge)
    return done


def learn(
    conn: psycopg.Connection,
    edge: Edge,
    *,
    limit: int = BATCH_ROWS,
    wait: bool = False,
    keeper: Keeper | None = None,
    task: str | None = None,
) -> Pass:
    """One pass over at most `limit` rows, in one transaction; nothing while another learner is at it, unless it waits.

    `task` names the run that it is part of; without, the minute does.
    """
    keeper = keeper or Keeper()
    started = edge.clock()
    with conn.transaction():
        if not _alone(conn, wait=wait):
            return Pass(busy=True)
        counts = keeper.counts(conn)
        if ewc.due_here(counts):
            # Before any further answer, so that its place does not depend on who learned them.
            return _consolidate(conn, edge, counts, task)
        room = max(1, cycle.ANSWERS - (counts.learned - counts.cycled))
        done, folded = batch.learn_next(conn, edge, keeper, counts, limit=min(limit, room))
        if not done.taken:
            return done
        if folded is not None:
            counts = folded.counts
            if counts.learned - counts.cycled >= cycle.ANSWERS:
                counts = _cycle(conn, edge, counts, done)
            state.count(conn, counts, folded.known.q)
            if _fold_is_due(counts, edge.clock()):
                conn.execute(_SQL["fold"], {"now": edge.clock()})
        _leave_task(conn, edge, f"learn:{task or _minute(started)}", done, started)
    if folded is not None:
        keeper.keep(folded.known, counts.version)
    return done


def retry(conn: psycopg.Connection) -> int:
    """Put answers that were set aside and still count back into the queue; how many."""
    return conn.execute(_SQL["retry"]).rowcount


def close_cycle(
    conn: psycopg.Connection, edge: Edge, *, wait: bool = False, task: str | None = None
) -> Pass:
    """Run the cycle over the answers since the last one and the calls of tools, however few; nothing without any."""
    started = edge.clock()
    done = Pass()
    with conn.transaction():
        if not _alone(conn, wait=wait):
            return Pass(busy=True)
        counts = Keeper().counts(conn)
        if counts.learned > counts.cycled or _calls_waiting(conn):
            state.count(conn, _cycle(conn, edge, counts, done))
            _leave_task(conn, edge, f"cycle:{task or _minute(started)}", done, started)
    return done


def consolidate(
    conn: psycopg.Connection, edge: Edge, *, wait: bool = False, task: str | None = None
) -> Pass:
    """Consolidate what was learned if that is due; the snapshot comes first."""
    with conn.transaction():
        if not _alone(conn, wait=wait):
            return Pass(busy=True)
        counts = Keeper().counts(conn)
        if ewc.due_now(counts, edge.clock()):
            return _consolidate(conn, edge, counts, task)
    return Pass()


def _consolidate(conn: psycopg.Connection, edge: Edge, counts: Counts, task: str | None) -> Pass:
    started = edge.clock()
    conn.execute(_SQL["fold"], {"now": started})
    counts, states = ewc.run(conn, edge, counts)
    state.count(conn, replace(counts, unfolded=0, folded_at=started))
    done = Pass(consolidations=1, changes=Counter({"ewc": 1} if states else {}))
    _leave_task(conn, edge, f"consolidate:{task or _minute(started)}", done, started)
    return done


def fold_table(conn: psycopg.Connection, edge: Edge, *, wait: bool = False) -> bool:
    """Bring the snapshot up to date with its journal; False when another learner is at it."""
    with conn.transaction():
        if not _alone(conn, wait=wait):
            return False
        conn.execute(_SQL["fold"], {"now": edge.clock()})
    return True


def _cycle(conn: psycopg.Connection, edge: Edge, counts: Counts, done: Pass) -> Counts:
    turns = cycle.run(conn, edge, counts)
    done.cycles += 1
    done.changes.update(name for name, turn in turns.items() if turn.changed)
    return replace(
        counts, version=counts.version + 1, cycled=counts.learned, cycled_at=edge.clock()
    )


def _alone(conn: psycopg.Connection, *, wait: bool) -> bool:
    if wait:
        conn.execute(_SQL["wait_for_the_learner"])
        return True
    row = conn.execute(_SQL["only_learner"]).fetchone()
    return row is not None and bool(row[0])


def _cycle_is_due(counts: Counts, calls: int, now: datetime) -> bool:
    """Ten minutes after the last one when there is anything to look at, soon when there are many calls of tools."""
    if counts.learned <= counts.cycled and not calls:
        return False
    after = AGAIN_AFTER if calls >= sessions.CALLS_MAX else cycle.AFTER
    return counts.cycled_at is None or now - counts.cycled_at >= after


def _calls_waiting(conn: psycopg.Connection) -> int:
    row = conn.execute(_SQL["calls_waiting"]).fetchone()
    return 0 if row is None else row[0]


def _fold_is_due(counts: Counts, now: datetime) -> bool:
    if not counts.unfolded:
        return False
    if counts.unfolded >= FOLD_UPDATES or counts.folded_at is None:
        return True
    return now - counts.folded_at >= FOLD_AFTER


def _minute(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M")


def _leave_task(
    conn: psycopg.Connection, edge: Edge, task: str, done: Pass, started: datetime
) -> None:
    parameters = {
        "id": task,
        "name": task.partition(":")[0],
        "learned": done.learned,
        "skipped": done.skipped + done.refused,
        "started": started,
        "now": edge.clock(),
    }
    conn.execute(_SQL["task"], parameters)
