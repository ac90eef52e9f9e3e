"""Calls of tools: each is looked at once after it has ended, whoever commits when, whoever dies when."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from mortal import live_on
from test_learn import learned, one
from test_learn_metacognition import known

from cynic.db.migrate import Migrator
from cynic.db.migration import packaged
from cynic.flows import learn
from cynic.flows.learning import cycle, sessions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Judge, MovableClock, Say
    from cynic.flows.edge import Edge

CALL = """
INSERT INTO tool_usage (tool_name, status, session_id, call_id, used_at)
VALUES ('Read', %(status)s, %(session)s, %(call)s, '2026-03-01'::timestamptz + %(second)s * interval '1 second')
RETURNING id
"""


@pytest.fixture
def other(fresh_database: str) -> Iterator[psycopg.Connection]:
    """Somebody else, in transactions of their own."""
    with psycopg.connect(fresh_database) as opened:
        opened.execute("SET ROLE cynic_app")
        opened.commit()
        yield opened


def call(
    conn: psycopg.Connection, session: str | None, second: int = 0, status: str = "success"
) -> int:
    row = conn.execute(
        CALL,
        {"status": status, "session": session, "call": f"{session} {second}", "second": second},
    ).fetchone()
    assert row is not None
    return row[0]


def learn_one(conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say) -> None:
    """Learn an answer, which then waits for its cycle; answers, unlike calls, wait for whoever writes."""
    say(judge().judgment_id, "correct")
    assert learn.learn(conn, edge).learned == 1


def look(conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say) -> dict[str, list[int]]:
    """Learn an answer and run a cycle; the calls that are known of each session."""
    learn_one(conn, edge, judge, say)
    return run_cycle(conn, edge)


def run_cycle(conn: psycopg.Connection, edge: Edge) -> dict[str, list[int]]:
    """Run a cycle; the calls that are known of each session."""
    assert learn.close_cycle(conn, edge, wait=True).cycles == 1
    return {
        name.removeprefix("calls "): [int(key) for _, _, key in weights["actions"]]
        for name, weights in known(conn).items()
    }


def counted(conn: psycopg.Connection) -> int:
    """How many calls were taken as new ones."""
    return one(
        conn,
        "SELECT coalesce(sum(episode_count), 0) FROM loop_persistence_state WHERE state_type LIKE 'calls %'",
    )


def waiting(conn: psycopg.Connection) -> int:
    return one(conn, "SELECT count(*) FROM ops_call_queue")


def test_an_id_drawn_early_and_written_late_is_not_passed_over(
    conn: psycopg.Connection,
    other: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
) -> None:
    learn_one(conn, edge, judge, say)
    early = one(conn, "SELECT nextval(pg_get_serial_sequence('tool_usage', 'id'))")
    late = call(conn, "late")
    assert early < late
    # As COPY does, which draws the ids of its rows before it writes the first.
    other.execute(
        "INSERT INTO tool_usage (id, tool_name, status, session_id) VALUES (%s, 'Read', 'success', 'early')",
        [early],
    )
    assert run_cycle(conn, edge) == {"late": [late]}
    other.commit()
    assert look(conn, edge, judge, say) == {"late": [late], "early": [early]}
    assert (counted(conn), waiting(conn)) == (2, 0)


def test_a_transaction_that_stays_open_holds_up_nobody_and_loses_nothing(
    conn: psycopg.Connection,
    other: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
) -> None:
    learn_one(conn, edge, judge, say)
    first = call(other, "a", 1)
    second = call(conn, "a", 2)
    assert run_cycle(conn, edge) == {"a": [second]}
    third = call(conn, "a", 3)
    other.commit()
    assert look(conn, edge, judge, say) == {"a": [second, first, third]}
    learn_one(conn, edge, judge, say)
    call(other, "a", 4)
    fifth = call(conn, "a", 5)
    assert run_cycle(conn, edge) == {"a": [second, first, third, fifth]}
    other.rollback()
    assert look(conn, edge, judge, say) == {"a": [second, first, third, fifth]}
    assert (counted(conn), waiting(conn)) == (4, 0)


def test_a_call_is_looked_at_when_it_has_ended(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    slow = call(conn, "a", 1, "pending")
    quick = call(conn, "a", 2)
    assert look(conn, edge, judge, say) == {"a": [quick]}
    conn.execute("UPDATE tool_usage SET status = 'denied' WHERE id = %s", [slow])
    assert look(conn, edge, judge, say) == {"a": [quick, slow]}
    assert [ok for _, ok, _ in known(conn)["calls a"]["actions"]] == [True, False]
    before = known(conn)
    conn.execute("UPDATE tool_usage SET duration_ms = 5, result = '{}'")
    assert waiting(conn) == 0, "nothing that matters has changed"
    conn.execute("UPDATE tool_usage SET status = 'error' WHERE id = %s", [slow])
    look(conn, edge, judge, say)
    assert known(conn) == before, "denied and error are both failures"
    conn.execute(
        "UPDATE tool_usage SET status = 'error', tool_name = 'Bash' WHERE id = %s", [quick]
    )
    look(conn, edge, judge, say)
    assert known(conn)["calls a"]["actions"] == [
        ["Bash", False, str(quick)],
        ["Read", False, str(slow)],
    ]
    assert counted(conn) == 2, "what is told otherwise is no new action"


def test_what_is_told_otherwise_of_a_call_that_was_left_behind_changes_nothing(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    ids = [call(conn, "a", second) for second in range(25)]
    assert look(conn, edge, judge, say) == {"a": ids[5:]}
    before = known(conn)
    conn.execute("UPDATE tool_usage SET status = 'error' WHERE id = %s", [ids[0]])
    look(conn, edge, judge, say)
    assert known(conn) == before
    assert (counted(conn), waiting(conn)) == (25, 0)


def test_a_call_without_a_session_waits_until_it_has_one(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    stray = call(conn, None)
    assert waiting(conn) == 0
    assert look(conn, edge, judge, say) == {}
    conn.execute("UPDATE tool_usage SET session_id = 'a' WHERE id = %s", [stray])
    assert look(conn, edge, judge, say) == {"a": [stray]}
    conn.execute("UPDATE tool_usage SET session_id = 'b' WHERE id = %s", [stray])
    assert look(conn, edge, judge, say) == {"a": [stray]}, "it is one action"
    assert counted(conn) == 1


def test_a_cycle_looks_at_so_many_and_leaves_the_others_to_the_next(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "CALLS_MAX", 4)
    ids = [call(conn, "a", second) for second in range(10)]
    assert look(conn, edge, judge, say) == {"a": ids[:4]}
    assert waiting(conn) == 6
    assert look(conn, edge, judge, say) == {"a": ids[:8]}
    assert look(conn, edge, judge, say) == {"a": ids}


def test_what_is_deleted_waits_no_more(
    conn: psycopg.Connection,
    other: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
) -> None:
    ids = [call(conn, "a", second) for second in range(4)]
    # Somebody holds what waits, as the learner does: whoever deletes the call does not wait for it.
    other.execute("SELECT FROM ops_call_queue WHERE usage_id = %s FOR UPDATE", [ids[0]])
    conn.execute("DELETE FROM tool_usage WHERE id = ANY (%s)", [ids[:2]])
    other.rollback()
    assert waiting(conn) == 3
    # And the other way round.
    learn_one(conn, edge, judge, say)
    other.execute("DELETE FROM tool_usage WHERE id = %s", [ids[2]])
    assert run_cycle(conn, edge) == {"a": ids[3:]}
    other.commit()
    assert waiting(conn) == 0


def test_many_writers_and_a_learner_lose_nothing_and_take_nothing_twice(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, fresh_database: str
) -> None:
    writers, calls = 4, 30
    done = threading.Barrier(writers + 1)

    def write(number: int) -> None:
        with psycopg.connect(fresh_database) as own:
            own.execute("SET ROLE cynic_app")
            for place in range(calls):
                call(
                    own, f"s{place % 3}", 1000 * number + place, "pending" if place % 2 else "error"
                )
                if place % 5 == 0:
                    own.commit()
                own.execute(
                    "UPDATE tool_usage SET status = 'success' WHERE call_id = %s",
                    [f"s{place % 3} {1000 * number + place}"],
                )
                if place % 7 == 0:
                    own.commit()
        done.wait()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    while done.n_waiting < writers:
        say(judge().judgment_id, "correct")
        learn.run(conn, edge)
    done.wait()
    for thread in threads:
        thread.join()
    learn.run(conn, edge)
    assert (counted(conn), waiting(conn)) == (writers * calls, 0)
    for weights in known(conn).values():
        keys = [key for _, _, key in weights["actions"]]
        assert len(set(keys)) == len(keys) == 20
        assert all(ok for _, ok, _ in weights["actions"])


def found(conn: psycopg.Connection) -> dict[str, Any]:
    everything: dict[str, Any] = learned(conn)
    for _, _, weights, _ in everything["loops"]:
        # The number of a friction, which is another one after an attempt that came to nothing.
        weights["friction"] = weights.get("friction") is not None
    names = ("loops", "frictions", "cycles", "lessons", "surprises", "maturity", "patterns")
    return {name: everything[name] for name in names}


def test_dying_anywhere_looks_at_each_call_once(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    fresh_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cycle, "ANSWERS", 4)
    monkeypatch.setattr(sessions, "CALLS_MAX", 9)
    for number in range(12):
        judged = judge(session_id=f"s{number % 2}").judgment_id
        say(judged, ("incorrect", "correct")[number % 3 == 0], user="ada")
    for second in range(30):
        call(conn, f"s{second % 3}", second, ("success", "error")[second % 4 > 1])
    with conn.transaction(force_rollback=True):
        learn.run(conn, edge)
        wanted = found(conn)
        assert wanted["frictions"]
        assert waiting(conn) == 0
    live_on(fresh_database, lambda mortal: learn.run(mortal, edge))
    assert found(conn) == wanted
    assert (counted(conn), waiting(conn)) == (30, 0)


def test_calls_are_looked_at_though_nobody_answers(
    conn: psycopg.Connection, edge: Edge, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "CALLS_MAX", 9)
    assert learn.tend(conn, edge).cycles == 0
    call(conn, "a", 0, "error")
    assert learn.tend(conn, edge).cycles == 1, "there was no cycle before"
    for second in range(1, 5):
        call(conn, "a", second, "error")
    clock.move(minutes=9)
    assert (learn.tend(conn, edge).cycles, waiting(conn)) == (0, 4)
    clock.move(minutes=1)
    assert (learn.tend(conn, edge).cycles, waiting(conn)) == (1, 0)
    assert one(conn, "SELECT friction_type FROM frictions") == "stuck"
    assert (
        one(
            conn,
            "SELECT feedback_processed FROM learning_cycles ORDER BY completed_at DESC LIMIT 1",
        )
        == 0
    )
    # So many are not left to wait for long.
    for second in range(20):
        call(conn, "b", second)
    cycles = 0
    for _ in range(4):
        clock.move(seconds=5)
        cycles += learn.tend(conn, edge).cycles
        assert learn.tend(conn, edge).cycles == 0
    assert cycles == 2
    assert waiting(conn) == 2
    assert (learn.run(conn, edge).cycles, waiting(conn), counted(conn)) == (1, 0, 25)


def test_the_states_of_sessions_are_measured_though_nobody_answers(
    conn: psycopg.Connection, edge: Edge
) -> None:
    for second in range(200):
        call(conn, "a", second, ("success", "error")[second % 40 > 30])
        if second % 20 == 19:
            learn.run(conn, edge)
    measured = conn.execute("SELECT DISTINCT loop_name FROM learning_maturity").fetchall()
    assert measured == [("meta-cognition",)]
    assert one(conn, "SELECT count(*) FROM judgment_metrics") == 0


def test_what_was_known_moves_along_when_the_schema_goes_up_and_down(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, fresh_database: str
) -> None:
    ids = [call(conn, "a", second, "error") for second in range(5)]
    assert look(conn, edge, judge, say) == {"a": ids}
    wanted = known(conn)
    assert wanted["calls a"]["friction"] is not None
    waits = [call(conn, session, 9) for session in ("a", "b")]
    with psycopg.connect(fresh_database, autocommit=True) as owner:
        names = [migration.name for migration in packaged()]
        Migrator(owner).down(names[names.index("063_learning_sessions") - 1])
        kept = one(
            conn, "SELECT weights FROM loop_persistence_state WHERE loop_name = 'meta-cognition'"
        )
        assert kept["sessions"] == wanted
        assert kept["mark"] == ids[-1]
        Migrator(owner).up()
    assert known(conn) == wanted
    assert look(conn, edge, judge, say) == {"a": [*ids, waits[0]], "b": waits[1:]}
