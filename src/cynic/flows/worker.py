"""The worker: what goes on by itself while the service runs. Learning has a thread and a connection, upkeep another."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from psycopg import DataError, Error, IntegrityError

from cynic.base import clock, ids
from cynic.base.errors import CynicError
from cynic.flows import bell, budget, counters, learn
from cynic.flows.edge import Edge, digest_key
from cynic.flows.learning import governance
from cynic.flows.learning.state import Keeper
from cynic.flows.otlp_money import Book
from cynic.flows.upkeep import Upkeep

if TYPE_CHECKING:
    import psycopg

    from cynic.db.connect import Database

POLL_SECONDS = 0.25
"""How long it sleeps when nothing wakes it."""
REST_SECONDS = 0.02
"""Between rounds, so that a stream of single answers is learned in small batches."""
RETRY_SECONDS = 1.0
BUDGET_SECONDS = 10.0
ALIVE_SECONDS = 15.0
GOVERNANCE_SECONDS = 60.0
"""Between two looks whether the dogs have to vote."""

_LOG = logging.getLogger(__name__)


class Worker:
    """Folds the shared counters, learns from feedback, lets the dogs vote, tends the budget; survives a database that goes and comes back."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cynic-worker", daemon=True)
        self._upkeep = Upkeep(database)
        self._last_round = time.monotonic()
        self._learns_again = 0.0
        self._is_stuck = False

    @property
    def alive(self) -> bool:
        """Whether a round was completed lately, answers can be learned, and the upkeep runs."""
        if not self._upkeep.alive or self._is_stuck:
            return False
        return self._thread.is_alive() and time.monotonic() - self._last_round < ALIVE_SECONDS

    def start(self) -> None:
        """Begin; returns at once."""
        self._upkeep.start()
        self._thread.start()

    def stop(self) -> None:
        """End after the round under way."""
        self._stop.set()
        self._upkeep.stop()
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
            except Exception:  # noqa: BLE001  # a fault of ours in one task must not end the others for good
                _LOG.exception("the worker met a fault and tries again")
                self._stop.wait(RETRY_SECONDS)

    def _rounds(self, conn: psycopg.Connection) -> None:
        edge = Edge(clock=clock.now, new_id=ids.new_uuid, digest_key=digest_key(conn))
        keeper, book = Keeper(), Book(is_history=True)
        bell.listen(conn)
        governed = -GOVERNANCE_SECONDS
        tended = time.monotonic()
        while not self._stop.is_set():
            folded = counters.fold(conn, clock.now())
            learned = self._learn(conn, edge, keeper)
            if time.monotonic() - tended >= BUDGET_SECONDS:
                budget.tend(conn, clock.now())
                _catch_up(conn, book)
                tended = time.monotonic()
            if time.monotonic() - governed >= GOVERNANCE_SECONDS:
                governance.tend(conn, edge)
                governed = time.monotonic()
            self._last_round = time.monotonic()
            if folded < counters.BATCH_ROWS and not learned.taken:
                bell.wait(conn, POLL_SECONDS)
            else:
                self._stop.wait(REST_SECONDS)

    def _learn(self, conn: psycopg.Connection, edge: Edge, keeper: Keeper) -> learn.Pass:
        """Learn what waits; an answer that cannot be learned holds up learning, and nothing else."""
        if time.monotonic() < self._learns_again:
            return learn.Pass()
        try:
            learned = learn.tend(conn, edge, keeper)
        except (CynicError, DataError, IntegrityError):
            _LOG.warning("answers could not be learned", exc_info=True)
            self._is_stuck, self._learns_again = True, time.monotonic() + RETRY_SECONDS
            return learn.Pass()
        self._is_stuck = False
        return learned


def _catch_up(conn: psycopg.Connection, book: Book) -> None:
    """Book what waits; what cannot be booked keeps nothing else from its turn."""
    try:
        book.catch_up(conn, clock.now())
    except (CynicError, DataError, IntegrityError):
        _LOG.warning("stored calls could not be booked", exc_info=True)
