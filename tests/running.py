"""The real application on a free loopback port, in a thread of the test."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from queue import Queue
from typing import TYPE_CHECKING

from cynic.api.serve import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

WAIT_SECONDS = 30


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """Serve `app` as `cynic up` does, for as long as the context lasts; gives its URL."""
    ready: Queue[str] = Queue()
    server, bound = serving(app, "127.0.0.1", 0, ready=ready.put)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    with bound:
        thread.start()
        try:
            yield ready.get(timeout=WAIT_SECONDS)
        finally:
            server.should_exit = True
            thread.join(WAIT_SECONDS)
            assert not thread.is_alive(), "the service did not end"
