"""Hourly roll-ups: hours whose rows changed are taken from a queue and computed anew, each in a transaction of its own.

An hour that is in the queue has rows that its roll-up does not hold; every other roll-up is exact. The hour that is running
changes with every write, so it is only computed now and then. Sums by day are exact without that; many rows of them are
folded into one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.db import sqlfile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    import psycopg

    from cynic.flows.edge import Edge

HOURS_MAX: Final = 500
"""So many hours a run; the next run goes on."""
RUNNING_EVERY: Final = timedelta(minutes=5)
"""How often the hour that is running is computed."""

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("roll_up.sql")))


@dataclass(frozen=True, slots=True)
class Run:
    """What one run did."""

    hours: int
    """Hours of one source that were computed."""
    more: bool
    """Whether some are waiting that could be computed at once."""


def run(
    conn: psycopg.Connection,
    edge: Edge,
    *,
    with_running: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> Run:
    """Compute what waits, at most `HOURS_MAX` hours; nothing while another one rolls up.

    `conn` is in autocommit mode.
    """
    started = edge.clock()
    with conn.transaction():
        if not _alone(conn):
            return Run(0, more=False)
        conn.execute(_SQL["spread"])
        conn.execute(_SQL["thin_out"])
        conn.execute(_SQL["fold_days"])
    parameters = {"now": started, "with_running": with_running, "limit": HOURS_MAX + 1}
    waiting = conn.execute(_SQL["waiting"], parameters).fetchall()
    hours = 0
    for source, hour in waiting[:HOURS_MAX]:
        if stopped():
            break
        hours += roll_up(conn, source, hour, edge.clock())
    if hours:
        task = {"id": f"roll-up:{edge.new_id()}", "hours": hours, "started": started}
        conn.execute(_SQL["task"], task | {"now": edge.clock()})
    return Run(hours, more=len(waiting) > HOURS_MAX)


def roll_up(conn: psycopg.Connection, source: str, hour: datetime, now: datetime) -> bool:
    """Compute one hour of one source in one transaction; False while another one rolls up."""
    parameters = {"source": source, "hour": hour, "now": now}
    with conn.transaction():
        if not _alone(conn):
            return False
        conn.execute(_SQL["take_hour"], parameters)
        # Planned anew each time: the tables grow from nothing to millions of rows under one connection.
        conn.execute(_SQL["roll_up"], parameters, prepare=False)
    return True


def _alone(conn: psycopg.Connection) -> bool:
    row = conn.execute(_SQL["only_roller"]).fetchone()
    return row is not None and bool(row[0])
