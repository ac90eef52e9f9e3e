"""The worker: what goes on by itself while the service runs, in one thread with one connection."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from psycopg import Error

from cynic.base import clock, ids
from cynic.base.errors import CynicError
from cynic.flows import budget, counters, learn
from cynic.flows.edge import Edge, digest_key

if TYPE_CHECKING:
    import psycopg

    from cynic.db.connect import Database

POLL_SECONDS = 0.25
RETRY_SECONDS = 1.0
BUDGET_SECONDS = 10.0
ALIVE_SECONDS = 15.0

_LOG = logging.getLogger(__name__)


class Worker:
    """Folds the shared counters, learns from feedback, tends the budget; survives a database that goes and comes back."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cynic-worker", daemon=True)
        self._last_round = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether a round was completed lately."""
        return self._thread.is_alive() and time.monotonic() - self._last_round < ALIVE_SECONDS

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after the round under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with self._database.connect("cynic_app") as conn:
                    self._rounds(conn)
            except (CynicError, Error):
                _LOG.warning("the worker lost the database and tries again", exc_info=True)
                self._stop.wait(RETRY_SECONDS)

    def _rounds(self, conn: psycopg.Connection) -> None:
        edge = Edge(clock=clock.now, new_id=ids.new_uuid, digest_key=digest_key(conn))
        tended = time.monotonic()
        while not self._stop.is_set():
            folded = counters.fold(conn, clock.now())
            if time.monotonic() - tended >= BUDGET_SECONDS:
                budget.tend(conn, clock.now())
                tended = time.monotonic()
            learned = learn.tend(conn, edge)
            self._last_round = time.monotonic()
            if folded < counters.BATCH_ROWS and learned.taken < learn.BATCH_ROWS:
                self._stop.wait(POLL_SECONDS)
