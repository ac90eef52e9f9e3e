"""What each loop says of itself: a sentence of what it is, the unit of its data, and what it found once that is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import cynic
from cynic.reads.learning.shown import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cynic.memory import Memory


@pytest.fixture
def memory(fresh_database: str) -> Iterator[Memory]:
    with cynic.connect(fresh_database) as opened:
        yield opened


@pytest.fixture
def conn(fresh_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(fresh_database, autocommit=True) as opened:
        yield opened


def answer(memory: Memory, count: int, outcome: str = "correct", **fields: Any) -> None:
    """So many judgments that Sage passes and Scout does not, each with an answer; and what they teach."""
    votes = [{"dog": "Sage", "score": 0.9}, {"dog": "Scout", "score": 0.3}]
    for _ in range(count):
        given: dict[str, Any] = {"item_type": "code", "item_content": "x", "votes": votes} | fields
        judged = memory.judge(**given)
        memory.feedback(judged.judgment_id, outcome)
    memory.learn()


def loops(memory: Memory) -> dict[str, Any]:
    shown: Any = memory.learning()
    return {one["loop"]: one for one in shown["loops"]}


def findings(memory: Memory) -> dict[str, str | None]:
    return {name: one["finding"] for name, one in loops(memory).items()}


def test_each_loop_says_what_it_is_and_what_it_counts_and_nothing_that_it_does_not_know(
    memory: Memory,
) -> None:
    for one in loops(memory).values():
        assert one["about"]
        assert one["unit"]
        assert not one["about"].endswith("."), "a phrase that goes beside the name"
        assert (one["finding"], one["maturity"], one["maturity_parts"]) == (None, None, None)


def test_a_finding_waits_for_the_last_answer_that_is_needed(memory: Memory) -> None:
    answer(memory, 9)
    found = findings(memory)
    assert (found["dog-votes"], found["dpo"]) == (None, None), "pairs there are, answers too few"
    answer(memory, 1)
    found = findings(memory)
    assert found["dog-votes"] == "Sage weighs most, of 2 known: 1.83, right 10 of 10"
    assert found["dpo"] == "in general Sage is best, weight 1.00"
    answer(memory, 19)
    found = findings(memory)
    assert (found["thompson"], found["calibration"], found["q-learning"]) == (None, None, None)
    answer(memory, 1)
    found = findings(memory)
    assert found["thompson"] == (
        "in general Sage succeeds most, of 2 known well: 0.97 of the time, by 30 answers"
    )
    assert found["calibration"] == (
        "judgments of code that pass are right 0.97 of the time, by 30 answers"
    )
    assert found["behavior"] == "sounds 0.10 surer, approves from 0.65, blocks below 0.30"


def test_a_single_dog_is_not_compared(memory: Memory) -> None:
    answer(memory, 30, votes=[{"dog": "Sage", "score": 0.2}], outcome="incorrect")
    found = findings(memory)
    assert found["dog-votes"] == "Sage weighs: 0.06, right 0 of 30"
    assert found["thompson"] == "in general Sage succeeds: 0.03 of the time, by 30 answers"
    assert found["calibration"] == (
        "judgments of code that do not pass are right 0.03 of the time, by 30 answers"
    )
    assert found["dpo"] is None


def test_what_is_held_and_what_sessions_and_patterns_say(memory: Memory) -> None:
    answer(memory, 105, session_id="s", dimensions={"ACCURACY": 90})
    found = findings(memory)
    assert found["ewc"] is not None
    assert found["ewc"].startswith("2 values held, ")
    assert found["q-learning"] == "the values of 1 state still move"
    assert found["meta-cognition"] == "1 in flow"
    assert found["emergence"] is not None
    assert found["emergence"].startswith("the surest: code with ")
    assert found["sona"] == "no dimension tells yet"


def test_what_dimensions_do_not_explain_is_counted(
    memory: Memory, conn: psycopg.Connection
) -> None:
    fit = "INSERT INTO loop_persistence_state (loop_name, state_type, weights) VALUES ('residual', 'default', %s)"
    conn.execute(fit, ['{"fit": {"judgments": 30}}'])
    assert findings(memory)["residual"] == "no open anomalies, no candidates for dimensions"
    conn.execute(
        "INSERT INTO anomalies (anomaly_id, source_type, severity, description) VALUES ('a', 'judgment', 'high', '')"
    )
    assert findings(memory)["residual"] == "1 open anomaly, no candidates for dimensions"
    assert counted(1000, "open anomaly", "open anomalies", most=1000) == (
        "1000 or more open anomalies"
    )


def test_maturity_comes_with_its_parts_of_the_same_moment(
    memory: Memory, conn: psycopg.Connection
) -> None:
    add = """INSERT INTO learning_maturity (loop_name, maturity, data_coverage, convergence, accuracy, timestamp)
             VALUES ('dpo', %s, %s, 1, 0.5, now() - %s * interval '1 hour')"""
    conn.execute(add, [0, 0, 1])
    conn.execute(add, [0.9, 0.8, 2])
    shown = loops(memory)
    assert shown["dpo"]["maturity"] == 0
    assert shown["dpo"]["maturity_parts"] == {
        "data_coverage": 0,
        "convergence": 1,
        "accuracy": 0.5,
        "adaptability": None,
    }
    assert shown["sona"]["maturity_parts"] is None
