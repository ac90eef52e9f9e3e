"""Residual detection: a hidden fact shows as anomalies and a candidate, noise does not; what is taken back leaves no trace."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, LiteralString

import pytest

from cynic.domains.learning import residual_fit
from cynic.flows import learn
from cynic.flows.learning import cycle, residual
from cynic.reads.learning import discovered
from cynic.reads.learning.status import status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import psycopg

    from conftest import Judge, Say
    from cynic.flows.edge import Edge

NAMES = ("COHERENCE", "ACCURACY", "INTEGRITY", "UTILITY", "VIGILANCE")


def one(conn: psycopg.Connection, query: LiteralString) -> Any:
    row = conn.execute(query).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def rows(conn: psycopg.Connection, query: LiteralString) -> list[Any]:
    return conn.execute(query).fetchall()


def looked_at(rng: random.Random) -> dict[str, float]:
    return {name: round(rng.uniform(55, 95), 1) for name in NAMES}


def alike(dimensions: Mapping[str, float], rng: random.Random) -> float:
    """What such dimensions foretell, within a few points."""
    mean = sum(dimensions.values()) / len(dimensions)
    return min(100.0, max(0.0, mean + 0.4 * (dimensions["ACCURACY"] - 75) + rng.gauss(0, 6)))


def stream(
    judge: Judge, say: Say, rng: random.Random, count: int, actual: Callable[..., float]
) -> list[str]:
    ids: list[str] = []
    for _ in range(count):
        dimensions = looked_at(rng)
        judged = judge(dimensions=dimensions)
        score = actual(dimensions, rng)
        outcome = "correct" if (score >= 50) == (judged.q_score >= 50) else "incorrect"
        say(judged.judgment_id, outcome, actual_score=round(score, 1))
        ids.append(judged.judgment_id)
    return ids


@pytest.fixture
def short_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle, "ANSWERS", 40)


@pytest.mark.usefixtures("short_cycles")
def test_a_hidden_fact_shows_as_anomalies_and_a_candidate(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    rng = random.Random(7)
    hidden: list[bool] = []

    def actual(dimensions: Mapping[str, float], rng: random.Random) -> float:
        # One in eight was written on a Friday evening, which no dimension says.
        hidden.append(rng.random() < 0.125)
        return rng.uniform(2, 12) if hidden[-1] else alike(dimensions, rng)

    ids = stream(judge, say, rng, 120, actual)
    done = learn.run(conn, edge)
    assert done.changes["residual"] == 2, "the first cycle has nothing to foretell with"
    wanted = {name for name, fact in zip(ids[40:], hidden[40:], strict=True) if fact}
    assert len(wanted) >= 5
    found = rows(conn, "SELECT source_id, residual, severity, acknowledged FROM residual_anomalies")
    assert {row[0] for row in found} == wanted
    assert all(0.382 < float(row[1]) <= 0.618 and not row[3] for row in found)
    told = rows(conn, "SELECT source_id, severity, description, resolved FROM anomalies")
    assert {row[0] for row in told} == {row[0] for row in found if row[2] in {"high", "critical"}}
    assert all(row[0] in row[2] and "below" in row[2] and not row[3] for row in told)
    name, description, score, axiom = one(
        conn, "SELECT dimension_name, description, score, category FROM residual_candidates"
    )
    assert name.startswith("UNNAMED_")
    assert f"scored {len(wanted)} judgments far below" in description
    assert 0.382 < float(score) <= 0.618
    assert axiom == "VERIFY", "no dimension is weak, and this is where such go"
    events = rows(
        conn,
        "SELECT judgment_id, metadata ->> 'feedbackId', metadata ->> 'cycleId' FROM learning_events "
        "WHERE loop_type = 'residual' AND event_type = 'anomaly'",
    )
    assert {row[0] for row in events} == wanted
    known = {str(row[0]) for row in rows(conn, "SELECT id FROM feedback")}
    assert {row[1] for row in events} <= known
    cycles = {row[0] for row in rows(conn, "SELECT cycle_id FROM learning_cycles")}
    assert {row[2] for row in events} <= cycles
    shown: Any = {loop["loop"]: loop for loop in status(conn)["loops"]}  # pyright: ignore[reportGeneralTypeIssues]
    assert shown["residual"]["state"] == "learning"
    assert shown["residual"]["detail"]["candidates"][0]["dimension_name"] == name


@pytest.mark.usefixtures("short_cycles")
def test_a_stream_that_dimensions_explain_shows_nothing(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    stream(judge, say, random.Random(3), 120, alike)
    learn.run(conn, edge)
    assert one(
        conn,
        "SELECT (SELECT count(*) FROM residual_anomalies), (SELECT count(*) FROM anomalies), "
        "(SELECT count(*) FROM residual_candidates)",
    ) == (0, 0, 0)
    fit = one(
        conn,
        "SELECT weights -> 'fit' FROM loop_persistence_state WHERE loop_name = 'residual' AND state_type = 'default'",
    )
    weights = residual_fit.Fit.read(fit).predictor()
    assert weights is not None
    assert max(weights.weights, key=lambda name: weights.weights[name]) == "ACCURACY"


def test_only_answers_with_a_score_on_judgments_with_dimensions_count(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    say(judge(dimensions={"ACCURACY": 50}).judgment_id, "correct")
    say(judge().judgment_id, "correct", actual_score=80)
    learn.run(conn, edge)
    assert rows(conn, "SELECT 1 FROM loop_persistence_state WHERE loop_name = 'residual'") == []
    say(judge(dimensions={"ACCURACY": 50}).judgment_id, "partial", actual_score=80)
    learn.run(conn, edge)
    assert (
        one(
            conn,
            "SELECT (weights -> 'fit' ->> 'judgments')::int FROM loop_persistence_state WHERE loop_name = 'residual'",
        )
        == 1
    )


@pytest.mark.usefixtures("short_cycles")
def test_an_answer_taken_back_takes_its_anomaly_along(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    rng = random.Random(5)
    stream(judge, say, rng, 40, alike)
    learn.run(conn, edge)
    odd = []
    for _ in range(3):
        judged = judge(dimensions=dict.fromkeys(NAMES, 80)).judgment_id
        say(judged, "incorrect", actual_score=5, user="ada")
        odd.append(judged)
    learn.run(conn, edge)
    assert one(conn, "SELECT count(*) FROM residual_anomalies") == 3
    assert one(conn, "SELECT count(*) FROM residual_candidates") == 1
    say(odd[0], "correct", actual_score=81, user="ada")
    say(odd[1], "correct", user="ada")
    # The other way round: still an anomaly, on the other side of other judgments.
    say(odd[2], "incorrect", actual_score=6, user="bob")
    learn.run(conn, edge)
    assert rows(conn, "SELECT source_id FROM residual_anomalies") == [(odd[2],)]
    assert one(conn, "SELECT count(*) FROM residual_candidates") == 0
    resolved = dict(rows(conn, "SELECT source_id, resolved FROM anomalies"))
    assert resolved == {odd[0]: True, odd[1]: True, odd[2]: False}
    assert (
        one(
            conn,
            "SELECT (weights -> 'fit' ->> 'judgments')::int FROM loop_persistence_state WHERE loop_name = 'residual' "
            "AND state_type = 'default'",
        )
        == 43
    )
    say(odd[2], "correct", actual_score=80, user="bob")
    learn.run(conn, edge)
    assert one(conn, "SELECT count(*) FROM residual_anomalies") == 0
    # Ada's answer on it still says so: her anomaly gave way to Bob's when that came.
    assert one(conn, "SELECT count(*) FROM anomalies WHERE NOT resolved") == 0


def test_what_was_learned_before_the_loops_began_is_not_taken_back(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    judged = [judge(dimensions={"ACCURACY": 80}).judgment_id for _ in range(4)]
    for name in judged:
        say(name, "correct", actual_score=80)
    learn.run(conn, edge)
    conn.execute("DELETE FROM loop_persistence_state WHERE loop_name ~ '^(residual|emergence)'")
    say(judged[0], "incorrect", actual_score=10)
    learn.run(conn, edge)
    fit = one(
        conn,
        "SELECT weights -> 'fit' FROM loop_persistence_state WHERE loop_name = 'residual'",
    )
    assert (fit["judgments"], fit["counts"]) == (1, [1])
    counted = one(conn, "SELECT weights FROM loop_persistence_state WHERE loop_name = 'emergence'")
    assert (counted["judgments"], counted["passes"], counted["since"]) == (1, 0, 4)


@pytest.mark.usefixtures("short_cycles")
def test_clusters_and_candidates_are_bounded(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(residual, "CANDIDATES_MAX", 2)
    monkeypatch.setattr(residual, "SOURCES_MAX", 4)
    rng = random.Random(5)
    stream(judge, say, rng, 40, alike)
    for weak in NAMES[:3]:
        for _ in range(6):
            judged = judge(dimensions={**dict.fromkeys(NAMES, 80), weak: 20}).judgment_id
            say(judged, "incorrect", actual_score=1)
        learn.run(conn, edge)
    found = rows(
        conn,
        "SELECT c.category, jsonb_array_length(l.weights -> 'sources') FROM residual_candidates AS c "
        "JOIN loop_persistence_state AS l ON l.state_type = c.dimension_name ORDER BY 1",
    )
    assert found == [("VERIFY", 4), ("VERIFY", 4)], "the one that was added to first has gone"
    assert (
        one(conn, "SELECT count(*) FROM loop_persistence_state WHERE loop_name = 'residual'") == 3
    )


def test_anomalies_are_counted_up_to_a_bound(
    conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn.execute(
        "INSERT INTO residual_anomalies (source_type, source_id, residual, severity) "
        "SELECT 'judgment', n::text, 0.5, CASE WHEN n < 3 THEN 'critical' ELSE 'high' END FROM generate_series(1, 9) AS n"
    )
    conn.execute(
        "INSERT INTO anomalies (anomaly_id, source_type, severity, description, resolved, acknowledged) "
        "SELECT n::text, 'judgment', 'high', 'd', n < 3, n > 6 FROM generate_series(1, 9) AS n"
    )
    for bound, high, unresolved in ((1000, 7, 4), (3, 3, 3)):
        monkeypatch.setattr(discovered, "COUNTED_MAX", bound)
        detail = discovered.residual(conn).detail
        assert detail["anomalies"] == {"critical": 2, "high": high}
        assert detail["unresolved"] == unresolved
        assert detail["counted_up_to"] == bound
