"""Meta-cognition: sessions that get stuck and go on, lessons, surprises, and the rate of exploration."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_learn import one

from cynic.domains.learning.metacognition import EXPLORATION
from cynic.flows import learn
from cynic.flows.learning import cycle, metacognition, sessions
from cynic.flows.learning.sessions import Done, Met, Session, Told
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


def known(conn: psycopg.Connection) -> dict[str, Any]:
    """What is known of each session."""
    return dict(
        conn.execute(
            "SELECT state_type, weights FROM loop_persistence_state "
            "WHERE loop_name = 'meta-cognition' AND state_type <> 'default'"
        ).fetchall()
    )


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
    monkeypatch.setattr(sessions, "SESSIONS_MAX", 1)
    work(judge, say, ["incorrect"] * 5)
    learn.run(conn, edge)
    for other in ("t", "u"):
        work(judge, say, ["correct"], session_id=other)
        learn.run(conn, edge)
    kept = known(conn)
    assert sorted(kept) == ["judgments s", "judgments u"]
    assert kept["judgments s"]["actions"] == []
    assert shown(conn)["detail"]["states"] == {"exploring": 1}, "one of which only that is kept"
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
    before = known(conn)
    say(judge().judgment_id, "correct")
    learn.run(conn, edge)
    assert known(conn) == before, "no call is looked at twice"


def test_without_answers_nothing_is_known(conn: psycopg.Connection, edge: Edge) -> None:
    learn.run(conn, edge)
    found = shown(conn)
    assert found["state"] == "not enough data yet (0 of 1)"
    assert found["detail"]["states"] == {}
    assert one(conn, "SELECT count(*) FROM frictions") == 0


def measured(conn: psycopg.Connection) -> list[Any]:
    return conn.execute(
        "SELECT maturity::float8, data_coverage::float8, convergence::float8, accuracy::float8, adaptability::float8 "
        "FROM learning_maturity WHERE loop_name = 'meta-cognition' ORDER BY id"
    ).fetchall()


def counts(conn: psycopg.Connection) -> Any:
    """Source → state → actions that were met in it."""
    return one(
        conn,
        "SELECT weights -> 'met' FROM loop_persistence_state "
        "WHERE loop_name = 'meta-cognition' AND state_type = 'default'",
    )


def test_what_a_state_foretells_is_measured(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cycle, "ANSWERS", 20)
    work(judge, say, ["correct"] * 20)
    learn.run(conn, edge)
    assert counts(conn) == {"judgments": {"executing": 15, "exploring": 4}}
    assert measured(conn) == [], "fewer than thirty were foretold"
    work(judge, say, ["correct"] * 40)
    learn.run(conn, edge)
    assert counts(conn) == {"judgments": {"executing": 15, "exploring": 4, "flow": 40}}
    *_, (whole, coverage, convergence, accuracy, adaptability) = measured(conn)
    # One of six cells has thirty; it stayed in flow; all 55 that were foretold came so.
    assert (coverage, convergence, adaptability) == (pytest.approx(1 / 6), 1, 1)
    assert accuracy == pytest.approx(55 / (55 + 1.96**2), abs=1e-4)
    assert whole == pytest.approx((coverage * accuracy) ** 0.25, abs=1e-9)
    assert shown(conn)["maturity"] == pytest.approx(whole)


def test_nothing_is_measured_of_sessions_that_nobody_saw(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cycle, "ANSWERS", 20)
    for _ in range(3):
        work(judge, say, ["correct"] * 20, session_id=None)
        learn.run(conn, edge)
    assert counts(conn) == {}
    assert measured(conn) == []
    # Sessions of one action each were in no state before it.
    for number in range(40):
        work(judge, say, ["correct"], session_id=f"s{number}")
    learn.run(conn, edge)
    assert counts(conn) == {"judgments": {}}
    assert measured(conn) == []


def told(place: int, outcome: str, *, key: str | None = None, is_first: bool = True) -> Told:
    return Told(place, Done("review", outcome == "correct", key or f"j{place}"), is_first)


def test_each_new_action_is_met_once_in_the_state_that_was_left_before_it() -> None:
    session = Session()
    met = session.take([told(place, "incorrect") for place in range(6)], ())
    assert met is not None
    assert [one.state for one in met] == [None, *["exploring"] * 4, "stuck"]
    assert [one.hit for one in met] == [None] * 5 + [True]
    met = session.take([told(6, "correct")], ())
    assert met == [Met(6, "stuck", True)]
    assert [one.hit for one in met] == [False]
    before = replace(session)
    assert session.take([told(7, "correct", key="j6")], ()) is None, "the same of the same"
    assert session.take([told(8, "correct", key="gone", is_first=False)], ["gone"]) is None
    assert session == before
    # Otherwise of what is known: no new action, but another state; then what was taken back leaves none.
    assert session.take([told(9, "correct", key=f"j{at}") for at in range(1, 6)], ()) == []
    assert (session.before, session.state, session.new) == ("stuck", "executing", 0)
    assert session.take((), [f"j{place}" for place in range(7)]) == []
    assert (session.before, session.state, session.actions) == ("executing", None, [])


@given(
    st.lists(st.tuples(st.integers(0, 30), st.booleans(), st.booleans()), max_size=60), st.data()
)
def test_it_does_not_matter_where_cycles_fall(
    done: list[tuple[int, bool, bool]], data: st.DataObject
) -> None:
    stream = [
        Told(place, Done(f"a{key % 3}", ok, f"j{key}"), is_first)
        for place, (key, ok, is_first) in enumerate({one[0]: one for one in done}.values())
    ]
    whole, parted = Session(), Session()
    expected = whole.take(stream, ()) or []
    cut = data.draw(st.integers(0, len(stream)))
    found = [*(parted.take(stream[:cut], ()) or ()), *(parted.take(stream[cut:], ()) or ())]
    assert found == expected
    assert (parted.actions, parted.state) == (whole.actions, whole.state)
    assert Session.read(parted.row("s")["weights"]).actions == parted.actions  # pyright: ignore[reportArgumentType]


def test_an_answer_that_changes_after_many_others_is_no_new_action(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    first = work(judge, say, ["correct"] * 25)[0]
    learn.run(conn, edge)
    before = known(conn)
    say(first, "incorrect", user="ada")
    learn.run(conn, edge)
    assert known(conn) == before
    assert counts(conn) == {"judgments": {"executing": 15, "exploring": 4, "flow": 5}}


def test_a_session_is_seen_by_all_answers_that_count(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    told = [judge(session_id="s").judgment_id for _ in range(6)]
    for judged in told:
        for person in ("ada", "bob"):
            say(judged, "incorrect", user=person)
    learn.run(conn, edge)
    assert known(conn)["judgments s"]["state"] == "stuck"
    # One of two leaves it open: the other says still that they are wrong.
    for judged in told:
        say(judged, "partial", user="ada")
    learn.run(conn, edge)
    assert [ok for _, ok, _ in known(conn)["judgments s"]["actions"]] == [False] * 6
    assert one(conn, "SELECT count(*) FROM frictions WHERE NOT resolved") == 1
    # As many say the one as the other: nobody can call that failed work.
    for judged in told:
        say(judged, "correct", user="ada")
    learn.run(conn, edge)
    assert [ok for _, ok, _ in known(conn)["judgments s"]["actions"]] == [True] * 6


def test_a_judgment_is_one_action_however_many_answer_it(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    told = [judge(session_id="s").judgment_id for _ in range(30)]
    for person in ("ada", "bob", "eve"):
        for judged in told:
            say(judged, "correct", user=person)
        learn.run(conn, edge)
    assert [key for _, _, key in known(conn)["judgments s"]["actions"]] == told[-20:]
    met = one(
        conn,
        "SELECT weights -> 'met' FROM loop_persistence_state WHERE loop_name = 'meta-cognition' AND state_type = 'default'",
    )
    # The first is met in no state.
    assert sum(met["judgments"].values()) == 29


@pytest.mark.parametrize("between", [False, True])
def test_actions_stand_where_they_were_first_whenever_cycles_come(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, between: bool
) -> None:
    told = [judge(session_id="s").judgment_id for _ in range(9)]
    for judged in told:
        say(judged, "correct", user="ada")
    if between:
        learn.run(conn, edge)
    for judged in told[:4]:
        say(judged, "incorrect", user="ada")
    learn.run(conn, edge)
    actions = known(conn)["judgments s"]["actions"]
    assert [(ok, key) for _, ok, key in actions] == [
        (number >= 4, judged) for number, judged in enumerate(told)
    ]
