"""Group commit for OpenTelemetry: what concurrent requests bring is stored by one writer, many requests to a commit.

A request is answered when the transaction that holds it is committed. What waits is bounded in bytes; beyond that the
answer is to come back later. A batch that the database refuses is taken apart until only what it refuses is left, and
that goes to the dead letters, so that nothing acknowledged is lost and nothing bad holds up the rest.
"""

from __future__ import annotations

import logging
import struct
import threading
import time
from collections import deque
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import errors

from cynic.base import clock
from cynic.base.errors import CynicError, TryAgainError, UnavailableError
from cynic.db.datadir import DiskFullError
from cynic.domains.telemetry.otlp.refusals import letter
from cynic.flows import otlp_store
from cynic.flows.otlp_store import Batch

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from cynic.db.connect import Database
    from cynic.domains.telemetry.otlp.refusals import Letter
    from cynic.flows.otlp_money import Book

WAITING_BYTES_MAX: Final = 48 << 20
"""Bodies that were taken and are not committed yet, as they came over the wire or unpacked, whichever is more."""
BATCH_ITEMS_MAX: Final = 2000
TRIES: Final = 3
PAUSE_SECONDS: Final = 0.05
REFUSALS: Final = (
    errors.DataError,
    errors.IntegrityError,
    errors.ProgramLimitExceeded,
    ValueError,
    struct.error,
)
"""The database's words and ours for values that no column takes."""
REFUSED: Final = "the database refuses it"

_LOG = logging.getLogger(__name__)


class BehindError(TryAgainError):
    """More is waiting to be stored than is kept in memory."""

    code = "behind"


class StoppedError(UnavailableError):
    """The service is ending; nothing of this request was stored."""

    code = "stopping"


@dataclass(slots=True)
class _Waiting:
    batch: Batch
    done: Future[None]


class Receiver:
    """The writer's thread, its connection, and what waits for it."""

    def __init__(self, database: Database, book: Book | None = None) -> None:
        self._database = database
        self._book = book
        self._conn: psycopg.Connection | None = None
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._bytes = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="cynic-otlp", daemon=True)

    @property
    def waiting_bytes(self) -> int:
        """How much was taken and is not committed yet."""
        return self._bytes

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Store what waits, then end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    @contextmanager
    def room(self, size: int) -> Generator[None]:
        """Room for a body of this many bytes until it is answered; `BehindError` when there is none.

        One body always finds room, however large.
        """
        with self._changed:
            if self._bytes and self._bytes + size > WAITING_BYTES_MAX:
                raise BehindError("more is waiting to be stored than is kept in memory")
            self._bytes += size
        try:
            yield
        finally:
            with self._changed:
                self._bytes -= size

    def submit(self, batch: Batch) -> Future[None]:
        """Have a batch stored; the future is done when it is committed, or says why it was not.

        `DiskFullError` while there is too little room on the database's disk.
        """
        self._database.disk.check()
        done: Future[None] = Future()
        with self._changed:
            if self._stopping:
                raise StoppedError("the service is ending")
            self._waiting.append(_Waiting(batch, done))
            self._changed.notify_all()
        return done

    def _run(self) -> None:
        while group := self._next():
            try:
                self._store_group(group)
            except Exception as error:  # noqa: BLE001 - whoever waits is told, and the thread lives on
                for one in group:
                    if not one.done.done():
                        one.done.set_exception(_told(error))
        self._close()

    def _next(self) -> list[_Waiting]:
        """What to store together; nothing once the service ends and all is stored."""
        with self._changed:
            while not self._waiting and not self._stopping:
                self._changed.wait()
            group: list[_Waiting] = []
            items = 0
            while self._waiting and (not group or items < BATCH_ITEMS_MAX):
                one = self._waiting.popleft()
                items += len(one.batch.spans) + len(one.batch.events) + len(one.batch.letters)
                group.append(one)
            return group

    def _store_group(self, group: Sequence[_Waiting]) -> None:
        whole = Batch()
        for one in group:
            whole.spans += one.batch.spans
            whole.events += one.batch.events
            whole.letters += one.batch.letters
        if not self._try(whole):
            for one in group:
                try:
                    self._store_apart(one.batch)
                except (psycopg.Error, CynicError) as error:
                    one.done.set_exception(_told(error))
                else:
                    one.done.set_result(None)
            return
        for one in group:
            one.done.set_result(None)

    def _try(self, batch: Batch) -> bool:
        """Store a batch; False when the database refuses what is in it. Raises when the database is the trouble."""
        for attempt in range(1, TRIES + 1):
            try:
                otlp_store.store(self._connection(), batch, clock.now(), self._book)
            except REFUSALS as error:
                # A row that another writer made or took away meanwhile is there, or gone, the next time.
                if attempt == TRIES or not isinstance(error, errors.IntegrityError):
                    _LOG.warning("a batch of telemetry was refused: %s", error)
                    return False
            except (psycopg.OperationalError, psycopg.InterfaceError):
                if self._conn is not None and self._conn.closed:
                    self._close()
                if attempt == TRIES:
                    raise
                time.sleep(PAUSE_SECONDS * attempt)
            else:
                return True
        return False

    def _store_apart(self, batch: Batch) -> None:
        """Store item by item what was refused together; what is refused alone becomes a dead letter."""
        if batch.letters:
            self._try(Batch(letters=batch.letters))
        for span in batch.spans:
            if not self._try(Batch(spans=[span])):
                self._set_aside(letter("traces", span.source(), "refused", REFUSED))
        for event in batch.events:
            if not self._try(Batch(events=[event])):
                self._set_aside(letter("logs", event.source(), "refused", REFUSED))

    def _set_aside(self, refused: Letter) -> None:
        if not self._try(Batch(letters=[refused])):
            raise CynicError("a dead letter cannot be stored")

    def _connection(self) -> psycopg.Connection:
        if self._conn is None:
            conn = self._database.connect()
            self._database.prepare_for_app(conn)
            self._conn = conn
        return self._conn

    def _close(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None


def _told(error: BaseException) -> BaseException:
    """What a client may hear: the database's own words may name hosts and users."""
    if isinstance(error, CynicError):
        return error
    _LOG.warning("telemetry could not be stored", exc_info=error)
    if isinstance(error, errors.DiskFull):
        return DiskFullError("the database's disk is full")
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return UnavailableError("the database does not answer")
    return error
