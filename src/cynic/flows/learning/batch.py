"""The next batch of the queue: taken in the order of its writers, folded and written; what cannot be learned from is set aside.

Each statement is part of the transaction of a pass, which holds the lock of the learner.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from psycopg import DataError

from cynic.base.errors import CynicError, InvalidDataError
from cynic.db import sqlfile
from cynic.flows.learning import answers, cycle, ewc, fold, state
from cynic.flows.learning.done import Pass
from cynic.flows.learning.fold import Changes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import psycopg

    from cynic.flows.edge import Edge
    from cynic.flows.learning.answers import Event
    from cynic.flows.learning.state import Counts, Keeper

REFUSED_MAX: Final = 20
"""Answers in a row that may be set aside; with more the fault is not theirs, and they wait until it is mended."""

_LOG = logging.getLogger(__name__)
_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("batch.sql")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Answers that were folded and written, and the counts after them."""

    known: fold.Known
    counts: Counts


def learn_next(
    conn: psycopg.Connection, edge: Edge, keeper: Keeper, counts: Counts, *, limit: int
) -> tuple[Pass, Batch | None]:
    """Learn the next rows: all up to the limit, or as many as come before one whose data are refused; or set that aside."""
    while True:
        try:
            with conn.transaction():
                return _learn_rows(conn, edge, keeper, counts, limit=limit)
        except (InvalidDataError, DataError) as error:
            if limit == 1:
                return _set_aside(conn, edge, counts, error), None
            limit //= 2


def _learn_rows(
    conn: psycopg.Connection, edge: Edge, keeper: Keeper, counts: Counts, *, limit: int
) -> tuple[Pass, Batch | None]:
    ids = _take(conn, limit)
    if not ids:
        return Pass(), None
    events = answers.events(conn.execute(_SQL["events"], {"ids": ids}).fetchall())
    try:
        known = keeper.known(conn, events, counts)
    except InvalidDataError as error:
        # Not a fault of the answers, which must not be set aside for it.
        raise CynicError(
            f"what was learned cannot be read: {error}", hint="look at loop_persistence_state"
        ) from error
    changes, counts = _fold(conn, known, events, counts, edge.clock())
    state.save(conn, known, changes, edge.clock())
    done = Pass(
        taken=len(ids),
        learned=len(changes.places),
        corrected=changes.corrected,
        skipped=len(ids) - len(changes.places),
        updates=changes.updates,
        changes=Counter(cast("str", row["loop"]) for row in changes.log),
    )
    counts = replace(counts, ripe=_ripe(known, changes, counts))
    return done, Batch(known=known, counts=counts)


def _take(conn: psycopg.Connection, limit: int) -> list[str]:
    return answers.taken(conn.execute(_SQL["take"], {"limit": limit}).fetchall())


def _set_aside(conn: psycopg.Connection, edge: Edge, counts: Counts, error: Exception) -> Pass:
    """Take the next row out of the queue without learning from it, and say why; the learner's lock keeps it the next one."""
    if counts.refused >= REFUSED_MAX:
        raise error
    ids = _take(conn, 1)
    _LOG.warning("nothing could be learned from %s", ", ".join(ids), exc_info=error)
    row = {
        "loop": "learning",
        "event": "failed",
        "judgment_id": None,
        "value": None,
        "action": str(error)[: cycle.ERROR_CHARACTERS_MAX],
        "delta": None,
        "metadata": {"signalIds": ids},
    }
    state.log(conn, [row], edge.clock())
    state.count(conn, replace(counts, refused=counts.refused + 1))
    return Pass(taken=len(ids), refused=len(ids))


def _fold(
    conn: psycopg.Connection, known: fold.Known, events: list[Event], counts: Counts, now: datetime
) -> tuple[Changes, Counts]:
    """Fold a batch and write its journal; what it changed, and the counts after it."""
    changes = Changes()
    with state.Journal(conn, now) as journal:
        for event in events:
            fold.apply(known, changes, event, counts.learned + len(changes.places) + 1)
            journal.send(changes)
    return changes, replace(
        counts,
        version=counts.version + 1,
        learned=counts.learned + len(changes.places),
        refused=0,
        cycled_at=counts.cycled_at or now,
        episodes=counts.episodes + changes.more,
        updates=counts.updates + changes.updates,
        correct=counts.correct + changes.correct,
        unfolded=counts.unfolded + len(changes.journal),
        folded_at=counts.folded_at or now,
        consolidated_at=counts.consolidated_at or now,
    )


def _ripe(known: fold.Known, changes: Changes, counts: Counts) -> bool:
    """Whether some state is ready to be consolidated; those that a batch did not touch are as ready as before."""
    before = counts.ripe and changes.reset_at is None
    touched = {cast("str", row[0]) for row in changes.journal}
    return before or bool(known.q.ready(touched, ewc.UPDATES))
