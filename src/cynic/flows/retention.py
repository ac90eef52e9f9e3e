"""Retention by itself: every rule of the schema, once an hour, by one process at a time, with a row that says what went.

The hours that wait are rolled up first, so that percentiles of rows that go are known before they go.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from psycopg import Error, OperationalError, errors

from cynic.db import retention, sqlfile
from cynic.flows import roll_up

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    import psycopg

    from cynic.flows.edge import Edge

EVERY: Final = timedelta(hours=1)

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("retention.sql")))
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run removed, rule by rule, and which rules failed."""

    cleaned: Mapping[str, int]
    failed: tuple[str, ...]


def is_due(conn: psycopg.Connection, now: datetime) -> bool:
    """Whether nobody ran it within the last hour."""
    row = conn.execute(_SQL["last_run"], {"since": now - 2 * EVERY}).fetchone()
    last = None if row is None else cast("datetime | None", row[0])
    return last is None or now - last >= EVERY


def run(
    conn: psycopg.Connection,
    edge: Edge,
    *,
    batch_rows: int = retention.BATCH_ROWS,
    stopped: Callable[[], bool] = lambda: False,
) -> Run | None:
    """Apply every rule; None while another process does. A rule that fails keeps no other from running.

    `conn` is in autocommit mode.
    """
    row = conn.execute(_SQL["only_cleaner"]).fetchone()
    if not (row and row[0]):
        return None
    try:
        return _run(conn, edge, batch_rows, stopped)
    finally:
        if not conn.broken:
            conn.execute(_SQL["let_others_clean"])


def _run(
    conn: psycopg.Connection, edge: Edge, batch_rows: int, stopped: Callable[[], bool]
) -> Run | None:
    started = edge.clock()
    while roll_up.run(conn, edge, stopped=stopped).more and not stopped():
        pass
    cleaned: dict[str, int] = {}
    failed: list[str] = []
    for rule in retention.rules(conn):
        cleaned[rule] = 0
        try:
            for rows in retention.batches(conn, rule, batch_rows=batch_rows):
                cleaned[rule] += rows
                if stopped():
                    return None
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            # Somebody writes what should go. Whoever writes goes first; the next hour finds what is left.
            _LOG.info("the retention rule %s gave way to a writer", rule)
        except OperationalError:
            raise  # the server has gone, or gives no lock: all of it again later
        except Error:
            _LOG.exception("the retention rule %s failed", rule)
            failed.append(rule)
    parameters = {
        "id": f"retention:{edge.new_id()}",
        "status": "failed" if failed else "completed",
        "rows": sum(cleaned.values()),
        "failed": len(failed),
        "started": started,
        "now": edge.clock(),
    }
    conn.execute(_SQL["task"], parameters)
    return Run(cleaned, tuple(failed))
