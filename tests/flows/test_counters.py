"""The shared counters: folded once each, whoever folds, and right after any order of events."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from cynic.base import clock as real_clock
from cynic.base.errors import InvalidDataError
from cynic.db.connect import Database
from cynic.domains.users import escore
from cynic.flows import counters, feedback, learn, submission
from cynic.flows import worker as worker_flow
from cynic.flows.worker import Worker

if TYPE_CHECKING:
    from conftest import Judge, MovableClock
    from cynic.flows.edge import Edge


def one(conn: psycopg.Connection, query: str) -> Any:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row


def test_judgments_are_counted_in_their_session_and_summed_up(
    conn: psycopg.Connection, judge: Judge, clock: MovableClock
) -> None:
    for probability in (0.5, 1, 0):
        judge(session_id="s", user="ada", probability=probability)
    judge()  # of no session and nobody: counted nowhere
    assert counters.fold_all(conn, clock()) == 3
    assert one(conn, "SELECT judgment_count FROM sessions") == (3,)
    total, average = one(conn, "SELECT total_judgments, avg_confidence FROM session_summary")
    assert (total, float(average)) == (3, pytest.approx(0.309))
    judge(session_id="s", probability=0.5)
    assert counters.fold_all(conn, clock()) == 1
    total, average = one(conn, "SELECT total_judgments, avg_confidence FROM session_summary")
    assert (total, float(average)) == (4, pytest.approx(0.309))
    assert counters.fold_all(conn, clock()) == 0


def test_use_renews_a_session(conn: psycopg.Connection, judge: Judge, clock: MovableClock) -> None:
    judge(session_id="s")
    clock.move(hours=5)
    judge(session_id="s")
    counters.fold_all(conn, clock())
    alive, idle = one(
        conn,
        "SELECT extract(epoch FROM expires_at - created_at), last_active_at - created_at FROM sessions",
    )
    assert float(alive) == pytest.approx(5 * 3600 + 61803, abs=1)
    assert idle.total_seconds() == pytest.approx(5 * 3600, abs=1)


def test_answers_are_counted_and_a_superseded_one_is_taken_back(
    conn: psycopg.Connection, judge: Judge, edge: Edge, clock: MovableClock
) -> None:
    first, second = judge().judgment_id, judge().judgment_id
    profile = "SELECT total_feedback, correct_feedback, incorrect_feedback, accuracy FROM user_learning_profiles"

    def say(judgment_id: str, outcome: str) -> None:
        given = submission.read_feedback({"outcome": outcome, "user": "bob"})
        feedback.answer(conn, judgment_id, given, edge)
        counters.fold_all(conn, clock())

    say(first, "correct")
    assert one(conn, profile) == (1, 1, 0, 1)
    say(first, "incorrect")
    assert one(conn, profile) == (1, 0, 1, 0)
    say(second, "partial")
    assert one(conn, profile) == (2, 0, 1, 0)


def test_only_partial_answers_give_no_accuracy(
    conn: psycopg.Connection, judge: Judge, edge: Edge, clock: MovableClock
) -> None:
    given = submission.read_feedback({"outcome": "partial", "user": "bob"})
    feedback.answer(conn, judge().judgment_id, given, edge)
    counters.fold_all(conn, clock())
    assert one(conn, "SELECT total_feedback, accuracy FROM user_learning_profiles") == (1, None)


def test_verdicts_of_a_user_are_counted_by_word(
    conn: psycopg.Connection, judge: Judge, clock: MovableClock
) -> None:
    for score in (0.9, 0.9, 0.1):
        judge(user="ada", votes=[{"dog": "Sage", "score": score}])
    counters.fold_all(conn, clock())
    judge(user="ada", votes=[{"dog": "Sage", "score": 0.6}])
    counters.fold_all(conn, clock())
    (words,) = one(conn, "SELECT judgment_patterns FROM user_learning_profiles")
    assert words == {"HOWL": 2, "BARK": 1, "WAG": 1}


def test_a_score_that_changes_leaves_a_snapshot_and_one_that_stays_none(
    conn: psycopg.Connection, judge: Judge, clock: MovableClock
) -> None:
    for _ in range(5):
        judge(user="ada")
    counters.fold_all(conn, clock())
    (snapshots,) = one(conn, "SELECT count(*) FROM escore_history")
    assert snapshots == 1
    score, used, held = one(conn, "SELECT e_score, use_score, hold_score FROM escore_history")
    assert score > 0
    assert used == 50
    assert held == 0
    data = one(conn, "SELECT e_score_data FROM users")[0]
    assert set(data) == {"use", "build", "time"}  # what was not measured is absent, not zero
    for _ in range(20):
        judge(user="ada")
    counters.fold_all(conn, clock())
    for _ in range(20):
        judge(user="ada")
    counters.fold_all(conn, clock())
    assert one(conn, "SELECT count(*) FROM escore_history") == (2,)  # full is full


def test_a_snapshot_has_the_seven_parts_of_the_score_and_what_triggered_it(
    conn: psycopg.Connection, judge: Judge, edge: Edge, clock: MovableClock
) -> None:
    judged = judge(user="ada").judgment_id
    conn.execute("UPDATE users SET wallet_address = 'w', created_at = %s", [clock()])
    conn.execute(
        "INSERT INTO burn_verifications (tx_signature, amount, burner_address, verified) VALUES ('t', 1000, 'w', true)"
    )
    clock.move(days=99)
    feedback.answer(
        conn, judged, submission.read_feedback({"outcome": "correct", "user": "ada"}), edge
    )
    counters.fold_all(conn, clock())
    row = one(
        conn,
        "SELECT e_score::float8, hold_score, burn_score::float8, use_score, build_score, run_score, refer_score, "
        "time_score, trigger_event FROM escore_history",
    )
    parts = escore.parts(
        escore.Facts(days_known=99.0, judgments_in_window=0, answers_given=1, burned=1000)
    )
    assert row[0] == float(escore.e_score(parts))
    assert row[1:] == (0, float(parts["burn"]), 0, 5, 0, 0, parts["time"], "activity")
    # What nobody can measure yet is 0 in its column, and absent from what the score is made of.
    assert set(one(conn, "SELECT e_score_data FROM users")[0]) == {"burn", "use", "build", "time"}


def test_an_erased_user_gets_no_profile_again(
    conn: psycopg.Connection, judge: Judge, clock: MovableClock
) -> None:
    judge(user="ada")
    conn.execute("SELECT erase_user(id) FROM users")
    counters.fold_all(conn, clock())
    assert one(conn, "SELECT count(*) FROM user_learning_profiles") == (0,)
    assert one(conn, "SELECT count(*) FROM escore_history") == (0,)


def test_two_folders_at_once_count_everything_once(
    fresh_database: str, conn: psycopg.Connection, judge: Judge, clock: MovableClock
) -> None:
    done = threading.Event()

    def fold() -> None:
        with psycopg.connect(fresh_database, autocommit=True) as mine:
            mine.execute("SET ROLE cynic_app")
            while not done.is_set():
                counters.fold(mine, clock())

    threads = [threading.Thread(target=fold) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(60):
        judge(session_id="s", user="ada")
    done.set()
    for thread in threads:
        thread.join()
    counters.fold_all(conn, clock())
    assert one(conn, "SELECT judgment_count FROM sessions") == (60,)
    assert one(conn, "SELECT total_judgments FROM session_summary") == (60,)


def test_the_worker_folds_by_itself_and_survives_a_lost_connection(
    fresh_database: str, conn: psycopg.Connection, judge: Judge
) -> None:
    worker = Worker(Database(conninfo=fresh_database, source="test"))
    worker.start()
    try:
        for expected in (1, 2):
            judge(session_id="s")
            until(conn, "SELECT judgment_count FROM sessions", expected)
            conn.execute("RESET ROLE")
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            conn.execute("SET ROLE cynic_app")
        assert worker.alive
    finally:
        worker.stop()
    assert not worker.alive


def test_what_cannot_be_learned_is_said_and_holds_up_nothing_else(
    fresh_database: str, conn: psycopg.Connection, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()

    def fail(*_: object) -> learn.Pass:
        failed.set()
        raise InvalidDataError("a bad answer")

    monkeypatch.setattr(worker_flow.learn, "tend", fail)
    monkeypatch.setattr(worker_flow, "RETRY_SECONDS", 0.05)
    worker = Worker(Database(conninfo=fresh_database, source="test"))
    worker.start()
    try:
        assert failed.wait(20)
        judge(session_id="s")
        until(conn, "SELECT judgment_count FROM sessions", 1)
        assert not worker.alive
        monkeypatch.setattr(worker_flow.learn, "tend", lambda *_: learn.Pass())
        started = real_clock.now()
        while not worker.alive:
            assert (real_clock.now() - started).total_seconds() < 20
            threading.Event().wait(0.02)
    finally:
        worker.stop()


def until(conn: psycopg.Connection, query: str, expected: object) -> None:
    """Ask until the answer is the expected one."""
    started = real_clock.now()
    while one(conn, query) != (expected,):
        assert (real_clock.now() - started).total_seconds() < 20, query
        threading.Event().wait(0.02)


def test_a_backlog_keeps_the_worker_neither_from_living_nor_from_ending(
    fresh_database: str, conn: psycopg.Connection
) -> None:
    worker = Worker(Database(conninfo=fresh_database, source="test"))
    worker.start()
    try:
        # Its statements are planned by now, for a queue that is empty.
        until(conn, "SELECT count(*) FROM ops_counter_queue", 0)
        conn.execute(
            "INSERT INTO ops_counter_queue (kind, session_id, confidence, word, occurred_at) "
            "SELECT 'judgment', 's', 0.3, 'WAG', now() FROM generate_series(1, 50000)"
        )
        until(conn, "SELECT count(*) < 50000 FROM ops_counter_queue", expected=True)
        assert worker.alive
    finally:
        worker.stop()
    left = one(conn, "SELECT count(*) FROM ops_counter_queue")[0]
    assert 0 < left < 50000, "it ends after the round under way and leaves the rest for the next"
    assert counters.fold_all(conn, real_clock.now()) == left
    assert one(conn, "SELECT total_judgments FROM session_summary") == (50000,)
