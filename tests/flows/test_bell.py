"""The bell: many writes, few notices, and nothing that rests on them."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from cynic.flows import bell

if TYPE_CHECKING:
    from collections.abc import Generator

    import pytest

PATIENCE_SECONDS = 20.0


def heard(listener: psycopg.Connection, seconds: float) -> int:
    return sum(1 for _ in listener.notifies(timeout=seconds))


def test_many_rings_are_few_notices_and_the_last_one_is_heard(fresh_database: str) -> None:
    with (
        psycopg.connect(fresh_database, autocommit=True) as listener,
        psycopg.connect(fresh_database, autocommit=True) as speaker,
    ):
        bell.listen(listener)
        opened = 0

        @contextmanager
        def connection() -> Generator[psycopg.Connection]:
            nonlocal opened
            opened += 1
            yield speaker

        rings = bell.Bell(connection)
        rings.ring()
        bell.wait(listener, PATIENCE_SECONDS)
        assert opened == 1
        for _ in range(1000):
            rings.ring()
        rings.stop()
        assert 1 <= heard(listener, 0.2) <= opened - 1 < 1000, "the rings before the end are told"


def test_stopping_tells_what_was_rung_and_ends_when_nobody_ever_rang(fresh_database: str) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as listener:
        bell.listen(listener)
        bell.Bell(lambda: psycopg.connect(fresh_database, autocommit=True)).stop()
        rings = bell.Bell(lambda: psycopg.connect(fresh_database, autocommit=True))
        rings.ring()
        rings.stop()
        rings.ring()  # after the end: nothing happens
        assert heard(listener, 0.2) == 1


def test_a_database_that_is_gone_is_no_error_of_the_writer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @contextmanager
    def connection() -> Generator[psycopg.Connection]:
        raise psycopg.OperationalError("gone")
        yield

    rings = bell.Bell(connection)
    with caplog.at_level("DEBUG", logger="cynic.flows.bell"):
        rings.ring()
        until = time.monotonic() + PATIENCE_SECONDS
        while not caplog.records:
            assert time.monotonic() < until
        rings.stop()
    assert caplog.records[0].message == "the bell was not heard"


def test_waiting_ends_when_nothing_rings(fresh_database: str) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as listener:
        bell.listen(listener)
        bell.wait(listener, 0.01)
