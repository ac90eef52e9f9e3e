"""Cycles: where they run, what they see, and what happens to a loop that cannot take its turn."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from cynic.base.errors import InvalidDataError
from cynic.flows import learn
from cynic.flows.learning import cycle
from cynic.flows.learning.state import Keeper
from cynic.flows.learning.turn import Turn

if TYPE_CHECKING:
    import psycopg

    from conftest import Judge, MovableClock, Say
    from cynic.flows.edge import Edge
    from cynic.flows.learning.cycle import Cycle


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Cycle]:
    """What each cycle gave to a loop; cycles come after five answers."""
    cycles: list[Cycle] = []

    def look(found: Cycle) -> Turn:
        cycles.append(found)
        return Turn(weight_deltas=[0.5, -0.1], before={"x": 1}, after={"x": 2})

    monkeypatch.setattr(cycle, "ANSWERS", 5)
    monkeypatch.setattr(cycle, "LOOPS", {"sona": look})
    return cycles


def test_a_cycle_comes_after_so_many_answers_whatever_the_batches(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, seen: list[Cycle]
) -> None:
    judged = [judge(session_id="s", dimensions={"COHERENCE": 50}).judgment_id for _ in range(12)]
    for number, one in enumerate(judged):
        say(one, "correct" if number % 2 else "incorrect", user="ada", actual_score=40)
    done = learn.run(conn, edge)
    assert (done.cycles, done.changes["sona"]) == (3, 3)
    assert [(one.since, one.until) for one in seen] == [(0, 5), (5, 10), (10, 12)]
    assert [answer.judgment_id for one in seen for answer in one.answers] == judged
    answer = seen[0].answers[1]
    assert (answer.place, answer.outcome, answer.actual_score, answer.session_id) == (
        *(2, "correct", 40.0, "s"),
    )
    assert answer.dimensions == {"COHERENCE": 50.0}, "what is computed from them is none of them"
    rows = conn.execute(
        "SELECT feedback_processed, weights_adjusted, avg_weight_delta, state_before, state_after "
        "FROM learning_cycles ORDER BY (state_after -> 'answers' ->> 'since')::int"
    ).fetchall()
    assert [row[0] for row in rows] == [5, 5, 2]
    assert rows[0][1:3] == (2, Decimal("0.3"))
    before, after = rows[0][3:]
    assert (before["sona"], after["sona"]) == ({"x": 1}, {"x": 2})
    assert after["answers"] == {"since": 0, "until": 5, "at": seen[0].now.isoformat()}


def test_an_answer_that_was_taken_back_is_not_seen(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, seen: list[Cycle]
) -> None:
    one = judge().judgment_id
    say(one, "correct", user="ada")
    say(one, "incorrect", user="ada")
    learn.run(conn, edge)
    assert [(answer.place, answer.outcome) for answer in seen[0].answers] == [(2, "incorrect")]


def test_few_answers_wait_ten_minutes_for_their_cycle(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    seen: list[Cycle],
    clock: MovableClock,
) -> None:
    keeper = Keeper()
    say(judge().judgment_id, "correct")
    assert learn.tend(conn, edge, keeper).learned == 1
    clock.move(minutes=9)
    learn.tend(conn, edge, keeper)
    assert seen == []
    clock.move(minutes=1)
    assert learn.tend(conn, edge, keeper).cycles == 1
    clock.move(hours=1)
    assert learn.tend(conn, edge, keeper).cycles == 0, "nothing new to look at"
    assert len(seen) == 1


def test_a_loop_that_cannot_take_its_turn_leaves_the_others_alone(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuses(found: Cycle) -> Turn:
        found.keep("dpo", {"half": "done"}, answers=1)
        found.log("dpo", "update")
        raise InvalidDataError("these data are no good")

    def breaks_a_rule(found: Cycle) -> Turn:
        found.conn.execute("UPDATE qlearning_state SET exploration_rate = 2")
        return Turn()

    def works(found: Cycle) -> Turn:
        found.keep("sona", {"all": "done"}, answers=1)
        found.log("sona", "update", delta=0.1)
        return Turn(weight_deltas=[0.1])

    loops = {"dpo": refuses, "behavior": breaks_a_rule, "sona": works}
    monkeypatch.setattr(cycle, "LOOPS", loops)
    say(judge().judgment_id, "correct")
    done = learn.run(conn, edge)
    assert done.learned == 1
    assert done.changes["sona"] == 1
    kept = conn.execute(
        "SELECT loop_name FROM loop_persistence_state WHERE loop_name IN ('dpo', 'sona')"
    )
    assert kept.fetchall() == [("sona",)]
    events = conn.execute(
        "SELECT loop_type, event_type, action_taken FROM learning_events "
        "WHERE metadata ? 'cycleId' ORDER BY id"
    ).fetchall()
    assert events[0] == ("dpo", "failed", "these data are no good")
    assert events[1][:2] == ("behavior", "failed")
    assert events[2] == ("sona", "update", None)


ANSWERS_MANY = 10_000


def _rows_read(plan: dict[str, Any]) -> float:
    """Rows that the scans of a plan looked at, over all their loops."""
    looked = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    own = looked * plan["Actual Loops"] if "Scan" in plan["Node Type"] else 0
    return own + sum(_rows_read(part) for part in plan.get("Plans", ()))


@pytest.mark.parametrize("counted", [True, False])
def test_a_cycle_reads_its_own_answers_though_statistics_know_of_none(
    conn: psycopg.Connection, counted: bool
) -> None:
    conn.execute(
        "INSERT INTO judgments (judgment_id, item_type, item_content, item_hash, q_score, confidence, verdict, axiom_scores)"
        " SELECT 'j' || n, 'code', 'x', md5('x'), 50, 0.4, 'WAG', '{}' FROM generate_series(1, %s::integer) AS n",
        [ANSWERS_MANY],
    )
    conn.execute(
        "INSERT INTO feedback (id, judgment_id, outcome)"
        " SELECT new_uuid(), 'j' || n, 'correct' FROM generate_series(1, %s::integer) AS n",
        [ANSWERS_MANY],
    )
    conn.execute("RESET ROLE")
    if counted:
        conn.execute("RESET ROLE")
        conn.execute("ANALYZE feedback, judgments")
    conn.execute(
        "UPDATE feedback AS f SET learned_as = substr(f.judgment_id, 2)::bigint, applied = true"
    )
    given = {"since": ANSWERS_MANY - 200, "until": ANSWERS_MANY}
    for name in ("answered", "taken_back"):
        explained = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {cycle._SQL[name]}"
        row = conn.execute(explained.encode(), given).fetchone()
        assert row is not None
        assert _rows_read(row[0][0]["Plan"]) < ANSWERS_MANY / 5, row
