"""Recording: every row of a judgment in one transaction, the same request twice one effect, feedback taken back."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from cynic.base.errors import CynicError
from cynic.domains.dogs.pack import DOGS
from cynic.flows import feedback, record, submission
from cynic.flows.feedback import UnknownJudgmentError
from cynic.flows.record import (
    ForeignSessionError,
    JudgmentDiffersError,
    Recorded,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Judge, MovableClock
    from cynic.flows.edge import Edge

TABLES = (
    "users",
    "sessions",
    "judgments",
    "dog_votes",
    "consensus_votes",
    "dog_events",
    "dog_signals",
    "dog_pipeline_state",
    "unified_signals",
    "feedback",
    "brier_predictions",
    "calibration_tracking",
)


def counts(conn: psycopg.Connection) -> dict[str, int]:
    return {table: one(conn, f"SELECT count(*) FROM {table}") for table in TABLES}


def one(conn: psycopg.Connection, query: str) -> Any:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def all_votes(score: float = 0.9) -> list[dict[str, object]]:
    return [{"dog": dog, "score": score, "reasoning": f"{dog} says so"} for dog in DOGS]


def test_a_judgment_leaves_every_row_that_follows_from_it(
    conn: psycopg.Connection, judge: Judge
) -> None:
    judged = judge(
        user="ada",
        session_id="s1",
        context_type="review",
        task_type="merge",
        dimensions={"COHERENCE": 80, "ACCURACY": 60},
        votes=all_votes(),
    )
    assert counts(conn) == {
        "users": 1,
        "sessions": 1,
        "judgments": 1,
        "dog_votes": 11,
        "consensus_votes": 11,
        "dog_events": 12,
        "dog_signals": 12,
        "dog_pipeline_state": 1,
        "unified_signals": 1,
        "feedback": 0,
        "brier_predictions": 0,
        "calibration_tracking": 0,
    }
    row = conn.execute(
        "SELECT j.judgment_id, u.username, j.session_id, j.query_type, j.q_score, j.verdict, j.confidence, j.basis, "
        "j.item_hash NOT LIKE '%%x = 1%%', length(j.request_digest) FROM judgments AS j JOIN users AS u ON u.id = j.user_id"
    ).fetchone()
    assert row is not None
    assert row[:4] == (judged.judgment_id, "ada", "s1", "review")
    assert row[4:7] == (judged.q_score, judged.verdict, judged.confidence)
    assert row[7]["score_rule"] == "dimensions"
    assert row[7]["confidence_rule"] == "votes"
    assert row[7]["consensus"] == judged.consensus
    assert row[8:] == (True, 32)
    assert one(conn, "SELECT completed_dogs FROM dog_pipeline_state") == sorted(DOGS)
    assert one(conn, "SELECT input FROM unified_signals") == {
        "itemType": "code",
        "taskType": "merge",
        "contextType": "review",
    }
    assert one(conn, "SELECT DISTINCT metadata ->> 'consensus_verdict' FROM dog_votes") == "HOWL"


def test_a_vote_that_abstains_and_one_that_failed_are_signalled_as_such(
    conn: psycopg.Connection, judge: Judge
) -> None:
    judge(
        votes=[
            {"dog": "Sage", "score": 0.5},
            {"dog": "Scout", "error": "timed out"},
            {"dog": "Oracle", "score": 1},
        ]
    )
    found = dict(
        conn.execute("SELECT dog_name, signal_type FROM dog_signals WHERE dog_name <> 'CYNIC'")
    )
    assert found == {
        "Sage": "DOG_VOTE_ABSTAIN",
        "Scout": "DOG_ERROR",
        "Oracle": "DOG_VOTE_CAST",
    }
    assert one(conn, "SELECT signal_type FROM dog_signals WHERE dog_name = 'CYNIC'") == (
        "CONSENSUS_FAILED"
    )
    assert one(conn, "SELECT confidence FROM dog_votes WHERE dog_name = 'Scout'") == 0


def test_the_same_again_is_the_first_answer_and_another_body_a_conflict(
    conn: psycopg.Connection, judge: Judge, clock: MovableClock
) -> None:
    fields: dict[str, Any] = {
        "judgment_id": "mine",
        "item_content": "x",
        "user": "ada",
        "votes": all_votes(),
    }
    first = judge(**fields)
    before = counts(conn)
    clock.move(days=40)
    again = judge(**fields)
    assert again.new is False
    assert again.document() == first.document()
    assert again.created_at == first.created_at
    # Spelled otherwise, the same: a probability for its confidence, an integer for its float.
    assert judge(**fields | {"votes": [{**v, "score": 9 / 10} for v in all_votes()]}).new is False
    for other in (
        {"item_content": "y"},
        {"user": "bob"},
        {"votes": all_votes(0.8)},
        {"confidence": 0.5},
        {"session_id": "s"},
    ):
        with pytest.raises(JudgmentDiffersError):
            judge(**fields | other)
    assert counts(conn)["judgments"] == before["judgments"]
    assert counts(conn)["dog_votes"] == before["dog_votes"]


def test_an_idempotency_key_stands_for_an_id_of_its_own_for_each_caller(edge: Edge) -> None:
    given = submission.read_judgment(
        {"item_type": "code", "item_content": "x", "votes": [{"dog": "Sage", "score": 1}]}
    )
    ids = [
        record.identified(given, key, caller, edge).judgment_id
        for key, caller in [("k", "a"), ("k", "a"), ("k", "b"), ("l", "a")]
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert record.identified(given, None, "a", edge).judgment_id is None


def test_a_session_belongs_to_the_first_user_who_names_it(
    conn: psycopg.Connection, judge: Judge
) -> None:
    judge(session_id="s")
    assert one(conn, "SELECT user_id FROM sessions") is None
    judge(session_id="s", user="ada")
    judge(session_id="s", user="ada")
    judge(session_id="s")  # known by its session
    with pytest.raises(ForeignSessionError):
        judge(session_id="s", user="bob")
    users = conn.execute(
        "SELECT u.username, count(*) FROM judgments AS j LEFT JOIN users AS u ON u.id = j.user_id GROUP BY 1"
    ).fetchall()
    assert dict(users) == {"ada": 3, None: 1}


def test_an_expired_session_is_renewed(
    conn: psycopg.Connection, judge: Judge, clock: MovableClock
) -> None:
    judge(session_id="s", user="ada")
    conn.execute("RESET ROLE")
    conn.execute("UPDATE sessions SET expires_at = %s", [clock.moment])
    clock.move(hours=1)
    judge(session_id="s", user="ada")
    renewed = "SELECT extract(epoch FROM expires_at - last_active_at) FROM sessions"
    assert one(conn, renewed) == 61803
    clock.move(days=2)
    with pytest.raises(ForeignSessionError):
        judge(session_id="s", user="bob")


def test_an_erased_user_is_nobody_and_the_name_is_free_again(
    conn: psycopg.Connection, judge: Judge
) -> None:
    judge(user="ada")
    former = one(conn, "SELECT id FROM users")
    conn.execute("SELECT erase_user(%s)", [former])
    judge(user="ada")
    assert one(conn, "SELECT count(*) FROM judgments WHERE user_id IS NULL") == 1
    assert one(conn, "SELECT user_id FROM judgments WHERE user_id IS NOT NULL") != former


def test_in_a_batch_the_good_ones_stay_and_each_bad_one_says_why(
    conn: psycopg.Connection, edge: Edge, judge: Judge
) -> None:
    judge(judgment_id="old", item_content="old")
    judge(session_id="hers", user="ada")

    def read(**fields: Any) -> submission.Submission:
        base = {"item_type": "code", "item_content": "x", "votes": [{"dog": "Sage", "score": 0.8}]}
        return submission.read_judgment(base | fields)

    results = record.record(
        conn,
        [
            read(judgment_id="a", user="new", session_id="n1"),
            read(judgment_id="a", user="new", session_id="n1"),
            read(judgment_id="a", item_content="other"),
            read(judgment_id="old", item_content="old"),
            read(judgment_id="old", item_content="changed"),
            read(session_id="hers", user="bob"),
            read(),
        ],
        edge,
    )
    kinds = [
        type(result).__name__ if isinstance(result, CynicError) else result.new
        for result in results
    ]
    assert kinds == [
        True,
        False,
        "JudgmentDiffersError",
        False,
        "JudgmentDiffersError",
        "ForeignSessionError",
        True,
    ]
    assert one(conn, "SELECT count(*) FROM judgments") == 4
    assert one(conn, "SELECT count(*) FROM dog_votes") == 4


def test_many_writers_of_one_id_store_one_judgment(fresh_database: str, edge: Edge) -> None:
    def write(answers: list[Recorded]) -> None:
        with psycopg.connect(fresh_database, autocommit=True) as mine:
            mine.execute("SET ROLE cynic_app")
            for number in range(20):
                given = submission.read_judgment(
                    {
                        "judgment_id": f"j{number}",
                        "item_type": "code",
                        "item_content": "x",
                        "user": "ada",
                        "session_id": "s",
                        "votes": all_votes(),
                    }
                )
                answers.append(record.record_one(mine, given, edge))

    answers: list[Recorded] = []
    threads = [threading.Thread(target=write, args=[answers]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 120
    assert sum(answer.new for answer in answers) == 20
    with psycopg.connect(fresh_database) as conn:
        assert one(conn, "SELECT count(*) FROM dog_votes") == 220
        assert one(conn, "SELECT count(*) FROM users") == 1


Say = "Callable[..., feedback.Answered]"


@pytest.fixture
def say(conn: psycopg.Connection, edge: Edge) -> Callable[..., feedback.Answered]:
    def say_it(judgment_id: str, outcome: str, **fields: Any) -> feedback.Answered:
        given = submission.read_feedback({"outcome": outcome, **fields})
        return feedback.answer(conn, judgment_id, given, edge)

    return say_it


def test_feedback_scores_the_prediction(
    conn: psycopg.Connection, judge: Judge, say: Callable[..., feedback.Answered]
) -> None:
    judged = judge(user="ada", session_id="s", probability=0.75)
    given = say(judged.judgment_id, "correct", user="bob", actual_score=70)
    assert given.new
    row = conn.execute("SELECT predicted, actual, metadata FROM brier_predictions").fetchone()
    assert row == (
        Decimal("0.4635"),
        1,
        {"judgment_id": judged.judgment_id, "feedback_id": str(given.feedback_id)},
    )
    assert one(conn, "SELECT get_brier_score('default', 36500)") == pytest.approx(Decimal("0.0625"))
    tracked = conn.execute(
        "SELECT predicted_outcome, actual_outcome, confidence_bucket FROM calibration_tracking"
    ).fetchone()
    assert tracked == ("correct", "correct", 7)
    signal = conn.execute(
        "SELECT session_id, outcome, learning FROM unified_signals WHERE source = 'user_feedback'"
    ).fetchone()
    assert signal == (
        "s",
        {"status": "correct", "actualScore": 70},
        {"reward": 1, "feedbackType": "correct", "canPair": True, "scoreDelta": -10},
    )


def test_the_same_outcome_again_is_the_first_answer(
    conn: psycopg.Connection, judge: Judge, say: Callable[..., feedback.Answered]
) -> None:
    judged = judge()
    first = say(judged.judgment_id, "correct", user="bob")
    again = say(judged.judgment_id, "correct", user="bob", actual_score=3)
    assert (again.new, again.feedback_id, again.actual_score) == (False, first.feedback_id, None)
    assert counts(conn)["brier_predictions"] == 1


def test_another_outcome_supersedes_and_unscores_the_former(
    conn: psycopg.Connection, judge: Judge, say: Callable[..., feedback.Answered]
) -> None:
    judged = judge(probability=1)
    first = say(judged.judgment_id, "correct", user="bob")
    other = say(judged.judgment_id, "correct")
    second = say(judged.judgment_id, "incorrect", user="bob")
    assert len({first.feedback_id, other.feedback_id, second.feedback_id}) == 3
    assert one(conn, "SELECT count(*) FROM feedback WHERE superseded_at IS NULL") == 2
    assert sorted(conn.execute("SELECT actual FROM brier_predictions").fetchall()) == [(0,), (1,)]
    assert counts(conn)["calibration_tracking"] == 2
    assert one(
        conn,
        "SELECT metadata ->> 'supersedes' FROM unified_signals WHERE metadata <> '{}' "
        "AND source = 'user_feedback'",
    ) == str(first.feedback_id)
    say(judged.judgment_id, "partial", user="bob")
    assert conn.execute("SELECT actual FROM brier_predictions").fetchall() == [(1,)]
    assert one(conn, "SELECT count(*) FROM get_calibration_curve('default', 36500)") == 1


def test_feedback_on_nothing_is_refused(
    conn: psycopg.Connection, say: Callable[..., feedback.Answered]
) -> None:
    with pytest.raises(UnknownJudgmentError):
        say("nowhere", "correct", user="bob")
    assert counts(conn)["users"] == 0


def test_many_who_answer_at_once_leave_one_answer_each(
    fresh_database: str, judge: Judge, edge: Edge
) -> None:
    judged = judge()
    failures: list[BaseException] = []

    def answer(outcome: str) -> None:
        try:
            with psycopg.connect(fresh_database, autocommit=True) as mine:
                mine.execute("SET ROLE cynic_app")
                for _ in range(10):
                    given = submission.read_feedback({"outcome": outcome, "user": "bob"})
                    feedback.answer(mine, judged.judgment_id, given, edge)
        except BaseException as error:  # noqa: BLE001  # told to the test's own thread
            failures.append(error)

    outcomes = ("correct", "incorrect", "partial", "correct")
    threads = [threading.Thread(target=answer, args=[outcome]) for outcome in outcomes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with psycopg.connect(fresh_database) as conn:
        current = conn.execute(
            "SELECT id, outcome FROM feedback WHERE superseded_at IS NULL"
        ).fetchall()
        assert len(current) == 1
        scored = conn.execute("SELECT metadata ->> 'feedback_id' FROM brier_predictions").fetchall()
        expected = [(str(current[0][0]),)] if current[0][1] != "partial" else []
        assert scored == expected


def test_what_a_failed_dog_said_goes_with_the_person(
    conn: psycopg.Connection, judge: Judge
) -> None:
    judge(user="ada", votes=[{"dog": "Sage", "score": 1}, {"dog": "Scout", "error": "a secret"}])
    assert one(conn, "SELECT count(*) FROM dog_votes WHERE dog_votes::text LIKE '%a secret%'") == 1
    conn.execute("SELECT erase_user(id) FROM users")
    assert one(conn, "SELECT count(*) FROM dog_votes WHERE dog_votes::text LIKE '%a secret%'") == 0


def test_a_refused_judgment_makes_nobody_and_renews_nothing(
    conn: psycopg.Connection, judge: Judge, clock: MovableClock
) -> None:
    judge(session_id="s", user="ada")
    clock.move(days=2)
    expired = one(conn, "SELECT expires_at FROM sessions")
    with pytest.raises(ForeignSessionError):
        judge(session_id="s", user="mallory")
    assert one(conn, "SELECT count(*) FROM users") == 1
    assert one(conn, "SELECT expires_at FROM sessions") == expired


def test_in_a_batch_a_session_goes_to_the_first_who_names_it(
    conn: psycopg.Connection, edge: Edge
) -> None:
    for name in ("aaa", "bbb"):  # aaa is there first, and has the smaller id
        conn.execute("INSERT INTO users (username) VALUES (%s)", [name])
    base: dict[str, Any] = {
        "item_type": "c",
        "item_content": "x",
        "votes": [{"dog": "Sage", "score": 1}],
    }
    given = [
        submission.read_judgment(base | {"session_id": "s", "user": "bbb"}),
        submission.read_judgment(base | {"session_id": "s", "user": "aaa", "judgment_id": "z"}),
        submission.read_judgment(base | {"judgment_id": "z"}),
    ]
    first, second, third = record.record(conn, given, edge)
    assert isinstance(first, Recorded)
    assert isinstance(second, ForeignSessionError)
    # The failure of one does not keep out another under the same id.
    assert isinstance(third, Recorded)
    assert third.new
