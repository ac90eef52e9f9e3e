"""What was learned changes what is recorded next, and shows: weights, calibrated confidences, the eleven loops."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import TYPE_CHECKING, Any, LiteralString

import pytest
from mortal import Mortal

from cynic.base.clock import now
from cynic.flows import learn, record, submission
from cynic.flows.edge import Edge
from cynic.flows.learned import LearnedSource
from cynic.reads.learning.calibration import BadWindowError, calibration
from cynic.reads.learning.status import SHOWN, status

if TYPE_CHECKING:
    import psycopg

    from conftest import Judge, MovableClock, Say


def one(conn: psycopg.Connection, query: LiteralString) -> Any:
    row = conn.execute(query).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def source(edge: Edge, now: list[float]) -> Edge:
    return Edge(
        clock=edge.clock,
        new_id=edge.new_id,
        digest_key=edge.digest_key,
        learned=LearnedSource(lambda: now[0]),
    )


def test_learned_weights_move_the_consensus_and_answers_the_confidence(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    now = [0.0]
    learning_edge = source(edge, now)
    votes = [
        {"dog": "Sage", "score": 0.9},
        {"dog": "Scout", "score": 0.25},
        {"dog": "Oracle", "score": 0.25},
    ]

    def look() -> record.Recorded:
        given = submission.read_judgment({"item_type": "code", "item_content": "x", "votes": votes})
        return record.record_one(conn, given, learning_edge)

    before = look()
    assert (before.verdict, before.q_score) == ("GROWL", Decimal("46.67"))
    assert one(conn, "SELECT count(*) FROM dog_votes WHERE metadata ? 'weight'") == 0
    for number in range(30):
        # Sage was right where the others were wrong: the judgment failed the item, and should have passed it.
        say(judge(votes=votes).judgment_id, "incorrect")
        if number in {8, 28}:
            learn.run(conn, edge)
            now[0] += 1
            assert (look().q_score == before.q_score) is (number == 8)
    learn.run(conn, edge)
    failing = submission.read_judgment(
        {"item_type": "code", "item_content": "x", "votes": [{"dog": "Sage", "score": 0.2}]}
    )
    judged = record.record_one(conn, failing, learning_edge)
    # What is known is at most a second old, not newer: two cycles of wrong judgments took 0.195 off, nothing is calibrated.
    assert judged.confidence == Decimal("0.497490")
    assert one(
        conn,
        "SELECT basis -> 'confidence_shift' FROM judgments ORDER BY created_at DESC LIMIT 1",
    ) == pytest.approx(-0.195)
    now[0] += 1
    after = look()
    assert (after.verdict, after.consensus and after.consensus["verdict"]) == ("HOWL", "HOWL")
    weights = conn.execute(
        "SELECT dog_name, (metadata ->> 'weight')::numeric FROM dog_votes WHERE item_id = %s",
        [after.judgment_id],
    )
    assert dict(weights) == {
        "Sage": Decimal("1.9375"),
        "Scout": Decimal("0.0625"),
        "Oracle": Decimal("0.0625"),
    }
    judged = record.record_one(conn, failing, learning_edge)
    assert judged.confidence == Decimal("0.019312")
    assert (
        one(
            conn,
            "SELECT basis ->> 'confidence_rule' FROM judgments ORDER BY created_at DESC LIMIT 1",
        )
        == "calibrated"
    )


def test_what_was_learned_is_asked_for_once_a_second(edge: Edge, fresh_database: str) -> None:
    now = [0.0]
    learning_edge = source(edge, now)
    given = submission.read_judgment(
        {"item_type": "code", "item_content": "x", "votes": [{"dog": "Sage", "score": 0.2}]}
    )
    asked: list[int] = []
    with Mortal.connect(fresh_database, autocommit=True) as counting:
        for step in (0.0, 0.5, 0.4, 0.2, 0.0):
            now[0] += step
            counting.left = 100
            record.record_one(counting, given, learning_edge)
            asked.append(100 - counting.left)
    assert asked == [2, 1, 1, 2, 1]


def test_nothing_measured_is_none_and_what_is_too_little_says_so(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    shown: Any = status(conn)
    assert [loop["loop"] for loop in shown["loops"]] == list(SHOWN)
    assert [loop["state"] for loop in shown["loops"]] == [
        "not enough data yet (0 of 30)",
        "not enough data yet (0 of 10)",
        "not enough data yet (0 of 100)",
        "not enough data yet (0 of 30)",
        "not enough data yet (0 of 30)",
        "not enough data yet (0 of 3)",
        "not enough data yet (0 of 100)",
        "not enough data yet (0 of 1)",
        "not enough data yet (0 of 30)",
        "not enough data yet (0 of 3)",
        "not enough data yet (0 of 1)",
    ]
    assert all(loop["last_change"] is None for loop in shown["loops"][:4])
    assert shown["loops"][2]["detail"]["converged"] is None
    assert calibration(conn) == {
        "days": 30,
        "n": 0,
        "curve": [],
        "ece": None,
        "brier": None,
        "recalibration": None,
    }
    with pytest.raises(BadWindowError):
        calibration(conn, days=91)
    say(judge().judgment_id, "correct")
    assert status(conn)["waiting"] == 1
    learn.run(conn, edge)
    shown = status(conn)
    assert shown["waiting"] == 0
    assert shown["loops"][1]["state"] == "not enough data yet (1 of 10)"
    assert shown["loops"][1]["detail"]["dogs"]["Sage"] == {"right": 1, "wrong": 0, "weight": None}
    assert shown["loops"][1]["last_change"]["event"] == "feedback"


def test_overconfident_writers_are_shown_the_map_that_would_mend_it(
    conn: psycopg.Connection, judge: Judge, say: Say, clock: MovableClock
) -> None:
    clock.moment = now()
    for number in range(200):
        sure = number % 2 == 0
        judged = judge(probability=0.99 if sure else 0.9)
        # Said 0.99, true 3 of 4 times; said 0.9, true every other time.
        right = number % 8 != 0 if sure else number % 4 == 1
        say(judged.judgment_id, "correct" if right else "incorrect")
    found: Any = calibration(conn)["recalibration"]
    assert (found["fitted_on"], found["judged_on"]) == (123, 77)
    assert found["map"]["method"] == "platt"
    assert found["ece_before"] > 0.2
    assert found["ece_after"] < 0.1


def test_answers_of_one_moment_have_an_order(conn: psycopg.Connection) -> None:
    moment = now()
    rng = random.Random(2)
    for _ in range(300):
        p, right = rng.uniform(0.3, 0.61), rng.random() < 0.6
        conn.execute(
            "INSERT INTO calibration_tracking (predicted_outcome, actual_outcome, predicted_confidence, created_at) "
            "VALUES ('correct', %s, %s, %s)",
            ["correct" if right else "incorrect", p, moment],
        )
        conn.execute(
            "INSERT INTO brier_predictions (predicted, actual, timestamp) VALUES (%s, %s, %s)",
            [p, int(right), moment],
        )
    found: Any = calibration(conn)
    assert found["recalibration"] is not None
    for _ in range(3):
        # What lies where on the disk is another order each time.
        conn.execute(
            "UPDATE calibration_tracking SET actual_outcome = actual_outcome WHERE random() < 0.5"
        )
        conn.execute("UPDATE brier_predictions SET actual = actual WHERE random() < 0.5")
        assert calibration(conn) == found
