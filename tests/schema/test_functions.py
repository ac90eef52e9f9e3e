"""What the functions of the schema promise, with the faults of older ones that must not come back."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import errors

if TYPE_CHECKING:
    from uuid import UUID


def one(db: psycopg.Connection, statement: str, *parameters: object) -> Any:
    row = db.execute(statement.encode(), parameters).fetchone()
    assert row is not None
    return row if len(row) > 1 else row[0]


def new_user(db: psycopg.Connection, name: str = "ada") -> UUID:
    return one(db, "INSERT INTO users (username) VALUES (%s) RETURNING id", name)


def judge(db: psycopg.Connection, *names: str) -> None:
    for name in names:
        db.execute(
            "INSERT INTO judgments (judgment_id, item_type, item_hash, q_score, confidence, verdict, axiom_scores) "
            "VALUES (%s, 'code', 'h', 50, 0.3, 'WAG', '{}')",
            [name],
        )


def test_new_uuid_is_version_7_and_ordered_by_time(db: psycopg.Connection) -> None:
    ids = [row[0] for row in db.execute("SELECT new_uuid() FROM generate_series(1, 200)")]
    assert {i.version for i in ids} == {7}
    assert {i.variant for i in ids} == {"specified in RFC 4122"}
    assert len(set(ids)) == 200
    milliseconds = [i.int >> 80 for i in ids]
    assert milliseconds == sorted(milliseconds)
    now = one(db, "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
    assert 0 <= now - milliseconds[-1] < 60_000


class TestNothingMeasured:
    """No data gives NULL or no row, never a perfect or a zero score."""

    @pytest.mark.parametrize(
        "call",
        [
            "get_brier_score('default', 30)",
            "get_routing_accuracy_24h()",
            "(SELECT avg_reward FROM get_qlearning_summary('default'))",
            "(SELECT top_features FROM get_qlearning_summary('default'))",
            "(SELECT last_loss FROM get_dpo_stats('default'))",
            "(SELECT current_accuracy FROM get_learning_velocity())",
            "(SELECT calibration_error FROM get_calibration_curve('default', 7))",
            "(SELECT trend_direction FROM get_escore_trend(new_uuid(), 7))",
        ],
    )
    def test_null(self, db: psycopg.Connection, call: str) -> None:
        assert one(db, f"SELECT {call}") is None

    def test_an_unknown_service_has_no_row(self, db: psycopg.Connection) -> None:
        assert db.execute("SELECT * FROM get_qlearning_summary('nowhere')").fetchall() == []
        assert db.execute("SELECT * FROM get_dpo_stats('nowhere')").fetchall() == []


class TestBudget:
    def test_the_row_computes_what_follows_from_limit_and_consumption(
        self, db: psycopg.Connection
    ) -> None:
        for consumed, level, breaker in [
            ("0", "abundant", False),
            ("61.799999999999", "abundant", False),
            ("61.8", "cautious", False),
            ("79.999999999999", "cautious", False),
            ("80", "critical", False),
            ("94.999999999999", "critical", False),
            ("95", "exhausted", True),
            ("150", "exhausted", True),
        ]:
            db.execute("UPDATE budget_state SET budget_consumed_usd = %s", [Decimal(consumed)])
            status = one(
                db, "SELECT level, circuit_breaker, remaining_usd FROM get_budget_status()"
            )
            assert status == (level, breaker, max(100 - Decimal(consumed), Decimal(0))), consumed

    def test_a_limit_of_zero_is_exhausted(self, db: psycopg.Connection) -> None:
        db.execute("SELECT reset_budget(0)")
        assert one(
            db, "SELECT level, consumed_ratio, circuit_breaker FROM get_budget_status()"
        ) == ("exhausted", None, True)

    def test_fractions_of_a_cent_add_up_exactly(self, db: psycopg.Connection) -> None:
        for _ in range(100):
            db.execute("SELECT update_budget(0.000000123456789)")
        assert one(db, "SELECT budget_consumed_usd, total_calls FROM budget_state") == (
            Decimal("0.0000123456789"),
            100,
        )
        assert one(db, "SELECT sum(cost_usd) FROM cost_ledger") == Decimal("0.0000123456789")

    @pytest.mark.parametrize("cost", ["NULL", "-0.01", "'NaN'", "'Infinity'", "'-Infinity'"])
    def test_no_cost_that_is_none(self, db: psycopg.Connection, cost: str) -> None:
        with pytest.raises(errors.InvalidParameterValue):
            db.execute(f"SELECT update_budget({cost})".encode())

    def test_alarms_are_raised_on_entering_critical_and_exhausted_and_only_then(
        self, db: psycopg.Connection
    ) -> None:
        for cost in (61.8, 1, 17.2, 1, 14, 1, 100):
            db.execute("SELECT update_budget(%s)", [Decimal(str(cost))])
        assert db.execute(
            "SELECT alert_type, severity, budget_consumed_usd FROM budget_alerts ORDER BY id"
        ).fetchall() == [
            ("critical", "critical", Decimal("80.0")),
            ("exhausted", "fatal", Decimal("95.0")),
        ]

    def test_the_budget_has_exactly_one_row(self, db: psycopg.Connection) -> None:
        for statement, error in [
            ("INSERT INTO budget_state (id) VALUES (2)", errors.CheckViolation),
            ("INSERT INTO budget_state (id) VALUES (1)", errors.UniqueViolation),
            ("DELETE FROM budget_state", errors.RestrictViolation),
            ("TRUNCATE budget_state", errors.RestrictViolation),
            ("UPDATE budget_state SET budget_level = 'abundant'", errors.GeneratedAlways),
        ]:
            with pytest.raises(error), db.transaction():
                db.execute(statement.encode())

    def test_a_reset_starts_anew_and_keeps_the_ledger(self, db: psycopg.Connection) -> None:
        db.execute("SELECT update_budget(99, 'anthropic')")
        row = one(
            db,
            "SELECT budget_limit_usd, budget_consumed_usd, total_calls, calls_anthropic, budget_level FROM reset_budget(50)",
        )
        assert row == (50, 0, 0, 0, "abundant")
        assert one(db, "SELECT count(*) FROM cost_ledger") == 1
        with pytest.raises(errors.InvalidParameterValue):
            db.execute("SELECT reset_budget(-1)")

    def test_one_call_of_a_provider_is_booked_once(self, db: psycopg.Connection) -> None:
        db.execute("SELECT update_budget(1, 'openai', p_response_id => 'r1')")
        with pytest.raises(errors.UniqueViolation), db.transaction():
            db.execute("SELECT update_budget(1, 'openai', p_response_id => 'r1')")
        assert one(db, "SELECT budget_consumed_usd FROM budget_state") == 1

    def test_concurrent_costs_are_all_booked_and_each_row_meets_the_next(
        self, fresh_database: str
    ) -> None:
        def spend(count: int) -> None:
            with psycopg.connect(fresh_database, autocommit=True) as conn:
                for _ in range(count):
                    conn.execute("SELECT update_budget(0.0123)")

        threads = [threading.Thread(target=spend, args=(50,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with psycopg.connect(fresh_database) as conn:
            assert one(conn, "SELECT budget_consumed_usd, total_calls FROM budget_state") == (
                Decimal("4.92"),
                400,
            )
            assert one(conn, "SELECT sum(cost_usd), count(*) FROM cost_ledger") == (
                Decimal("4.92"),
                400,
            )
            gaps = conn.execute(
                "SELECT count(*) FROM (SELECT budget_before, lag(budget_after) OVER (ORDER BY budget_after) AS before, "
                "budget_after - cost_usd AS own FROM cost_ledger) AS l WHERE budget_before <> own OR before <> budget_before"
            ).fetchone()
            assert gaps == (0,)


class TestScores:
    def test_brier_undoes_the_scale(self, db: psycopg.Connection) -> None:
        db.execute(
            "INSERT INTO brier_predictions (predicted, actual) VALUES (0.618, 1), (0, 0), (0.309, 1), (0.309, 0)"
        )
        assert one(db, "SELECT get_brier_score('default', 30)") == Decimal("0.125")
        assert one(db, "SELECT get_brier_score('elsewhere', 30)") is None

    def test_the_bucket_comes_from_the_confidence_whatever_the_caller_says(
        self, db: psycopg.Connection
    ) -> None:
        db.execute(
            "INSERT INTO calibration_tracking (predicted_outcome, predicted_confidence, confidence_bucket) "
            "SELECT 'correct', n * 0.0618, 3 FROM generate_series(0, 10) AS n"
        )
        found = [
            row[0]
            for row in db.execute(
                "SELECT confidence_bucket FROM calibration_tracking ORDER BY predicted_confidence"
            )
        ]
        assert found == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9]

    def test_a_calibrated_forecaster_shows_no_error(self, db: psycopg.Connection) -> None:
        db.execute(
            "INSERT INTO calibration_tracking (predicted_outcome, actual_outcome, predicted_confidence) "
            "SELECT 'correct', CASE WHEN n <= 7 THEN 'correct' ELSE 'incorrect' END, 0.618 * 0.7 FROM generate_series(1, 10) AS n"
        )
        db.execute(
            "INSERT INTO calibration_tracking (predicted_outcome, actual_outcome, predicted_confidence) "
            "VALUES ('correct', NULL, 0.1), ('correct', 'partial', 0.1)"
        )
        rows = db.execute(
            "SELECT bucket, round(predicted_rate, 6), actual_rate, sample_count, round(calibration_error, 6) FROM get_calibration_curve('default', 7)"
        ).fetchall()
        assert rows == [(7, Decimal("0.700000"), Decimal("0.7"), 10, Decimal("0.000000"))]

    def test_top_features_are_the_most_frequent_with_stable_ties(
        self, db: psycopg.Connection
    ) -> None:
        for number in range(12):
            features = [f"f{i:02}" for i in range(number + 1)]
            db.execute(
                "INSERT INTO qlearning_episodes (episode_id, features, reward) VALUES (%s, %s, %s)",
                [f"e{number}", features, number],
            )
        total, recent, mean, top = one(
            db,
            "SELECT total_episodes, recent_episodes, avg_reward, top_features FROM get_qlearning_summary('default')",
        )
        assert (total, recent, mean) == (12, 12, Decimal("5.5"))
        assert top == [f"f{i:02}" for i in range(10)]

    def test_velocity_compares_two_whole_batches(self, db: psycopg.Connection) -> None:
        db.execute(
            "INSERT INTO routing_accuracy (router_type, event_type, correct) "
            "SELECT 'fast', 'x', CASE WHEN n <= 10 THEN n <= 5 WHEN n <= 20 THEN n <= 18 END FROM generate_series(1, 25) AS n"
        )
        row = one(
            db,
            "SELECT current_batch, current_accuracy, previous_accuracy, round(improvement, 3), round(velocity_pct, 3) FROM get_learning_velocity(10)",
        )
        assert row == (2, Decimal("0.8"), Decimal("0.5"), Decimal("0.3"), Decimal(60))
        row = one(
            db,
            "SELECT round(current_accuracy * 11), previous_accuracy FROM get_learning_velocity(11)",
        )
        assert row == (8, None)


class TestFeedback:
    def test_one_current_answer_for_each_user_and_for_nobody(self, db: psycopg.Connection) -> None:
        judge(db, "j1")
        db.execute("INSERT INTO feedback (judgment_id, outcome) VALUES ('j1', 'correct')")
        with pytest.raises(errors.UniqueViolation), db.transaction():
            db.execute("INSERT INTO feedback (judgment_id, outcome) VALUES ('j1', 'incorrect')")


class TestSearch:
    @pytest.fixture(autouse=True)
    def _posts(self, db: psycopg.Connection) -> None:
        db.execute("INSERT INTO x_users (x_user_id, username) VALUES ('1', 'Ada'), ('2', 'bob')")
        db.execute(
            "INSERT INTO x_tweets (tweet_id, x_user_id, text, hashtags, likes_count, retweets_count, sentiment, posted_at, embedding) VALUES "
            "('a', '1', 'the token burns', '{fire}', 5, 6, 'positive', now() - interval '1 day', array_fill(1, ARRAY[1536])::vector), "
            "('b', '2', 'a token of love', '{}', 1, 0, NULL, now() - interval '2 days', NULL), "
            "('c', '2', 'nothing to do with it', '{}', 0, 0, 'neutral', NULL, array_fill(-1, ARRAY[1536])::vector)"
        )

    def find(self, db: psycopg.Connection, call: str) -> list[str]:
        return [
            row[0]
            for row in db.execute(f"SELECT tweet_id FROM search_x_tweets_hybrid({call})".encode())
        ]

    def test_the_call_of_the_contract_runs(self, db: psycopg.Connection) -> None:
        assert self.find(db, "'asdfasdfa token', NULL, NULL, 10, NULL, NULL, NULL, 20") == []

    @pytest.mark.parametrize(
        ("call", "found"),
        [
            ("'token'", {"a", "b"}),
            ("'token', min_engagement => 10", {"a"}),
            ("'token', min_engagement => NULL", {"a", "b"}),
            ("'token', only_username => '@ADA'", {"a"}),
            ("'token', only_sentiment => 'positive'", {"a"}),
            ("'token', since => now() - interval '36 hours'", {"a"}),
            ("'token', until => now() - interval '36 hours'", {"b"}),
            ("'fire'", {"a"}),
            ("NULL", set()),
            ("''", set()),
            ("'\"unbalanced ( & |'", set()),
        ],
    )
    def test_filters(self, db: psycopg.Connection, call: str, found: set[str]) -> None:
        assert set(self.find(db, call)) == found

    def test_by_meaning_alone_and_by_both(self, db: psycopg.Connection) -> None:
        vector = "array_fill(1, ARRAY[1536])::vector"
        assert self.find(db, f"NULL, {vector}")[0] == "a"
        rows = db.execute(
            f"SELECT tweet_id, combined_score FROM search_x_tweets_hybrid('token', {vector})".encode()
        ).fetchall()
        assert [row[0] for row in rows] == ["a", "b", "c"]
        assert all(0 <= row[1] <= 1 for row in rows)
        assert rows[0][1] >= 0.618

    def test_deleted_posts_are_not_found_and_limits_are_checked(
        self, db: psycopg.Connection
    ) -> None:
        db.execute("UPDATE x_tweets SET deleted = true WHERE tweet_id = 'a'")
        assert self.find(db, "'token'") == ["b"]
        for limit in ("0", "1001", "NULL"):
            with pytest.raises(errors.InvalidParameterValue), db.transaction():
                self.find(db, f"'token', \"limit\" => {limit}")

    def test_a_conversation_is_found_from_any_of_its_posts_even_in_a_circle(
        self, db: psycopg.Connection
    ) -> None:
        db.execute("UPDATE x_tweets SET reply_to_tweet_id = 'a' WHERE tweet_id = 'b'")
        db.execute("UPDATE x_tweets SET reply_to_tweet_id = 'b' WHERE tweet_id = 'c'")
        thread = "SELECT tweet_id, depth FROM get_tweet_thread(%s)"
        assert db.execute(thread, ["b"]).fetchall() == [("a", 0), ("b", 1), ("c", 2)]
        db.execute("UPDATE x_tweets SET reply_to_tweet_id = 'c' WHERE tweet_id = 'a'")
        assert db.execute(thread, ["b"]).fetchall() == []

    def test_facts(self, db: psycopg.Connection) -> None:
        db.execute(
            "INSERT INTO facts (fact, source, confidence) VALUES ('dogs remember smells', 'sage', 0.5)"
        )
        assert one(
            db, "SELECT fact, combined_score > 0 FROM search_facts_hybrid('remembering dog')"
        ) == ("dogs remember smells", True)


class TestTriggers:
    def test_each_changed_preference_leaves_a_row_and_an_unchanged_one_none(
        self, db: psycopg.Connection
    ) -> None:
        user = new_user(db)
        assert one(db, "SELECT set_user_preference(%s, 'verbosity', '2')", user) is True
        assert one(db, "SELECT set_user_preference(%s, 'verbosity', '2')", user) is False
        db.execute("UPDATE user_preferences SET preferences = '{\"learning\": true}'")
        db.execute("UPDATE user_preferences SET preferences = preferences")
        rows = db.execute(
            "SELECT preference_key, old_value, new_value FROM user_preference_history"
        ).fetchall()
        assert sorted(rows, key=str) == [
            ("learning", None, True),
            ("verbosity", 2, None),
            ("verbosity", None, 2),
        ]
        assert one(db, "SELECT get_user_preference(%s, 'absent', '7')", user) == 7

    def test_updated_at_moves_with_a_change_and_not_without(self, db: psycopg.Connection) -> None:
        user = new_user(db)
        db.execute("ALTER TABLE users DISABLE TRIGGER users_touch")
        db.execute("UPDATE users SET updated_at = '2020-01-01'")
        db.execute("ALTER TABLE users ENABLE TRIGGER users_touch")
        db.execute("UPDATE users SET username = username")
        assert (
            one(db, "SELECT extract(year FROM updated_at)::int FROM users WHERE id = %s", user)
            == 2020
        )
        db.execute("UPDATE users SET username = 'eve'")
        assert one(db, "SELECT updated_at = now() FROM users WHERE id = %s", user) is True

    def test_a_locked_pattern_keeps_what_it_says_and_is_still_counted(
        self, db: psycopg.Connection
    ) -> None:
        db.execute(
            "INSERT INTO patterns (pattern_id, category, name, confidence, consolidation_locked) VALUES ('p', 'c', 'n', 0.4, true)"
        )
        db.execute("UPDATE patterns SET frequency = frequency + 1")
        with pytest.raises(errors.RestrictViolation), db.transaction():
            db.execute("UPDATE patterns SET name = 'other'")

    def test_one_open_episode_of_burnout_for_each_user(self, db: psycopg.Connection) -> None:
        user = new_user(db)
        db.execute("INSERT INTO burnout_episodes (user_id, peak_burnout) VALUES (%s, 0.7)", [user])
        with pytest.raises(errors.UniqueViolation), db.transaction():
            db.execute(
                "INSERT INTO burnout_episodes (user_id, peak_burnout) VALUES (%s, 0.8)", [user]
            )


class TestQueuesAndCrashes:
    def test_two_workers_never_claim_the_same_task_and_dependencies_wait(
        self, fresh_database: str
    ) -> None:
        with psycopg.connect(fresh_database, autocommit=True) as setup:
            setup.execute(
                "INSERT INTO autonomous_tasks (task_id, description, dependencies) VALUES ('t1', 'd', '[]'), ('t2', 'd', '[]'), ('t3', 'd', '[\"t1\"]')"
            )
        with (
            psycopg.connect(fresh_database) as one_worker,
            psycopg.connect(fresh_database) as other,
        ):
            first = one_worker.execute("SELECT task_id FROM claim_autonomous_tasks(1)").fetchall()
            second = other.execute("SELECT task_id FROM claim_autonomous_tasks(5)").fetchall()
            assert (first, second) == ([("t1",)], [("t2",)])
            one_worker.execute(
                "UPDATE autonomous_tasks SET status = 'completed' WHERE task_id = 't1'"
            )
            one_worker.commit()
            assert other.execute("SELECT task_id FROM claim_autonomous_tasks(5)").fetchall() == [
                ("t3",)
            ]

    @pytest.mark.parametrize(
        ("rows", "current", "crashed"),
        [
            ([], None, False),
            ([("old", 300, False)], None, True),
            ([("old", 300, True)], None, False),
            ([("old", 60, False)], None, False),
            ([("old", 300, False), ("now", 1, False)], "now", True),
            ([("old", 300, True), ("now", 1, False)], "now", False),
        ],
    )
    def test_a_crash_is_a_silence_without_a_clean_end(
        self,
        db: psycopg.Connection,
        rows: list[tuple[str, int, bool]],
        current: str | None,
        crashed: bool,
    ) -> None:
        for session, seconds, clean in rows:
            db.execute(
                "INSERT INTO session_state (session_id, timestamp, clean_shutdown) VALUES (%s, now() - make_interval(secs => %s), %s)",
                [session, seconds, clean],
            )
        assert one(db, "SELECT check_crash_detected(%s)", current) is crashed

    def test_learning_events_are_recorded_and_bounded(self, db: psycopg.Connection) -> None:
        assert one(db, "SELECT record_learning_event('dpo', 'update', NULL, -1)") > 0
        with pytest.raises(errors.CheckViolation, match="feedback_value"), db.transaction():
            db.execute("SELECT record_learning_event('dpo', 'update', NULL, 1.01)")

    def test_active_watchers_are_distinct_recent_and_active(self, db: psycopg.Connection) -> None:
        db.execute(
            "INSERT INTO watcher_heartbeats (watcher_name, status, timestamp) VALUES ('FileWatcher', 'active', now()), "
            "('FileWatcher', 'active', now()), ('MarketWatcher', 'error', now()), ('SolanaWatcher', 'active', now() - interval '6 minutes')"
        )
        assert one(db, "SELECT get_active_watchers_count()") == 1


def test_week_one_counts_where_things_happen(db: psycopg.Connection) -> None:
    db.execute(
        "INSERT INTO watcher_heartbeats (watcher_name, status) VALUES ('FileWatcher', 'idle'), ('SolanaWatcher', 'active'), ('MarketWatcher', 'active')"
    )
    db.execute(
        "INSERT INTO learning_events (loop_type, event_type) SELECT 'loop' || n, 'update' FROM generate_series(1, 5) AS n"
    )
    db.execute(
        "INSERT INTO td_error_tracker (state, action, td_error) SELECT 's', 'a', 0 FROM generate_series(1, 70) AS n"
    )
    db.execute(
        "INSERT INTO router_usage (router_type) SELECT 'kabbalistic' FROM generate_series(1, 20) AS n"
    )
    db.execute(
        "INSERT INTO llm_usage (adapter, model) SELECT 'anthropic', 'm' FROM generate_series(1, 50) AS n"
    )
    rows = db.execute("SELECT goal, actual, status, pass FROM get_week1_progress()").fetchall()
    assert [(row[1], row[3]) for row in rows] == [
        (3, True),
        (5, True),
        (10, True),
        (20, True),
        (0, False),
    ]
    assert {row[2] for row in rows} == {"pass", "pending"}


def test_the_escore_trend_is_per_day_of_the_time_between(db: psycopg.Connection) -> None:
    user = new_user(db)
    for days, score in [(20, 5), (2, 10), (1, 12), (0, 14)]:
        db.execute(
            "INSERT INTO escore_history (user_id, e_score, recorded_at) VALUES (%s, %s, now() - make_interval(days => %s))",
            [user, score, days],
        )
    row = one(
        db,
        "SELECT trend_direction, round(trend_velocity, 6), avg_score, min_score, max_score, data_points FROM get_escore_trend(%s, 7)",
        user,
    )
    assert row == ("up", 2, 12, 10, 14, 3)
    with pytest.raises(errors.InvalidParameterValue):
        db.execute("SELECT * FROM get_escore_trend(%s, 0)", [user])


def test_the_seeds_are_the_contracts(db: psycopg.Connection) -> None:
    assert one(
        db,
        "SELECT count(*), count(DISTINCT dog_name), count(DISTINCT context_type) FROM routing_weights",
    ) == (110, 11, 10)
    assert one(db, "SELECT count(*), count(DISTINCT category) FROM discovered_dimensions") == (
        36,
        6,
    )
    assert dict(
        db.execute("SELECT category, count(*) FROM discovered_dimensions GROUP BY 1").fetchall()
    ) == {
        "PHI": 7,
        "VERIFY": 7,
        "CULTURE": 7,
        "BURN": 7,
        "FIDELITY": 7,
        "META": 1,
    }
    assert one(db, "SELECT count(*) FROM triggers_registry WHERE active") == 4
    for table in (
        "budget_state",
        "learning_state",
        "qlearning_state",
        "dpo_optimizer_state",
        "shared_memory_patterns",
    ):
        assert one(db, f"SELECT count(*) FROM {table}") == 1


@pytest.mark.parametrize("reset", [0, 40, 3000, 3999, 4000])
@pytest.mark.parametrize("most", [0, 1, 100, 10_000])
def test_the_newest_td_errors_are_those_of_updates_since_the_values_began_anew(
    db: psycopg.Connection, reset: int, most: int
) -> None:
    # Every third row is a correction, every fifth of another service, and retention has left a gap.
    db.execute(
        "INSERT INTO td_error_tracker (service_id, state, action, td_error, current_q, reward) "
        "SELECT CASE WHEN n % 5 = 0 THEN 'other' ELSE 'default' END, 's', 'Sage', n, 0.5, CASE WHEN n % 3 <> 0 THEN 0.5 END "
        "FROM generate_series(1, 4000) AS n"
    )
    first = one(db, "SELECT min(id) FROM td_error_tracker")
    db.execute(
        "DELETE FROM td_error_tracker WHERE td_error BETWEEN 50 AND 3500 AND mod(td_error::integer, 2) = 0"
    )
    db.execute("DELETE FROM td_error_tracker WHERE td_error BETWEEN 3000 AND 3900")
    db.execute(
        "INSERT INTO qlearning_state (service_id, q_table) VALUES ('default', %s) "
        "ON CONFLICT (service_id) DO UPDATE SET q_table = excluded.q_table",
        [f'{{"stats": {{"reset_td_id": {first - 1 + reset}}}}}'],
    )
    found = [row[0] for row in db.execute("SELECT get_newest_td_errors('default', %s)", [most])]
    wanted = db.execute(
        "SELECT td_error FROM td_error_tracker WHERE service_id = 'default' AND reward IS NOT NULL AND td_error > %s "
        "ORDER BY id DESC LIMIT %s",
        [reset, most],
    )
    assert found == [row[0] for row in wanted]


def test_the_newest_td_errors_of_nothing_are_none(db: psycopg.Connection) -> None:
    assert db.execute("SELECT get_newest_td_errors('default', 100)").fetchall() == []
    assert db.execute("SELECT get_newest_td_errors('nobody', 100)").fetchall() == []
