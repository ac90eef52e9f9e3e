"""The bell that wakes the worker: one NOTIFY for many writes, sent beside them and never by their transactions.

A NOTIFY inside each writing transaction would make all commits wait in one line. Whoever wrote rings here instead; one
thread tells the server, at most every 20 ms. Nothing rests on it: a worker that hears nothing looks by itself.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from psycopg import Error

from cynic.base.errors import CynicError
from cynic.db import sqlfile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    import psycopg

QUIET_SECONDS: Final = 0.02

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("bell.sql")))
_LOG = logging.getLogger(__name__)


class Bell:
    """Rings for one database. Safe to share between threads; the thread starts with the first ring."""

    def __init__(
        self, connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    ) -> None:
        self._connection = connection
        self._rung = threading.Event()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def ring(self) -> None:
        """Say that something was written; returns at once."""
        if self._thread is None:
            with self._lock:
                if self._thread is None and not self._stopped.is_set():
                    self._thread = threading.Thread(
                        target=self._run, name="cynic-bell", daemon=True
                    )
                    self._thread.start()
        self._rung.set()

    def stop(self) -> None:
        """Tell the server what is still to be told, and end."""
        self._stopped.set()
        self._rung.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        last = False
        while not last:
            self._rung.wait()
            last = self._stopped.is_set()
            self._rung.clear()
            try:
                with self._connection() as conn:
                    conn.execute(_SQL["ring"])
            except (CynicError, Error):
                _LOG.debug("the bell was not heard", exc_info=True)
            self._stopped.wait(QUIET_SECONDS)
            last = last or (self._stopped.is_set() and not self._rung.is_set())


def listen(conn: psycopg.Connection) -> None:
    """Hear the bell on this connection."""
    conn.execute(_SQL["listen"])


def wait(conn: psycopg.Connection, seconds: float) -> None:
    """Wait until it rings, at most so long; rings heard since the last wait count."""
    for _ in conn.notifies(timeout=seconds, stop_after=1):
        pass
