from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from cynic.api.app import create_app
from cynic.db.connect import Database
from running import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import FastAPI


class Client(httpx.Client):
    """A client of a service that runs in this process."""

    app: FastAPI


@contextmanager
def service(dsn: str, *, pool_size: int = 8, with_worker: bool = True) -> Iterator[Client]:
    """The service over one database, and a client of it."""
    app = create_app(
        Database(conninfo=dsn, source="test"), with_worker=with_worker, pool_size=pool_size
    )
    with running(app) as url, Client(base_url=url, timeout=60) as client:
        client.app = app
        yield client


@pytest.fixture
def client(fresh_database: str) -> Iterator[Client]:
    with service(fresh_database) as found:
        yield found


@pytest.fixture
def start(fresh_database: str) -> Callable[..., object]:
    """Run the service with settings of the test's own; a context manager that gives a client."""
    return lambda **settings: service(fresh_database, **settings)
