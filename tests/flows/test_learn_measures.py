"""What each cycle measures: answers in numbers, how they are spread, and how mature the loops are; nothing is made up."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from test_learn_residual import one, rows

from cynic.domains.learning.recovery import Recovery
from cynic.flows import learn
from cynic.flows.learning import cycle
from cynic.reads.learning.status import status

if TYPE_CHECKING:
    import psycopg

    from conftest import Judge, Say
    from cynic.flows.edge import Edge

VOTES = [{"dog": "Sage", "score": 0.9}, {"dog": "Scout", "score": 0.8}]


def test_a_cycle_leaves_its_answers_in_numbers(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    for outcome in ("correct", "correct", "incorrect", "partial"):
        say(judge(votes=VOTES, probability=0.75).judgment_id, outcome)
    learn.run(conn, edge)
    metrics = dict(rows(conn, "SELECT metric_type, value::float8 FROM judgment_metrics"))
    assert metrics == {
        "answers": 4,
        "answers_scored": 3,
        "mean_q": pytest.approx(85),
        "mean_confidence": pytest.approx(0.4635),
        "accuracy": pytest.approx(2 / 3),
        "brier": pytest.approx((0.0625 * 2 + 0.5625) / 3),
        "ece": pytest.approx(0.75 - 2 / 3),
    }
    spread = dict(rows(conn, "SELECT distribution_type, parameters FROM distribution_snapshots"))
    assert set(spread) == {"q_score", "confidence", "verdict", "vote"}
    cycle_id = one(conn, "SELECT cycle_id FROM learning_cycles")
    assert {one["cycleId"] for one in spread.values()} == {cycle_id}
    assert spread["q_score"]["n"] == spread["verdict"]["n"] == 4
    assert spread["verdict"]["counts"] == {"HOWL": 4}
    assert (spread["vote"]["n"], spread["vote"]["dogs"]["Sage"]) == (8, [4, 0])
    assert spread["q_score"]["quantiles"]["0.5"] == 85
    after = one(conn, "SELECT state_after -> 'measures' ->> 'answers' FROM learning_cycles")
    assert after == "4"


def test_partial_answers_alone_have_no_accuracy(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    say(judge().judgment_id, "partial")
    learn.run(conn, edge)
    found = {row[0] for row in rows(conn, "SELECT metric_type FROM judgment_metrics")}
    assert found == {"answers", "answers_scored", "mean_q", "mean_confidence"}
    assert rows(conn, "SELECT 1 FROM learning_maturity") == []


def test_a_loop_is_measured_once_all_its_parts_are(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cycle, "ANSWERS", 20)
    for _ in range(20):
        say(judge(context_type="review", votes=VOTES).judgment_id, "correct")
    learn.run(conn, edge)
    assert rows(conn, "SELECT 1 FROM learning_maturity") == [], "nothing foretold anything yet"
    assert all(loop.get("maturity") is None for loop in loops(conn).values())
    for _ in range(40):
        say(judge(context_type="review", votes=VOTES).judgment_id, "correct")
    learn.run(conn, edge)
    measured = {
        row[0]: row[1:]
        for row in rows(
            conn,
            "SELECT DISTINCT ON (loop_name) loop_name, maturity::float8, data_coverage::float8, convergence::float8, "
            "accuracy::float8, adaptability::float8 FROM learning_maturity ORDER BY loop_name, id DESC",
        )
    }
    assert {"thompson", "dog-votes", "calibration", "q-learning"} <= set(measured)
    for parts in measured.values():
        assert parts[0] == pytest.approx(
            (parts[1] * parts[2] * parts[3] * parts[4]) ** 0.25, abs=1e-9
        )
    # Two of eleven dogs were seen often enough; forty of forty foretold.
    assert measured["dog-votes"][1] == pytest.approx(2 / 11)
    assert measured["dog-votes"][3] == pytest.approx(0.912, abs=0.001)
    assert measured["dog-votes"][4] == 1
    shown = loops(conn)
    assert shown["dog-votes"]["maturity"] == pytest.approx(measured["dog-votes"][0])
    assert shown["ewc"].get("maturity") is None


def test_the_loops_of_a_cycle_are_measured_as_they_are_used(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cycle, "ANSWERS", 40)
    rng = random.Random(5)
    for number in range(200):
        dimensions = {name: round(rng.uniform(55, 95), 1) for name in ("ACCURACY", "UTILITY")}
        judged = judge(
            context_type="review", dimensions=dimensions, session_id=f"s{number % 3}"
        ).judgment_id
        actual = sum(dimensions.values()) / 2 + rng.gauss(0, 4)
        say(
            judged, "correct" if rng.random() < 0.85 else "incorrect", actual_score=round(actual, 1)
        )
        if number == 79:
            learn.run(conn, edge)
            assert "residual" not in names(conn), "weights that were not known have not moved"
    learn.run(conn, edge)
    assert {"residual", "emergence", "meta-cognition"} <= names(conn)
    for loop in ("residual", "emergence", "meta-cognition"):
        assert 0 < loops(conn)[loop]["maturity"] < 1, loop


def names(conn: psycopg.Connection) -> set[str]:
    return {row[0] for row in rows(conn, "SELECT loop_name FROM learning_maturity")}


def loops(conn: psycopg.Connection) -> dict[str, Any]:
    shown: Any = status(conn)["loops"]
    return {loop["loop"]: loop for loop in shown}


def test_a_fall_is_seen_and_its_recovery_is_counted() -> None:
    one_loop = Recovery()
    assert one_loop.updates is None
    for _ in range(200):
        one_loop.update(True)
    assert one_loop.updates == []
    for _ in range(40):
        one_loop.update(False)
    assert one_loop.updates is not None
    assert len(one_loop.updates) == 1, "under way"
    one_loop = Recovery.read(one_loop.document())
    for _ in range(200):
        one_loop.update(True)
    assert one_loop.mark is None
    assert len(one_loop.recoveries) == 1
    assert 40 <= one_loop.recoveries[0] + 20 <= 140
    assert (one_loop.seen, one_loop.right) == (440, 400)
    for _ in range(1000):
        one_loop.update(True)
    assert one_loop.total <= 1000


def test_a_mind_is_foretold_once_however_often_it_is_changed(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    told = [
        judge(
            context_type="code",
            votes=[{"dog": "Sage", "score": 0.9}, {"dog": "Scout", "score": 0.2}],
            dimensions={"IMPACT": 60},
        ).judgment_id
        for _ in range(20)
    ]
    totals: list[dict[str, int]] = []
    for outcome in ("correct", "incorrect", "correct", "incorrect"):
        for judged in told:
            say(judged, outcome, user="ada", actual_score=50)
        learn.run(conn, edge)
        recoveries = one(
            conn,
            "SELECT weights -> 'recoveries' FROM loop_persistence_state WHERE loop_name = 'measures'",
        )
        totals.append({name: known["total"] for name, known in recoveries.items()})
    assert all(total <= 20 for total in totals[-1].values()), totals
    assert totals[0]["q-learning"] == 20
