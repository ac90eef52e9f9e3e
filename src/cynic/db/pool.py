"""Pools of connections: made when needed, looked at when taken, waited for but not for ever."""

from __future__ import annotations

import select
from contextlib import contextmanager
from typing import TYPE_CHECKING

from psycopg_pool import ConnectionPool, PoolTimeout, TooManyRequests

from cynic.base.errors import TryAgainError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import psycopg

    from cynic.db.connect import Database

WAIT_SECONDS = 5.0
WAITING_MAX = 1000


class BusyError(TryAgainError):
    """Every connection was in use for as long as one waits."""

    code = "busy"


def make(
    found: Database, size: int, configure: Callable[[psycopg.Connection], None]
) -> ConnectionPool[psycopg.Connection]:
    """A pool that is not open yet; `configure` makes each new connection one for its purpose."""
    return ConnectionPool(
        found.conninfo,
        min_size=0,
        max_size=size,
        max_waiting=WAITING_MAX,
        timeout=WAIT_SECONDS,
        open=False,
        configure=configure,
        check=check,
        kwargs={"autocommit": True, "fallback_application_name": "cynic"},
    )


def check(conn: psycopg.Connection) -> None:
    """Raise when the server has hung up, so that the pool makes a new connection.

    A server that ends says so first: then there is something to read on a connection that should be quiet, and only
    then does asking it cost a round trip.
    """
    heard = select.poll()
    heard.register(conn.fileno(), select.POLLIN)
    if heard.poll(0):
        ConnectionPool.check_connection(conn)


@contextmanager
def taken(pool: ConnectionPool[psycopg.Connection]) -> Generator[psycopg.Connection]:
    """One connection of the pool; `BusyError` when none becomes free in time."""
    try:
        with pool.connection() as conn:
            yield conn
    except TooManyRequests as error:
        raise BusyError("too many wait for the database already") from error
    except PoolTimeout as error:
        raise BusyError(f"no connection became free within {WAIT_SECONDS} s") from error
