from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cynic.base import ids
from cynic.flows import feedback, record, submission
from cynic.flows.edge import Edge, digest_key
from cynic.flows.feedback import Answered
from cynic.flows.record import Recorded

Judge = Callable[..., Recorded]
Say = Callable[..., Answered]


class MovableClock:
    """A clock that a test moves; each look is a microsecond later, so that moments are distinct."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.moment += timedelta(microseconds=1)
        return self.moment

    def move(self, **step: float) -> None:
        self.moment += timedelta(**step)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def conn(fresh_database: str) -> Iterator[psycopg.Connection]:
    """A connection of the application role to a database of the test's own."""
    with psycopg.connect(fresh_database, autocommit=True) as opened:
        opened.execute("SET ROLE cynic_app")
        yield opened


@pytest.fixture
def edge(conn: psycopg.Connection, clock: MovableClock) -> Edge:
    return Edge(clock=clock, new_id=ids.new_uuid, digest_key=digest_key(conn))


@pytest.fixture
def judge(conn: psycopg.Connection, edge: Edge) -> Judge:
    """Record one judgment, by default with one vote."""
    numbers = itertools.count(1)

    def judge_it(**fields: Any) -> Recorded:
        base = {"item_type": "code", "item_content": f"x = {next(numbers)}"}
        if not fields.keys() & {"votes", "dimensions"}:
            base["votes"] = [{"dog": "Sage", "score": 0.8}]
        return record.record_one(conn, submission.read_judgment(base | fields), edge)

    return judge_it


@pytest.fixture
def say(conn: psycopg.Connection, edge: Edge) -> Say:
    """Say whether a judgment was right."""

    def say_it(judgment_id: str, outcome: str, **fields: Any) -> Answered:
        given = submission.read_feedback({"outcome": outcome, **fields})
        return feedback.answer(conn, judgment_id, given, edge)

    return say_it
