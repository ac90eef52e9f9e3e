"""What keeps the record in order by itself: hourly roll-ups, retention, and a note now and then of how the store is.

It has a thread and a connection of its own, beside the worker's: an hour of many spans takes seconds to add up, and learning
does not wait for it. Roll-ups take a small share of the time, whatever comes in: after a run of some seconds the next one
waits many times as long. Readers do not depend on it: of an hour that waits they read the rows.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from psycopg import Error

from cynic.base import clock, ids
from cynic.base.errors import CynicError
from cynic.db import sqlfile
from cynic.flows import retention, roll_up
from cynic.flows.edge import Edge, digest_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

    from cynic.db.connect import Database

POLL_SECONDS: Final = 5.0
REST_FACTOR: Final = 19
"""Roll-ups rest for so many times as long as they took: they use at most a twentieth of the time."""
RETENTION_CHECK_SECONDS: Final = 60.0
SNAPSHOT_EVERY: Final = timedelta(minutes=10)
RETRY_SECONDS: Final = 5.0

_SQL = cast(
    "Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("store_snapshot.sql"))
)
_LOG = logging.getLogger(__name__)


class Upkeep:
    """Rolls up, applies retention every hour, and notes how the store is; survives a database that goes and comes back."""

    def __init__(self, database: Database, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._database = database
        self._poll_seconds = poll_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cynic-upkeep", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after the hour or the batch under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with self._database.connect("cynic_app") as conn:
                    self._rounds(conn)
            except (CynicError, Error):
                _LOG.warning("the upkeep lost the database and tries again", exc_info=True)
                self._stop.wait(RETRY_SECONDS)
            except Exception:  # noqa: BLE001  # nothing may end it for good: what it leaves undone only grows
                _LOG.exception("the upkeep failed and tries again")
                self._stop.wait(RETRY_SECONDS)

    def _rounds(self, conn: psycopg.Connection) -> None:
        edge = Edge(clock=clock.now, new_id=ids.new_uuid, digest_key=digest_key(conn))
        roll_up_at = running_at = 0.0
        retention_at = time.monotonic() + RETENTION_CHECK_SECONDS
        while not self._stop.is_set():
            now = time.monotonic()
            if now >= roll_up_at:
                with_running = now >= running_at
                roll_up.run(conn, edge, with_running=with_running, stopped=self._stop.is_set)
                if with_running:
                    running_at = now + roll_up.RUNNING_EVERY.total_seconds()
                ended = time.monotonic()
                roll_up_at = ended + REST_FACTOR * (ended - now)
            if now >= retention_at:
                if retention.is_due(conn, edge.clock()):
                    retention.run(conn, edge, stopped=self._stop.is_set)
                self._note(conn, edge)
                retention_at = time.monotonic() + RETENTION_CHECK_SECONDS
            self._stop.wait(self._poll_seconds)

    def _note(self, conn: psycopg.Connection, edge: Edge) -> None:
        note_store(conn, edge, self._database.disk.free_bytes)


def note_store(conn: psycopg.Connection, edge: Edge, disk_free_bytes: int | None) -> None:
    """Leave a snapshot of the store, unless there is a recent one."""
    now = edge.clock()
    parameters = {"disk_free_bytes": disk_free_bytes, "now": now, "since": now - SNAPSHOT_EVERY}
    conn.execute(_SQL["take"], parameters)
