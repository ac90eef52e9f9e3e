"""The loops that discover: whoever dies when, the same is found; whatever the batches, the same is found; in bounded rows."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from mortal import live_on
from test_learn import learned

from cynic.domains.learning import residual_fit
from cynic.flows import learn
from cynic.flows.learning import consolidation, cycle

if TYPE_CHECKING:
    import psycopg

    from conftest import Judge, MovableClock, Say
    from cynic.flows.edge import Edge

NAMES = ("COHERENCE", "ACCURACY", "UTILITY")
RUNS = "SELECT task_name, success_count FROM background_tasks WHERE task_name = 'governance'"
DECISIONS = "SELECT action_type, dimension_name, vote_result - 'task' FROM dimension_governance_log ORDER BY id"
ADDED = "SELECT name, category, metadata FROM discovered_dimensions WHERE metadata ? 'candidate'"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle, "ANSWERS", 6)
    monkeypatch.setattr(residual_fit, "JUDGMENTS_MIN", 5)
    monkeypatch.setattr(consolidation, "EVERY_ANSWERS", 8)


def history(judge: Judge, say: Say) -> None:
    """Ordinary judgments, some that no dimension explains, and people who change their mind about both."""
    rng = random.Random(1)
    for number in range(26):
        odd = number > 7 and number % 2 == 0
        dimensions = {name: 85 if odd else rng.randrange(60, 95) for name in NAMES}
        votes: list[dict[str, Any]] = [
            {"dog": dog, "score": 0.9} for dog in ("Sage", "Scout", "Oracle")
        ]
        judged = judge(
            judgment_id=f"j{number:02}",
            context_type=("review", None)[number % 3 == 0],
            task_type="merge",
            dimensions=dimensions,
            votes=votes,
        )
        actual = 1 if odd else sum(dimensions.values()) / len(dimensions)
        person = ("ada", "bob")[number % 2]
        say(judged.judgment_id, "incorrect" if odd else "correct", actual_score=actual, user=person)
        if number in {12, 16}:
            say("j10", "correct" if number == 12 else "incorrect", actual_score=2, user="ada")
        if number == 20:
            say("j03", "incorrect", actual_score=3, user="bob")


def found(conn: psycopg.Connection) -> dict[str, Any]:
    everything = learned(conn)
    everything["decisions"] = conn.execute(DECISIONS).fetchall()
    everything["added"] = [row[:2] for row in conn.execute(ADDED)]
    return everything


@pytest.mark.parametrize("limit", [1, 1000])
def test_dying_anywhere_finds_the_same(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    fresh_database: str,
    limit: int,
) -> None:
    history(judge, say)
    with conn.transaction(force_rollback=True):
        learn.run(conn, edge, limit=1000)
        wanted = found(conn)
        assert conn.execute(RUNS).fetchall() == [("governance", 2)]
    assert all(
        wanted[name]
        for name in ("residuals", "anomalies", "candidates", "patterns", "evolution", "shared")
    )
    assert all(wanted[name] for name in ("metrics", "spreads", "decisions"))
    assert len(wanted["added"]) == 1
    live_on(fresh_database, lambda mortal: learn.run(mortal, edge, limit=limit))
    now = found(conn)
    wanted.pop("queue")
    assert now.pop("queue") == [(0,)]
    assert conn.execute(RUNS).fetchall() == [("governance", 2)]
    for name, value in wanted.items():
        assert now[name] == value, name


def test_erasing_a_person_leaves_numbers_and_no_answer(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, clock: MovableClock
) -> None:
    history(judge, say)
    learn.run(conn, edge)
    conn.execute("SELECT erase_user(id) FROM users WHERE username = 'ada'")
    clock.move(days=1)
    judged = judge(dimensions=dict.fromkeys(NAMES, 80)).judgment_id
    say(judged, "correct", actual_score=80)
    learn.run(conn, edge)
    residuals = conn.execute("SELECT count(*) FROM residual_anomalies").fetchone()
    assert residuals is not None
    assert residuals[0] > 0
