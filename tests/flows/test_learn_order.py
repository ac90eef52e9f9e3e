"""One answer a person and judgment, whatever the order it comes in, and data that cannot be learned from."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import psycopg
import pytest
from test_learn import VOTES, one

from cynic.base.errors import CynicError, InvalidDataError
from cynic.flows import feedback, learn, submission
from cynic.flows.learning import batch, cycle
from cynic.reads.learning.status import status

if TYPE_CHECKING:
    from conftest import Judge, MovableClock, Say
    from cynic.flows.edge import Edge

OUTCOMES = ("correct", "incorrect", "correct")
CALIBRATED = "SELECT weights FROM loop_persistence_state WHERE loop_name = 'calibration'"


def later_of_an_earlier_transaction(
    database: str, conn: psycopg.Connection, judged: str, edge: Edge, say: Say
) -> None:
    """The former answer is written by the transaction with the greater number, and committed first."""
    with psycopg.connect(database) as slow:
        slow.execute("SET ROLE cynic_app")
        slow.execute("SELECT pg_current_xact_id()")
        say(judged, "incorrect", user="ada")
        given = submission.read_feedback({"outcome": "correct", "user": "ada"})
        feedback.answer(slow, judged, given, edge)
        slow.commit()
    order = conn.execute(
        "SELECT f.outcome FROM ops_learning_queue AS q JOIN feedback AS f ON q.signal_id = 'feedback:' || f.id "
        "ORDER BY q.written_by, q.id"
    )
    assert [row[0] for row in order] == ["correct", "incorrect"], "the later answer comes first"


@pytest.mark.parametrize("limit", [1, 1000])
def test_an_answer_that_comes_after_its_successor_is_not_learned(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, fresh_database: str, limit: int
) -> None:
    judged = judge(votes=VOTES).judgment_id
    later_of_an_earlier_transaction(fresh_database, conn, judged, edge, say)
    done = learn.run(conn, edge, limit=limit)
    assert (done.taken, done.learned, done.corrected, done.skipped) == (2, 1, 0, 1)
    assert one(conn, CALIBRATED) == {"pass": {"right": 1, "wrong": 0}}
    assert one(conn, "SELECT bool_and(applied = (superseded_at IS NULL)) FROM feedback") is True
    # The next one takes back what was learned, and that alone.
    say(judged, "incorrect", user="ada")
    assert learn.run(conn, edge).corrected == 1
    assert one(conn, CALIBRATED) == {"pass": {"right": 0, "wrong": 1}}
    assert one(conn, "SELECT count(*) FROM qlearning_episodes") == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
@pytest.mark.parametrize("limit", [1, 1000])
def test_the_last_of_a_chain_counts_in_whatever_order_it_comes(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, order: tuple[int, ...], limit: int
) -> None:
    judged = judge(votes=VOTES).judgment_id
    for outcome in ("incorrect", "partial", "incorrect", "correct"):
        say(judged, outcome, user="ada")
    ids = [row[0] for row in conn.execute("SELECT id FROM ops_learning_queue ORDER BY id")]
    for place, number in enumerate(order):
        conn.execute(
            "UPDATE ops_learning_queue SET written_by = (99999999999 + %s)::text::xid8 WHERE id = %s",
            [place, ids[number]],
        )
    done = learn.run(conn, edge, limit=limit)
    assert done.learned + done.skipped == 4
    assert one(conn, CALIBRATED) == {"pass": {"right": 1, "wrong": 0}}
    assert one(
        conn,
        "SELECT count(*) FILTER (WHERE applied), bool_and(applied = (superseded_at IS NULL)) FROM feedback",
    ) == (1, True)
    visits = one(conn, "SELECT q_table -> 'visits' FROM qlearning_state")
    assert list(visits.values()) == [{"Guardian": 1, "Sage": 1, "Scout": 1}]


def test_a_signal_that_does_not_say_whom_it_supersedes_takes_back_all_the_same(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    judged = judge(votes=VOTES).judgment_id
    say(judged, "correct", user="ada")
    say(judged, "incorrect", user="ada")
    conn.execute("RESET ROLE")
    conn.execute("UPDATE unified_signals SET metadata = '{}'")
    conn.execute("SET ROLE cynic_app")
    assert learn.run(conn, edge).corrected == 1
    assert one(conn, CALIBRATED) == {"pass": {"right": 0, "wrong": 1}}


def poisoned(conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say) -> str:
    """A judgment that got one more vote after an answer was learned: this vote cannot be taken back."""
    judged = judge().judgment_id
    say(judged, "correct", user="ada")
    learn.run(conn, edge)
    conn.execute("RESET ROLE")
    conn.execute(
        "INSERT INTO dog_votes (dog_name, item_type, item_id, vote_score, confidence) VALUES ('Scout', 'code', %s, 0.9, 0.4)",
        [judged],
    )
    conn.execute("SET ROLE cynic_app")
    return judged


def test_what_cannot_be_learned_is_set_aside_and_holds_up_nothing(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    judged = poisoned(conn, edge, judge, say)
    before, after = ([judge().judgment_id for _ in range(5)] for _ in range(2))
    for one_of_them in before:
        say(one_of_them, "correct")
    refused = say(judged, "incorrect", user="ada").feedback_id
    for one_of_them in after:
        say(one_of_them, "correct")
    done = learn.run(conn, edge)
    assert (done.taken, done.learned, done.refused, done.skipped) == (11, 10, 1, 0)
    assert one(conn, CALIBRATED) == {"pass": {"right": 11, "wrong": 0}}, "the former answer stays"
    assert conn.execute(
        "SELECT metadata -> 'signalIds', action_taken FROM learning_events WHERE loop_type = 'learning' AND event_type = 'failed'"
    ).fetchall() == [([f"feedback:{refused}"], "no arm Beta(0.0, 1.0)")]
    assert one(conn, "SELECT applied, learned_as FROM feedback WHERE id = %s", refused) == (
        False,
        None,
    )
    assert one(conn, "SELECT sum(success_count), sum(error_count) FROM background_tasks") == (11, 1)
    # Whoever changes their mind once more meets the same: never are two answers of one person in what was learned.
    say(judged, "correct", user="ada")
    assert learn.run(conn, edge).refused == 1
    assert one(conn, CALIBRATED) == {"pass": {"right": 11, "wrong": 0}}


@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_where_batches_end_does_not_matter_to_what_is_set_aside(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
) -> None:
    monkeypatch.setattr(cycle, "ANSWERS", 4)
    bad = [poisoned(conn, edge, judge, say) for _ in range(3)]
    for judged in bad:
        say(judge().judgment_id, "correct")
        say(judged, "incorrect", user="ada")
    done = learn.run(conn, edge, limit=limit)
    assert (done.learned, done.refused) == (3, 3)
    places = conn.execute("SELECT learned_as FROM feedback WHERE learned_as IS NOT NULL ORDER BY 1")
    assert [row[0] for row in places] == list(range(1, 7)), "the places have no gaps"


def test_where_nothing_can_be_learned_from_the_answers_wait(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "REFUSED_MAX", 2)
    bad = [poisoned(conn, edge, judge, say) for _ in range(3)]
    good = judge().judgment_id
    for judged in bad[:2]:
        say(judged, "incorrect", user="ada")
    say(good, "correct")
    assert learn.run(conn, edge).refused == 2
    for judged in bad:
        say(judged, "partial", user="ada")
    with pytest.raises(InvalidDataError, match="no arm"):
        learn.run(conn, edge)
    assert one(conn, "SELECT count(*) FROM ops_learning_queue") == 1
    conn.execute("RESET ROLE")
    # What was wrong is mended.
    conn.execute("ALTER TABLE dog_votes DISABLE TRIGGER USER")
    conn.execute("DELETE FROM dog_votes WHERE dog_name = 'Scout'")
    conn.execute("SET ROLE cynic_app")
    assert learn.run(conn, edge).corrected == 1
    assert one(conn, "SELECT (stats -> 'refused')::integer FROM qlearning_state") == 0


def test_what_was_set_aside_is_shown_and_can_be_tried_again(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    bad = [poisoned(conn, edge, judge, say) for _ in range(2)]
    for judged in bad:
        say(judged, "incorrect", user="ada")
    assert learn.run(conn, edge).refused == 2
    assert status(conn)["set_aside"] == 2
    # Who answers anew leaves nothing to be tried again of what was said before.
    say(bad[0], "correct", user="ada")
    assert learn.run(conn, edge).refused == 1
    assert status(conn)["set_aside"] == 2
    assert (learn.retry(conn), learn.retry(conn)) == (2, 0)
    assert (status(conn)["waiting"], status(conn)["set_aside"]) == (2, 0)
    assert learn.run(conn, edge).refused == 2, "nothing was mended"
    conn.execute("RESET ROLE")
    conn.execute("ALTER TABLE dog_votes DISABLE TRIGGER USER")
    conn.execute("DELETE FROM dog_votes WHERE dog_name = 'Scout'")
    conn.execute("SET ROLE cynic_app")
    assert (learn.retry(conn), learn.run(conn, edge).corrected) == (2, 2)
    assert (status(conn)["waiting"], status(conn)["set_aside"]) == (0, 0)
    assert one(conn, CALIBRATED) == {"pass": {"right": 1, "wrong": 1}}


def test_answers_are_not_set_aside_for_a_state_that_cannot_be_read(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    say(judge().judgment_id, "correct")
    learn.run(conn, edge)
    conn.execute(
        'UPDATE loop_persistence_state SET weights = \'{"Sage": {"alpha": -1, "beta": 1}}\' WHERE loop_name = \'thompson\''
    )
    say(judge().judgment_id, "correct")
    with pytest.raises(CynicError, match="cannot be read"):
        learn.run(conn, edge)
    assert one(conn, "SELECT count(*) FROM ops_learning_queue") == 1


def test_a_run_says_how_many_answers_wait(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, fresh_database: str
) -> None:
    judged = judge().judgment_id
    with psycopg.connect(fresh_database) as slow:
        slow.execute("SELECT pg_current_xact_id()")
        say(judged, "correct")
        done = learn.run(conn, edge)
        assert (done.taken, done.waiting) == (0, 1)
        slow.rollback()
    done = learn.run(conn, edge)
    assert (done.taken, done.waiting) == (1, 0)


def test_an_answer_taken_back_after_one_that_was_set_aside_leaves_the_cycles_loops_too(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, clock: MovableClock
) -> None:
    judged = judge(
        context_type="code", votes=[{"dog": "Sage", "score": 0.9}, {"dog": "Oracle", "score": 0.1}]
    ).judgment_id
    say(judged, "correct", user="ada")
    learn.run(conn, edge)
    assert one(conn, "SELECT count(*) FROM preference_pairs") == 1
    say(judged, "incorrect", user="ada")
    say(judged, "partial", user="ada")
    # The one between is lost: its signal was never delivered.
    conn.execute(
        "DELETE FROM ops_learning_queue WHERE id = (SELECT min(id) FROM ops_learning_queue)"
    )
    clock.move(minutes=1)
    assert learn.run(conn, edge).corrected == 1
    assert one(conn, "SELECT count(*) FROM preference_pairs") == 0
