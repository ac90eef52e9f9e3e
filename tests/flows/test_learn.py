"""Learning: every answer folded once in the order of its writer, taken back exactly, whoever dies when."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import pytest
from mortal import live_on

from cynic.base import ids
from cynic.db.migrate import Migrator
from cynic.domains.dogs.pack import DOGS
from cynic.domains.learning import qlearning
from cynic.domains.learning.answers import state_key
from cynic.flows import feedback, learn, submission
from cynic.flows.learning import cycle

if TYPE_CHECKING:
    from conftest import Judge, MovableClock, Say
    from cynic.flows.edge import Edge

VOTES = [
    {"dog": "Guardian", "score": 0.9},
    {"dog": "Sage", "score": 0.7},
    {"dog": "Scout", "score": 0.2},
    {"dog": "Oracle", "score": 0.5},
]
PER_ANSWER = ("thompson", "dog-votes", "calibration")
STATE: dict[str, LiteralString] = {
    "q_table": "SELECT q_table - 'stats', q_table #- '{stats,folded_at}' #- '{stats,applied_td_id}' "
    "#- '{stats,reset_td_id}' -> 'stats' "
    "FROM qlearning_state",
    "stats": "SELECT stats - 'foldedAt' - 'cycledAt' - 'consolidatedAt' - 'version' FROM qlearning_state",
    "journal": "SELECT state, action, td_error, rolling_avg_td_error, is_converged, is_drift, current_q, target, reward, learned_as "
    "FROM td_error_tracker ORDER BY id",
    "anchor": "SELECT consolidated_q_table, fisher_matrix, ewc_lambda, consolidation_count FROM qlearning_state",
    "gradients": "SELECT state_key, action, gradient_sum, gradient_sq_sum, update_count, fisher_value "
    "FROM qlearning_fisher_gradients ORDER BY 1, 2",
    "tasks": "SELECT task_id, task_type, episodes_count, avg_reward, consolidated FROM qlearning_tasks ORDER BY 1",
    "consolidations": "SELECT task_id, fisher_entries, avg_fisher, q_states, pre_consolidation_accuracy, "
    "post_consolidation_accuracy FROM qlearning_ewc_history ORDER BY created_at, 1",
    "forgetting": "SELECT task_type, judgment_id, accuracy FROM forgetting_judgments ORDER BY id",
    "baselines": "SELECT task_type, baseline_accuracy, sample_count FROM forgetting_baselines ORDER BY 1",
    "transfer": "SELECT average_bwt, task_count, catastrophic_count, catastrophic_tasks FROM forgetting_metrics ORDER BY id",
    "alerts": "SELECT alert_type, average_bwt, catastrophic_count, catastrophic_tasks FROM forgetting_alerts ORDER BY id",
    "episodes": "SELECT features, task_type, actions, outcome, reward FROM qlearning_episodes ORDER BY outcome ->> 'judgmentId'",
    "loops": "SELECT loop_name, state_type, weights, episode_count FROM loop_persistence_state ORDER BY 1, 2",
    "log": "SELECT loop_type, event_type, judgment_id, feedback_value, action_taken, weight_delta, "
    "metadata - ARRAY['feedbackId', 'cycleId', 'consolidationIds'] "
    "FROM learning_events ORDER BY id",
    "applied": "SELECT judgment_id, outcome, applied, superseded_at IS NULL FROM feedback ORDER BY judgment_id, created_at",
    "places": "SELECT judgment_id, outcome, learned_as FROM feedback ORDER BY judgment_id, created_at",
    "cycles": "SELECT feedback_processed, state_before, state_after #- '{answers,at}' FROM learning_cycles ORDER BY completed_at",
    "queue": "SELECT count(*) FROM ops_learning_queue",
    "residuals": "SELECT source_type, source_id, residual, severity, acknowledged FROM residual_anomalies ORDER BY id",
    "anomalies": "SELECT anomaly_id, source_id, severity, description, residual, resolved FROM anomalies ORDER BY anomaly_id",
    "candidates": "SELECT dimension_name, description, score, category FROM residual_candidates ORDER BY id",
    "patterns": "SELECT pattern_id, category, name, confidence, frequency, source_judgments, tags, fisher_importance, "
    "consolidation_locked, locked_at FROM patterns ORDER BY pattern_id",
    "evolution": "SELECT pattern_type, pattern_key, occurrence_count, confidence, strength, trend_direction, trend_velocity, "
    "first_seen, last_seen, merged_at IS NULL, cardinality(parent_ids) FROM pattern_evolution ORDER BY 1, 2",
    "shared": "SELECT patterns, weights, pattern_count FROM shared_memory_patterns",
    "pattern_locks": "SELECT service_id, fisher_entries, avg_fisher FROM ewc_consolidation_history ORDER BY id",
    "maturity": "SELECT loop_name, maturity, data_coverage, convergence, accuracy, adaptability FROM learning_maturity ORDER BY id",
    "metrics": "SELECT metric_type, value FROM judgment_metrics ORDER BY id",
    "pairs": "SELECT chosen, rejected, context_type, cardinality(feedback_ids), confidence, processed FROM preference_pairs "
    "ORDER BY chosen ->> 'judgmentId', chosen ->> 'dog', rejected ->> 'judgmentId', rejected ->> 'dog'",
    "routing": "SELECT context_type, dog_name, weight, confidence, episode_count, positive_count, negative_count, fisher_score "
    "FROM routing_weights ORDER BY 1, 2",
    "optimizer": "SELECT epoch, total_pairs_processed, last_loss, best_loss FROM dpo_optimizer_state",
    "calibrations": "SELECT dimension_weights, detected_biases, total_calibrations FROM learning_state",
    "people": "SELECT u.username, d.sums, p.preferred_dimensions, p.feedback_bias, p.learning_rate FROM ops_user_dimensions AS d "
    "JOIN users AS u ON u.id = d.user_id JOIN user_learning_profiles AS p ON p.user_id = d.user_id ORDER BY 1",
    "frictions": "SELECT friction_type, severity, resolved FROM frictions ORDER BY id",
    "lessons": "SELECT lesson_id, lesson, impact_score FROM lessons_learned ORDER BY 1",
    "surprises": "SELECT reasoning, final_output FROM reasoning_trajectories ORDER BY final_output, reasoning",
    "habits": "SELECT session_id, pattern_type, pattern_data - 'cycleId' FROM session_patterns ORDER BY 1, 2",
    "exploration": "SELECT exploration_rate FROM qlearning_state",
    "spreads": "SELECT distribution_type, parameters - 'cycleId' FROM distribution_snapshots ORDER BY id",
}


def one(conn: psycopg.Connection, query: LiteralString, *parameters: object) -> Any:
    row = conn.execute(query, parameters or None).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def learned(conn: psycopg.Connection) -> dict[str, Any]:
    """Everything that learning writes, times and identifiers apart."""
    return {name: conn.execute(query).fetchall() for name, query in STATE.items()}


def history(judge: Judge, say: Say) -> None:
    """Answers of three people to judgments of three kinds; some change their mind, some twice."""
    outcomes = ("correct", "incorrect", "partial")
    for number in range(12):
        context = (None, "review", "code")[number % 3]
        judged = judge(
            judgment_id=f"j{number:02}", item_type="code", context_type=context, votes=VOTES
        )
        for person in ("ada", "bob")[: 1 + number % 2]:
            say(judged.judgment_id, outcomes[number % 3], user=person)
        if number % 4 == 1:
            say(judged.judgment_id, outcomes[(number + 1) % 3], user="ada")
        if number % 4 == 2:
            say(judged.judgment_id, outcomes[(number + 1) % 3], user="ada")
            say(judged.judgment_id, outcomes[(number + 2) % 3], user="ada")


def test_an_answer_moves_the_four_loops_and_leaves_its_rows(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    judged = judge(context_type="review", task_type="merge", votes=VOTES)
    given = say(judged.judgment_id, "correct")
    done = learn.run(conn, edge)
    assert done.document() == {
        "taken": 1,
        "learned": 1,
        "corrected": 0,
        "skipped": 0,
        "refused": 0,
        "waiting": 0,
        "q_updates": 3,
        "cycles": 1,
        "consolidations": 0,
        "changes": {"calibration": 1, "dog-votes": 1, "dpo": 1, "q-learning": 1, "thompson": 1},
        "busy": False,
    }
    state = state_key("review", "merge", "code")
    assert one(conn, "SELECT q_table -> 'table' FROM qlearning_state") == {
        state: {"Guardian": 1, "Sage": 1, "Scout": pytest.approx(2 / 3)}
    }
    assert one(
        conn, "SELECT weights FROM loop_persistence_state WHERE loop_name = 'dog-votes'"
    ) == {
        "Guardian": {"right": 1, "wrong": 0},
        "Sage": {"right": 1, "wrong": 0},
        "Scout": {"right": 0, "wrong": 1},
    }
    assert one(
        conn, "SELECT state_type, weights FROM loop_persistence_state WHERE loop_name = 'thompson'"
    ) == (
        "review",
        {
            "Guardian": {"alpha": 2, "beta": 1},
            "Sage": {"alpha": 2, "beta": 1},
            "Scout": {"alpha": 1, "beta": 2},
        },
    )
    assert one(
        conn,
        "SELECT state_type, weights FROM loop_persistence_state WHERE loop_name = 'calibration'",
    ) == ("review", {"pass": {"right": 1, "wrong": 0}})
    assert one(conn, "SELECT features, task_type, reward, episode_id FROM qlearning_episodes") == (
        ["context:review", "task:merge", "item:code"],
        "merge",
        1,
        f"feedback:{given.feedback_id}",
    )
    assert one(conn, "SELECT count(*), count(DISTINCT loop_type) FROM learning_events") == (5, 5)
    tasks = conn.execute(
        "SELECT task_name, task_type, status, success_count FROM background_tasks ORDER BY 1"
    )
    assert tasks.fetchall() == [
        ("cycle", "learning", "completed", 0),
        ("learn", "learning", "completed", 1),
    ]
    assert one(conn, "SELECT applied, learned_as FROM feedback") == (True, 1)
    assert learn.run(conn, edge).taken == 0
    assert one(conn, "SELECT count(*) FROM background_tasks") == 2


def test_partial_is_half_a_success_and_no_count(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    say(judge(votes=VOTES).judgment_id, "partial")
    learn.run(conn, edge)
    assert one(conn, "SELECT array_agg(DISTINCT reward) FROM td_error_tracker") == [0.5]
    loops = dict(conn.execute("SELECT loop_name, weights FROM loop_persistence_state"))
    assert {name: weights for name, weights in loops.items() if name in PER_ANSWER} == {
        "thompson": {dog: {"alpha": 1.5, "beta": 1.5} for dog in ("Guardian", "Sage", "Scout")}
    }


def test_a_former_answer_is_taken_back_exactly(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    history(judge, say)
    learn.run(conn, edge)
    folded = learned(conn)
    # The same answers without those that were superseded, from nothing.
    conn.execute("RESET ROLE")
    conn.execute("UPDATE qlearning_state SET q_table = DEFAULT, stats = DEFAULT")
    conn.execute("DELETE FROM td_error_tracker")
    conn.execute("DELETE FROM loop_persistence_state")
    conn.execute("DELETE FROM qlearning_episodes")
    conn.execute("DELETE FROM qlearning_tasks")
    conn.execute("DELETE FROM qlearning_fisher_gradients")
    conn.execute("DELETE FROM forgetting_judgments")
    conn.execute("DELETE FROM learning_cycles")
    conn.execute("UPDATE feedback SET applied = false, learned_as = NULL")
    conn.execute("UPDATE unified_signals SET metadata = '{}'")
    conn.execute(
        "INSERT INTO ops_learning_queue (signal_id) SELECT 'feedback:' || f.id FROM feedback AS f "
        "WHERE f.superseded_at IS NULL ORDER BY f.created_at"
    )
    conn.execute("SET ROLE cynic_app")
    learn.run(conn, edge)
    plain = learned(conn)
    weights = [
        [row[:3] for row in found["loops"] if row[0] in PER_ANSWER] for found in (folded, plain)
    ]
    assert weights[0] == weights[1]
    assert folded["episodes"] == plain["episodes"]
    assert folded["tasks"] == plain["tasks"]
    assert sorted(folded["forgetting"]) == sorted(plain["forgetting"])
    assert folded["applied"] == plain["applied"]
    q = [found["q_table"][0][0] for found in (folded, plain)]
    assert q[0]["visits"] == q[1]["visits"]
    for state, row in q[1]["table"].items():
        assert q[0]["table"][state] == pytest.approx(row, abs=1e-12)
    assert one(conn, "SELECT bool_and(applied = (superseded_at IS NULL)) FROM feedback") is True


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_dying_anywhere_and_going_on_is_as_if_nothing_had_happened(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    fresh_database: str,
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
) -> None:
    monkeypatch.setattr(cycle, "ANSWERS", 5)
    history(judge, say)
    with conn.transaction(force_rollback=True):
        learn.run(conn, edge, limit=1000)
        wanted = learned(conn)
    live_on(fresh_database, lambda mortal: learn.run(mortal, edge, limit=limit))
    found = learned(conn)
    assert found.pop("queue") == [(0,)]
    wanted.pop("queue")
    assert found == wanted


def test_many_writers_and_several_learners_lose_nothing_and_take_nothing_twice(
    conn: psycopg.Connection, edge: Edge, judge: Judge, fresh_database: str
) -> None:
    judged = [judge(votes=VOTES).judgment_id for _ in range(10)]
    writing = threading.Event()
    writing.set()
    taken: list[int] = []

    def write(person: str) -> None:
        with psycopg.connect(fresh_database, autocommit=True) as mine:
            mine.execute("SET ROLE cynic_app")
            for outcome in ("correct", "incorrect", "correct"):
                given = submission.read_feedback({"outcome": outcome, "user": person})
                for judgment_id in judged:
                    feedback.answer(mine, judgment_id, given, edge)

    def read() -> None:
        with psycopg.connect(fresh_database, autocommit=True) as mine:
            mine.execute("SET ROLE cynic_app")
            while writing.is_set():
                taken.append(learn.learn(mine, edge, limit=3).taken)

    writers = [threading.Thread(target=write, args=[f"person {n}"]) for n in range(4)]
    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in (*writers, *readers):
        thread.start()
    for thread in writers:
        thread.join()
    writing.clear()
    for thread in readers:
        thread.join()
    assert sum(taken) + learn.run(conn, edge).taken == 4 * 3 * 10
    assert one(
        conn, "SELECT weights FROM loop_persistence_state WHERE loop_name = 'calibration'"
    ) == {"pass": {"right": 40, "wrong": 0}}
    visits = one(conn, "SELECT q_table -> 'visits' FROM qlearning_state")
    assert list(visits.values()) == [{"Guardian": 40, "Sage": 40, "Scout": 40}]
    assert one(conn, "SELECT count(*) FROM qlearning_episodes") == 40


def test_an_earlier_writer_that_commits_later_is_waited_for(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    fresh_database: str,
) -> None:
    first, second = judge().judgment_id, judge().judgment_id
    given = submission.read_feedback({"outcome": "correct"})
    with psycopg.connect(fresh_database) as slow:
        slow.execute("SET ROLE cynic_app")
        feedback.answer(slow, first, given, edge)
        say(second, "incorrect")
        assert learn.run(conn, edge).taken == 0
        slow.commit()
    assert learn.run(conn, edge).taken == 2
    order = conn.execute("SELECT judgment_id FROM feedback ORDER BY learned_as")
    assert [row[0] for row in order] == [first, second]


def test_rows_from_another_cluster_are_taken(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    judged = judge().judgment_id
    say(judged, "correct")
    conn.execute("UPDATE ops_learning_queue SET written_by = '99999999999'")
    say(judged, "incorrect")
    assert learn.run(conn, edge).corrected == 1
    assert one(
        conn, "SELECT weights FROM loop_persistence_state WHERE loop_name = 'calibration'"
    ) == {"pass": {"right": 0, "wrong": 1}}


def test_the_live_table_is_the_fold_at_every_commit(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    assert one(conn, "SELECT get_live_q_table('nobody')") is None
    assert one(conn, "SELECT get_live_q_table() -> 'table'") == {}
    history(judge, say)
    journal = Counter[int]()
    while learn.learn(conn, edge, limit=2).taken:
        live = one(conn, "SELECT get_live_q_table()")
        rows = conn.execute(
            "SELECT state, action, current_q, reward FROM td_error_tracker ORDER BY id"
        )
        table = qlearning.QTable(dogs=DOGS)
        for state, dog, value, reward in rows:
            table.values.setdefault(state, {})[dog] = value
            visits = table.visits.setdefault(state, {})
            visits[dog] = visits.get(dog, 0) + (reward is not None)
        assert live["table"] == table.values
        assert live["visits"] == table.visits
        assert live["stats"]["states"] == len(table.values)
        assert live["stats"]["updates"] == sum(sum(row.values()) for row in table.visits.values())
        unfolded = one(conn, "SELECT (stats ->> 'unfolded')::int FROM qlearning_state")
        journal[unfolded] += 1
        if len(journal) == 4:
            assert learn.fold_table(conn, edge)
            column = one(conn, "SELECT q_table FROM qlearning_state")
            column["stats"].pop("folded_at")
            live["stats"].pop("folded_at", None)
            assert column == live
    assert len(journal) > 4, "some of the journal was not folded"


def test_the_snapshot_is_folded_after_five_seconds_and_five_thousand_updates(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unfolded() -> int:
        return one(conn, "SELECT (stats ->> 'unfolded')::int FROM qlearning_state")

    say(judge().judgment_id, "correct")
    learn.tend(conn, edge)
    assert unfolded() == 1
    clock.move(seconds=4)
    learn.tend(conn, edge)
    assert unfolded() == 1
    clock.move(seconds=1)
    learn.tend(conn, edge)
    assert unfolded() == 0
    monkeypatch.setattr(learn, "FOLD_UPDATES", 2)
    for expected in (1, 0):
        say(judge().judgment_id, "correct")
        learn.tend(conn, edge)
        assert unfolded() == expected


def test_while_another_learner_is_at_it_a_pass_does_nothing_and_a_run_waits(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    fresh_database: str,
) -> None:
    say(judge().judgment_id, "correct")
    with psycopg.connect(fresh_database, autocommit=True) as other:
        other.execute("SET ROLE cynic_app")
        runs: list[learn.Pass] = []
        thread = threading.Thread(target=lambda: runs.append(learn.run(other, edge)))
        with conn.transaction(force_rollback=True):
            assert learn.learn(conn, edge).learned == 1
            mine = learn.learn(other, edge)
            assert (mine.busy, mine.taken) == (True, 0)
            assert not learn.fold_table(other, edge)
            thread.start()
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while one(conn, waiting) == 0:
                pass
        thread.join()
    assert [done.learned for done in runs] == [1]


def test_down_and_up_again_learns_the_same_anew(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    history(judge, say)
    learn.run(conn, edge)
    before = learned(conn)
    conn.execute("RESET ROLE")
    migrator = Migrator(conn)
    migrator.down("049")
    assert one(conn, "SELECT count(*) FROM loop_persistence_state") == 0
    migrator.up()
    migrator.grant()
    conn.execute("SET ROLE cynic_app")
    learn.run(conn, edge)
    after = learned(conn)
    # Without task types, which are lost, states are the same here: these judgments have none.
    history_of_it = (
        "log",
        "cycles",
        "maturity",
        "metrics",
        "spreads",
        "evolution",
        "shared",
        "patterns",
    )
    assert {k: v for k, v in after.items() if k not in history_of_it} == {
        k: v for k, v in before.items() if k not in history_of_it
    }


def test_retention_leaves_the_queue_and_the_journal_whole(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    say(judge().judgment_id, "correct")
    conn.execute("RESET ROLE")
    # The clock of these tests stands in the past, more than a day from now.
    assert one(conn, "SELECT cleanup_unified_signals(1)") == 1, "the signal of the judgment"
    learn.learn(conn, edge)
    assert one(conn, "SELECT cleanup_td_errors(1)") == 0
    learn.fold_table(conn, edge)
    assert one(conn, "SELECT cleanup_td_errors(1), cleanup_unified_signals(1)") == (1, 1)
    assert one(conn, "SELECT count(*) FROM jsonb_object_keys(get_live_q_table() -> 'table')") == 1


def test_what_cannot_be_learned_from_is_skipped_and_counted(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    say(judge().judgment_id, "correct", user="ada")
    conn.execute("SELECT erase_user((SELECT id FROM users))")
    for name in ("feedback:nonsense", f"feedback:{ids.new_uuid()}", "x"):
        conn.execute(
            "INSERT INTO unified_signals (id, source, learning) VALUES (%s, 'user_feedback', '{\"reward\": \"NaN\"}')",
            [name],
        )
    done = learn.run(conn, edge)
    assert (done.taken, done.learned, done.skipped) == (4, 0, 4)
    assert one(conn, "SELECT success_count, error_count FROM background_tasks") == (0, 4)
    assert one(conn, "SELECT count(*) FROM loop_persistence_state") == 0
    assert one(conn, "SELECT get_live_q_table() -> 'table'") == {}


def test_what_an_erased_person_taught_stays_and_names_nobody(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    judged = judge().judgment_id
    say(judged, "correct", user="ada")
    learn.run(conn, edge)
    conn.execute("SELECT erase_user((SELECT id FROM users))")
    say(judged, "incorrect", user="ada")
    assert learn.run(conn, edge).corrected == 0
    assert one(
        conn, "SELECT weights FROM loop_persistence_state WHERE loop_name = 'calibration'"
    ) == {"pass": {"right": 1, "wrong": 1}}
