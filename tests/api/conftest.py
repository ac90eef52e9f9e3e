from __future__ import annotations

import threading
from contextlib import contextmanager
from queue import Queue
from typing import TYPE_CHECKING

import httpx
import pytest

from cynic.api.app import create_app
from cynic.api.serve import serving
from cynic.db.connect import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import FastAPI


class Client(httpx.Client):
    """A client of a service that runs in this process."""

    app: FastAPI


@contextmanager
def running(dsn: str, *, pool_size: int = 8, with_worker: bool = True) -> Iterator[Client]:
    """The service on a free loopback port, in a thread, and a client of it."""
    app = create_app(
        Database(conninfo=dsn, source="test"), with_worker=with_worker, pool_size=pool_size
    )
    ready: Queue[str] = Queue()
    server, bound = serving(app, "127.0.0.1", 0, ready=ready.put)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    with bound:
        thread.start()
        try:
            with Client(base_url=ready.get(timeout=30), timeout=60) as client:
                client.app = app
                yield client
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


@pytest.fixture
def client(fresh_database: str) -> Iterator[Client]:
    with running(fresh_database) as found:
        yield found


@pytest.fixture
def start(fresh_database: str) -> Callable[..., object]:
    """Run the service with settings of the test's own; a context manager that gives a client."""
    return lambda **settings: running(fresh_database, **settings)
