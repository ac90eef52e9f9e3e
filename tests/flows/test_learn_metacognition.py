"""Meta-cognition: sessions that get stuck and go on, lessons, surprises, and the rate of exploration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from test_learn import one

from cynic.domains.learning.metacognition import EXPLORATION
from cynic.flows import learn
from cynic.flows.learning import metacognition
from cynic.reads.learning.status import status

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg

    from conftest import Judge, Say
    from cynic.flows.edge import Edge


def work(judge: Judge, say: Say, outcomes: Iterable[str], **fields: Any) -> list[str]:
    """Judgments of one session that turned out so."""
    told: list[str] = []
    for outcome in outcomes:
        judged = judge(**{"session_id": "s", "context_type": "review", **fields}).judgment_id
        say(judged, outcome, user="ada")
        told.append(judged)
    return told


def shown(conn: psycopg.Connection) -> Any:
    found: Any = status(conn)
    return {loop["loop"]: loop for loop in found["loops"]}["meta-cognition"]


def test_a_session_gets_stuck_and_goes_on(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    told = work(judge, say, ["incorrect"] * 5)
    learn.run(conn, edge)
    kind, severity, resolved, description = one(
        conn, "SELECT friction_type, severity, resolved, description FROM frictions"
    )
    assert (kind, severity, resolved) == ("stuck", 1, False)
    assert told[-1] in description
    assert "lrn_" in description, "the cycle that found it"
    assert one(conn, "SELECT exploration_rate::float8 FROM qlearning_state") == pytest.approx(
        0.1382
    )
    assert shown(conn)["detail"]["states"] == {"stuck": 1}
    assert len(shown(conn)["detail"]["open_frictions"]) == 1
    work(judge, say, ["incorrect"] * 3)
    learn.run(conn, edge)
    assert one(conn, "SELECT count(*) FROM frictions") == 1, "one for as long as it lasts"
    work(judge, say, ["correct"] * 20)
    learn.run(conn, edge)
    assert one(conn, "SELECT bool_and(resolved) FROM frictions") is True
    assert shown(conn)["detail"]["states"] == {"flow": 1}
    events = conn.execute(
        "SELECT event_type FROM learning_events WHERE loop_type = 'meta-cognition' ORDER BY id"
    ).fetchall()
    assert [row[0] for row in events].count("resolved") == 1


def test_repeating_what_half_fails_is_thrashing(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    told = work(judge, say, ["correct", "incorrect"] * 4)
    learn.run(conn, edge)
    kind, severity, description = one(
        conn, "SELECT friction_type, severity::float8, description FROM frictions"
    )
    assert (kind, severity) == ("thrashing", 0.5)
    assert told[-1] in description
    assert told[-2] not in description, "it names what failed"
    assert one(conn, "SELECT exploration_rate::float8 FROM qlearning_state") == pytest.approx(
        0.0764
    )


def test_a_session_without_answers_that_count_is_in_no_state(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    told = work(judge, say, ["incorrect"] * 5)
    learn.run(conn, edge)
    assert one(conn, "SELECT pattern_type FROM session_patterns") == "REPETITION"
    for judged in told:
        say(judged, "partial", user="ada")
    learn.run(conn, edge)
    assert one(conn, "SELECT bool_and(resolved) FROM frictions") is True
    assert one(conn, "SELECT count(*) FROM session_patterns") == 0
    assert shown(conn)["detail"]["states"] == {}
    work(judge, say, ["incorrect"])
    learn.run(conn, edge)
    assert shown(conn)["detail"]["states"] == {"exploring": 1}, "nothing of before weighs"


def test_a_session_that_comes_back_later_has_its_friction_still(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metacognition, "SESSIONS_MAX", 1)
    work(judge, say, ["incorrect"] * 5)
    learn.run(conn, edge)
    for other in ("t", "u"):
        work(judge, say, ["correct"], session_id=other)
        learn.run(conn, edge)
    kept = one(
        conn, "SELECT weights FROM loop_persistence_state WHERE loop_name = 'meta-cognition'"
    )
    assert list(kept["sessions"]) == ["judgments u"]
    assert {name: each["actions"] for name, each in kept["hindered"].items()} == {"judgments s": []}
    work(judge, say, ["incorrect"] * 5)
    learn.run(conn, edge)
    assert one(conn, "SELECT count(*) FROM frictions") == 1, "one for as long as it lasts"
    work(judge, say, ["correct"] * 20)
    learn.run(conn, edge)
    assert one(conn, "SELECT bool_and(resolved) FROM frictions") is True


def test_exploration_stays_within_its_limits(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    low, high = EXPLORATION
    for outcome, bound in (("incorrect", high), ("correct", low)):
        for _ in range(14 if outcome == "incorrect" else 45):
            work(judge, say, [outcome] * 31)
            learn.run(conn, edge)
        found = one(conn, "SELECT exploration_rate::float8 FROM qlearning_state")
        assert found == pytest.approx(bound)


def test_what_is_mostly_wrong_is_a_lesson_until_it_is_outgrown(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    told = work(judge, say, ["incorrect"] * 10 + ["correct"])
    learn.run(conn, edge)
    lesson = one(
        conn, "SELECT lesson_id, category, lesson, context, impact_score FROM lessons_learned"
    )
    assert lesson[:3] == (
        "judgment:review:pass",
        "judgment",
        "Judgments of review that passed the item were wrong 10 of 11 times.",
    )
    assert json.loads(lesson[3])["judgments"] == told[5:10], "the newest that were wrong"
    assert lesson[4] == 91
    assert shown(conn)["detail"]["lessons"][0]["impact"] == 91
    work(judge, say, ["correct"])
    learn.run(conn, edge)
    context, impact = one(conn, "SELECT context, impact_score FROM lessons_learned")
    assert json.loads(context)["judgments"] == told[5:10], "what went right is no ground of it"
    assert impact == 83
    work(judge, say, ["incorrect"] * 12, dimensions={"IMPACT": 10}, votes=[])
    learn.run(conn, edge)
    contexts = dict(conn.execute("SELECT lesson_id, context FROM lessons_learned").fetchall())
    assert contexts["judgment:review:pass"] == context, "the other side is another lesson"
    assert "judgment:review:fail" in contexts
    work(judge, say, ["correct"] * 20)
    learn.run(conn, edge)
    impacts = dict(conn.execute("SELECT lesson_id, impact_score FROM lessons_learned").fetchall())
    assert impacts == {"judgment:review:pass": 0, "judgment:review:fail": 100}, "what it was stays"
    assert [lesson["impact"] for lesson in shown(conn)["detail"]["lessons"]] == [100]


def test_surprises_keep_the_steps_that_led_there_until_the_answer_is_taken_back(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    sure = judge(probability=0.95).judgment_id
    expected = judge(probability=0.95).judgment_id
    say(sure, "incorrect", user="ada")
    say(expected, "correct", user="ada")
    learn.run(conn, edge)
    steps, output = one(conn, "SELECT intermediate_steps, final_output FROM reasoning_trajectories")
    assert [step["step"] for step in steps] == ["votes", "basis", "verdict", "outcome"]
    assert steps[3]["judgmentId"] == sure
    assert output.startswith(sure)
    say(sure, "correct", user="ada")
    learn.run(conn, edge)
    assert one(conn, "SELECT count(*) FROM reasoning_trajectories") == 0


def test_being_right_though_in_doubt_is_a_surprise_and_a_cycle_keeps_few(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metacognition, "SURPRISES_MAX", 2)
    told = [judge(probability=p).judgment_id for p in (0.3, 0.2, 0.1, 0.9)]
    for judged in told:
        say(judged, "correct", user="ada")
    learn.run(conn, edge)
    rows = conn.execute("SELECT final_output FROM reasoning_trajectories ORDER BY 1").fetchall()
    assert [row[0].partition(":")[0] for row in rows] == sorted(told[1:3]), "the farthest off"


def test_calls_of_tools_are_looked_at_too_and_leave_their_patterns(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    conn.execute("INSERT INTO sessions (session_id) VALUES ('agent')")
    for number in range(12):
        conn.execute(
            "INSERT INTO tool_usage (tool_name, status, session_id, used_at) "
            "VALUES (%s, %s, 'agent', '2026-03-01'::timestamptz + %s * interval '1 hour')",
            [("Read", "Edit", "Bash")[number % 3], "error" if number % 3 else "ok", number],
        )
    say(judge().judgment_id, "correct")
    learn.run(conn, edge)
    assert one(
        conn,
        "SELECT session_id, pattern_type, pattern_data -> 'actions', pattern_data ->> 'source' FROM session_patterns",
    ) == ("agent", "CYCLE", ["Read", "Edit", "Bash"], "calls")
    assert one(conn, "SELECT friction_type FROM frictions") == "stuck"
    before = one(
        conn, "SELECT weights FROM loop_persistence_state WHERE loop_name = 'meta-cognition'"
    )
    say(judge().judgment_id, "correct")
    learn.run(conn, edge)
    after = one(
        conn, "SELECT weights FROM loop_persistence_state WHERE loop_name = 'meta-cognition'"
    )
    assert after["mark"] == before["mark"], "no call is looked at twice"


def test_without_answers_nothing_is_known(conn: psycopg.Connection, edge: Edge) -> None:
    learn.run(conn, edge)
    found = shown(conn)
    assert found["state"] == "not enough data yet (0 of 1)"
    assert found["detail"]["states"] == {}
    assert one(conn, "SELECT count(*) FROM frictions") == 0
