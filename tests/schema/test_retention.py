"""Every retention rule: old rows go, newer and unfinished ones stay, in batches, and nonsense is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import errors, sql

from cynic.db import retention

if TYPE_CHECKING:
    from collections.abc import Sequence

# Rule -> (rows that go, rows that stay): statements in which :old is just over the interval and :new just under.
OLD, NEW = (
    "now() - make_interval(days => {0}) - interval '1 minute'",
    "now() - make_interval(days => {0}) + interval '1 minute'",
)
CASES: dict[str, tuple[int, str, Sequence[str]]] = {
    "cleanup_traces": (
        7,
        "INSERT INTO traces (trace_id, operation, started_at) VALUES (new_uuid()::text, 'x', {at})",
        (),
    ),
    "cleanup_unified_signals": (
        30,
        "INSERT INTO unified_signals (id, source, timestamp) VALUES (new_uuid()::text, 'judgment', {at})",
        (
            "INSERT INTO unified_signals (id, source, timestamp) VALUES ('queued', 'user_feedback', {at})",
        ),
    ),
    "cleanup_llm_usage": (
        30,
        "INSERT INTO llm_usage (adapter, model, created_at) VALUES ('a', 'm', {at})",
        (),
    ),
    "cleanup_tool_usage": (
        30,
        "INSERT INTO tool_usage (tool_name, status, used_at) VALUES ('t', 'ok', {at})",
        (),
    ),
    "cleanup_log_records": (
        7,
        "INSERT INTO ops_log_records (digest, occurred_at) VALUES (decode(md5(new_uuid()::text), 'hex'), {at})",
        (),
    ),
    "cleanup_dead_letters": (
        30,
        (
            "INSERT INTO ops_dead_letters (digest, signal, encoding, content, reason, detail, received_at)"
            " VALUES (decode(md5(new_uuid()::text), 'hex'), 'traces', 'json', '', 'nul', '', {at})"
        ),
        (),
    ),
    "cleanup_telemetry_snapshots": (
        30,
        "INSERT INTO telemetry_snapshots (snapshot_type, captured_at) VALUES ('x', {at})",
        (),
    ),
    "cleanup_judgment_metrics": (
        30,
        "INSERT INTO judgment_metrics (metric_type, value, measured_at) VALUES ('x', 1, {at})",
        (),
    ),
    "cleanup_distribution_snapshots": (
        30,
        "INSERT INTO distribution_snapshots (distribution_type, captured_at) VALUES ('x', {at})",
        (),
    ),
    "cleanup_session_patterns": (
        30,
        "INSERT INTO session_patterns (session_id, pattern_type, detected_at) VALUES ('s', 'CYCLE', {at})",
        (),
    ),
    "cleanup_dog_events": (
        30,
        "INSERT INTO dog_events (event_type, dog_name, created_at) VALUES ('DOG_VOTED', 'Sage', {at})",
        (),
    ),
    "cleanup_dog_signals": (
        30,
        "INSERT INTO dog_signals (dog_name, signal_type, emitted_at) VALUES ('Sage', 'DOG_BUSY', {at})",
        (),
    ),
    "cleanup_collective_snapshots": (
        30,
        "INSERT INTO collective_snapshots (snapshot_at) VALUES ({at})",
        (),
    ),
    "cleanup_consensus_votes": (
        90,
        "INSERT INTO consensus_votes (judgment_id, dog_name, vote_score, vote_type, created_at) VALUES ('j', 'Sage', 0.5, 'WAG', {at})",
        (),
    ),
    "cleanup_old_learning_events": (
        90,
        "INSERT INTO learning_events (loop_type, event_type, timestamp) VALUES ('dpo', 'update', {at})",
        (),
    ),
    "cleanup_brier_predictions": (
        90,
        "INSERT INTO brier_predictions (predicted, actual, timestamp) VALUES (0.1, 1, {at})",
        (),
    ),
    "cleanup_td_errors": (
        30,
        "INSERT INTO td_error_tracker (state, action, td_error, created_at) VALUES ('s', 'a', 0, {at})",
        (
            "INSERT INTO td_error_tracker (state, action, td_error, current_q, created_at) VALUES ('not folded', 'a', 0, 1, {at})",
        ),
    ),
    "cleanup_forgetting_judgments": (
        90,
        "INSERT INTO forgetting_judgments (task_type, judgment_id, accuracy, created_at) VALUES ('t', 'j', 1, {at})",
        (),
    ),
    "cleanup_trigger_executions": (
        30,
        "INSERT INTO trigger_executions (trigger_id, status, executed_at) VALUES ('t', 'success', {at})",
        (),
    ),
    "cleanup_orchestration_logs": (
        30,
        "INSERT INTO orchestration_log (event_type, logged_at) VALUES ('x', {at})",
        (),
    ),
    "cleanup_trigger_events": (
        30,
        "INSERT INTO trigger_events (event_type, triggered_at, processed_at) VALUES ('x', {at}, now())",
        ("INSERT INTO trigger_events (event_type, triggered_at) VALUES ('unprocessed', {at})",),
    ),
    "cleanup_notifications": (
        30,
        "INSERT INTO proactive_notifications (notification_type, message, read, created_at) VALUES ('x', 'm', true, {at})",
        (
            "INSERT INTO proactive_notifications (notification_type, message, created_at) VALUES ('unread', 'm', {at})",
        ),
    ),
    "cleanup_frictions": (
        90,
        "INSERT INTO frictions (friction_type, description, severity, resolved, detected_at) VALUES ('x', 'd', 0.1, true, {at})",
        (
            "INSERT INTO frictions (friction_type, description, severity, detected_at) VALUES ('unresolved', 'd', 0.1, {at})",
        ),
    ),
    "cleanup_budget_alerts": (
        30,
        "INSERT INTO budget_alerts (alert_type, severity, message, budget_consumed_usd, budget_level, acknowledged, timestamp) VALUES ('critical', 'critical', 'm', 1, 'critical', true, {at})",
        (
            "INSERT INTO budget_alerts (alert_type, severity, message, budget_consumed_usd, budget_level, timestamp) VALUES ('critical', 'critical', 'unseen', 1, 'critical', {at})",
        ),
    ),
    "cleanup_budget_reservations": (
        30,
        "INSERT INTO ops_budget_reservations (reservation_id, state, decision, estimated_usd, provider, model, asked_provider, asked_model, expires_at, created_at) VALUES (gen_random_uuid(), 'settled', 'allow', 1, 'p', 'm', 'p', 'm', now(), {at})",
        (
            "INSERT INTO ops_budget_reservations (reservation_id, state, decision, estimated_usd, provider, model, asked_provider, asked_model, expires_at, created_at) VALUES (gen_random_uuid(), 'held', 'allow', 1, 'p', 'm', 'p', 'm', now(), {at})",
        ),
    ),
    "cleanup_budget_minutes": (
        30,
        "INSERT INTO ops_budget_minutes (minute) SELECT {at} - count(*) * interval '1 microsecond' FROM ops_budget_minutes",
        (),
    ),
    "cleanup_forgetting_alerts": (
        90,
        "INSERT INTO forgetting_alerts (alert_type, catastrophic_count, catastrophic_tasks, average_bwt, acknowledged, created_at) VALUES ('x', 1, '[]', -0.2, true, {at})",
        (
            "INSERT INTO forgetting_alerts (alert_type, catastrophic_count, catastrophic_tasks, average_bwt, created_at) VALUES ('unseen', 1, '[]', -0.2, {at})",
        ),
    ),
    "cleanup_residual_anomalies": (
        90,
        "INSERT INTO residual_anomalies (source_type, residual, acknowledged, detected_at) VALUES ('x', 0.1, true, {at})",
        (
            "INSERT INTO residual_anomalies (source_type, residual, detected_at) VALUES ('unseen', 0.1, {at})",
        ),
    ),
    "cleanup_preference_pairs": (
        90,
        "INSERT INTO preference_pairs (chosen, rejected, processed, created_at) VALUES ('{{}}', '{{}}', true, {at})",
        (
            "INSERT INTO preference_pairs (chosen, rejected, created_at) VALUES ('{{}}', '{{}}', {at})",
        ),
    ),
    "cleanup_calibration_data": (
        90,
        "INSERT INTO calibration_tracking (predicted_outcome, actual_outcome, predicted_confidence, created_at) VALUES ('a', 'a', 0.1, {at})",
        (
            "INSERT INTO calibration_tracking (predicted_outcome, predicted_confidence, created_at) VALUES ('open', 0.1, {at})",
        ),
    ),
    "cleanup_autonomous_tasks": (
        30,
        "INSERT INTO autonomous_tasks (task_id, description, status, completed_at) VALUES (new_uuid()::text, 'd', 'failed', {at})",
        (
            "INSERT INTO autonomous_tasks (task_id, description, created_at) VALUES (new_uuid()::text, 'pending', {at})",
            "WITH t AS (INSERT INTO autonomous_tasks (task_id, description, status, completed_at) VALUES ('logged', 'd', 'completed', {at}) RETURNING task_id) SELECT 1 FROM t",
        ),
    ),
    "cleanup_x_tweets": (
        162,
        "INSERT INTO x_tweets (tweet_id, x_user_id, text, relevance_score, posted_at) VALUES (new_uuid()::text, '1', 't', 0.381, {at})",
        (
            "INSERT INTO x_tweets (tweet_id, x_user_id, text, relevance_score, posted_at) VALUES (new_uuid()::text, '1', 't', 0.382, {at})",
        ),
    ),
}
# Rules of their own shape, each with a test below.
OTHERS = {
    "cleanup_expired_sessions",
    "cleanup_library_cache",
    "cleanup_escore_history",
    "cleanup_qlearning_episodes",
    "cleanup_consciousness_metrics",
    "cleanup_old_metrics",
    "cleanup_old_crash_data",
}


def run(db: psycopg.Connection, statement: str, **values: Any) -> Any:
    row = db.execute(statement.encode(), values).fetchone()
    assert row is not None
    return row if len(row) > 1 else row[0]


def test_every_rule_is_tested_here(db: psycopg.Connection) -> None:
    names = {
        row[0] for row in db.execute("SELECT proname FROM pg_proc WHERE proname LIKE 'cleanup\\_%'")
    }
    assert names == CASES.keys() | OTHERS


@pytest.mark.parametrize("rule", CASES)
def test_a_rule(db: psycopg.Connection, rule: str) -> None:
    days, row, unfinished = CASES[rule]
    db.execute("INSERT INTO x_users (x_user_id, username) VALUES ('1', 'ada')")
    for _ in range(5):
        db.execute(row.format(at=OLD.format(days)).encode())
    db.execute(row.format(at=NEW.format(days)).encode())
    for statement in unfinished:
        db.execute(statement.format(at=OLD.format(days)).encode())
    if rule == "cleanup_autonomous_tasks":
        db.execute("INSERT INTO orchestration_log (task_id, event_type) VALUES ('logged', 'x')")
    call = sql.SQL("SELECT {}(p_batch => %(batch)s)").format(sql.Identifier(rule))
    counts = [db.execute(call, {"batch": 2}).fetchone() for _ in range(4)]
    assert counts == [(2,), (2,), (1,), (0,)]
    with_days = sql.SQL("SELECT {}(1)").format(sql.Identifier(rule))
    assert db.execute(with_days).fetchone() == (1,), "the newer row goes under a shorter interval"


@pytest.mark.parametrize("rule", sorted(set(CASES) | OTHERS))
@pytest.mark.parametrize("value", [0, -1, None])
def test_nonsense_is_refused(db: psycopg.Connection, rule: str, value: int | None) -> None:
    names = run(db, "SELECT proargnames, 1 FROM pg_proc WHERE proname = %(rule)s", rule=rule)[0]
    for name in {"p_days", "p_batch", "p_keep"} & set(names):
        call = sql.SQL("SELECT * FROM {}({} => %s::integer)").format(
            sql.Identifier(rule), sql.Identifier(name)
        )
        with pytest.raises(errors.InvalidParameterValue), db.transaction():
            db.execute(call, [value])


def test_a_post_is_marked_and_not_removed(db: psycopg.Connection) -> None:
    db.execute("INSERT INTO x_users (x_user_id, username) VALUES ('1', 'ada')")
    db.execute(
        "INSERT INTO x_tweets (tweet_id, x_user_id, text, posted_at) VALUES ('t', '1', 't', now() - interval '163 days')"
    )
    assert run(db, "SELECT cleanup_x_tweets()") == 1
    assert run(db, "SELECT deleted, deleted_at = now() FROM x_tweets") == (True, True)


def test_spans_go_with_their_trace(db: psycopg.Connection) -> None:
    db.execute(
        "INSERT INTO traces (trace_id, operation, started_at) VALUES ('t', 'x', now() - interval '8 days')"
    )
    db.execute("INSERT INTO spans (trace_id, span_id, operation) VALUES ('t', 's', 'x')")
    assert run(db, "SELECT cleanup_traces()") == 1
    assert run(db, "SELECT count(*) FROM spans") == 0


def test_sessions_and_cache_go_at_their_own_expiry(db: psycopg.Connection) -> None:
    db.execute(
        "INSERT INTO sessions (session_id, expires_at) VALUES ('a', now() - interval '1 s'), ('b', now() + interval '1 s')"
    )
    db.execute("INSERT INTO sessions (session_id) VALUES ('c')")
    assert (
        run(
            db,
            "SELECT expires_at - now() = interval '61803 s' FROM sessions WHERE session_id = 'c'",
        )
        is True
    )
    for number, record in enumerate(
        (
            "session_state (session_id) VALUES",
            "tool_usage (tool_name, status, session_id) VALUES ('Read', 'ok',",
            "llm_usage (adapter, model, session_id) VALUES ('anthropic', 'm',",
        )
    ):
        # Of these something is still recorded: they outlive their expiry.
        db.execute(
            f"INSERT INTO sessions (session_id, expires_at) VALUES ('r{number}', now() - interval '9 d')".encode()
        )
        opening = "" if record.endswith(",") else " ("
        db.execute(f"INSERT INTO {record}{opening}'r{number}')".encode())
    assert run(db, "SELECT cleanup_expired_sessions()") == 1
    db.execute(
        "INSERT INTO library_cache (library_id, query_hash, content, expires_at) VALUES ('l', 'h', 'c', now() - interval '1 s')"
    )
    assert run(db, "SELECT cleanup_library_cache()") == 1


def test_the_newest_episodes_of_each_service_stay(db: psycopg.Connection) -> None:
    db.execute(
        "INSERT INTO qlearning_episodes (episode_id, service_id, created_at) "
        "SELECT s || n, s, now() - make_interval(secs => n) FROM generate_series(1, 20) AS n, unnest(ARRAY['a', 'b']) AS s"
    )
    assert run(db, "SELECT cleanup_qlearning_episodes('a', 15)") == 5
    assert run(db, "SELECT cleanup_qlearning_episodes(NULL, 15)") == 5
    assert run(db, "SELECT count(*) FROM qlearning_episodes WHERE episode_id IN ('a1', 'b15')") == 2


def test_snapshots_of_the_score_thin_out(db: psycopg.Connection) -> None:
    user = run(db, "INSERT INTO users (username) VALUES ('ada') RETURNING id")
    db.execute(
        "INSERT INTO escore_history (user_id, e_score, recorded_at) "
        "SELECT %s, 1, now() - make_interval(hours => n * 6) FROM generate_series(0, 4 * 400) AS n",
        [user],
    )
    while run(db, "SELECT cleanup_escore_history(100)") == 100:
        pass
    row = run(
        db,
        "SELECT count(*) FILTER (WHERE recorded_at >= now() - interval '24 hours'), "
        "max(day) FILTER (WHERE recorded_at < now() - interval '24 hours'), "
        "max(week) FILTER (WHERE recorded_at < now() - interval '38 days'), min(recorded_at) >= now() - interval '1 year', count(*) "
        "FROM (SELECT recorded_at, count(*) OVER (PARTITION BY date_trunc('day', recorded_at, 'UTC')) AS day, "
        "count(*) OVER (PARTITION BY date_trunc('week', recorded_at, 'UTC')) AS week FROM escore_history) AS h",
    )
    assert row[0] == 5
    assert row[2] == 1
    assert row[3] is True
    assert 30 + 40 < row[4] < 100


def test_metrics_of_four_tables_and_unfinished_tasks(db: psycopg.Connection) -> None:
    for age in ("31 days", "29 days"):
        db.execute(
            "INSERT INTO watcher_heartbeats (watcher_name, status, timestamp) VALUES ('FileWatcher', 'idle', now() - %s::interval)",
            [age],
        )
        db.execute(
            "INSERT INTO routing_accuracy (router_type, event_type, timestamp) VALUES ('fast', 'x', now() - %s::interval)",
            [age],
        )
        db.execute(
            "INSERT INTO consciousness_snapshots (timestamp) VALUES (now() - %s::interval)", [age]
        )
        db.execute(
            "INSERT INTO background_tasks (task_id, task_type, task_name, status, completed_at) VALUES (%s, 'meta', 'n', 'failed', now() - %s::interval)",
            [age, age],
        )
    db.execute(
        "INSERT INTO background_tasks (task_id, task_type, task_name, status, started_at) VALUES ('r', 'meta', 'n', 'running', now() - interval '99 days')"
    )
    assert run(db, "SELECT * FROM cleanup_old_metrics()") == (1, 1, 1, 1)
    for columns, values in (
        ("cynic_distance_log (distance, state", "0, 'awake'"),
        ("thermodynamic_snapshots (heat, work, temperature, efficiency, entropy", "0, 0, 0, 0, 0"),
        ("consciousness_transitions (awareness_level, state", "0, 'AWARE'"),
    ):
        rows = f"({values}, now() - interval '31 days'), ({values}, now())"
        db.execute(f"INSERT INTO {columns}, timestamp) VALUES {rows}".encode())
    assert run(db, "SELECT * FROM cleanup_consciousness_metrics()") == (1, 1, 1)


def test_a_crash_without_recovery_and_a_pipeline_under_way_stay(db: psycopg.Connection) -> None:
    db.execute(
        "INSERT INTO crash_log (crash_type, recovery_success, timestamp) VALUES ('unknown', true, now() - interval '181 days'), "
        "('unknown', NULL, now() - interval '181 days'), ('unknown', false, now())"
    )
    db.execute(
        "INSERT INTO session_state (session_id, timestamp) VALUES ('s', now() - interval '181 days')"
    )
    db.execute(
        "INSERT INTO dog_pipeline_state (judgment_id, pending_dogs, timestamp) VALUES ('a', '{Sage}', now() - interval '181 days'), ('b', '{}', now() - interval '181 days')"
    )
    assert run(db, "SELECT * FROM cleanup_old_crash_data()") == (1, 1, 1)


def test_a_dry_run_counts_and_keeps_and_a_run_does_what_it_said(fresh_database: str) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO unified_signals (id, source, timestamp) SELECT n::text, 'judgment', now() - interval '31 days' FROM generate_series(1, 25) AS n"
        )
        said = list(retention.run(conn, dry_run=True, batch_rows=10))
        assert conn.execute("SELECT count(*) FROM unified_signals").fetchone() == (25,)
        assert list(retention.run(conn, batch_rows=10)) == said
        assert {one.rule: one.rows for one in said if one.rows} == {"unified_signals": 25}
        assert conn.execute("SELECT count(*) FROM unified_signals").fetchone() == (0,)
