"""What is asked for all the time reads a bounded number of rows, however long the history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cynic
from cynic.db import sqlfile

if TYPE_CHECKING:
    import psycopg

READ_MAX = 600
NOW = datetime(2026, 3, 1, tzinfo=UTC)
FILL = """
INSERT INTO judgments (judgment_id, item_type, item_content, item_hash, q_score, confidence, verdict, axiom_scores, dimension_scores)
SELECT 'j' || n, 'code', 'x', md5('x'), 50, 0.4, 'WAG', '{}', '{"ACCURACY": 50}' FROM generate_series(1, 6000) AS n;
INSERT INTO feedback (judgment_id, outcome, applied, learned_as, created_at)
SELECT 'j' || n, 'correct', true, n, '2026-03-01'::timestamptz - (6000 - n) * interval '1 minute' FROM generate_series(1, 6000) AS n;
INSERT INTO residual_anomalies (source_type, source_id, residual, severity)
SELECT 'judgment', 'j' || n, 0.5, CASE WHEN n < 9 THEN 'low' ELSE 'high' END FROM generate_series(1, 6000) AS n;
INSERT INTO anomalies (anomaly_id, source_type, severity, description, resolved)
SELECT 'a' || n, 'judgment', 'high', 'd', n % 10 > 0 FROM generate_series(1, 6000) AS n;
INSERT INTO discovered_dimensions (dimension_id, name, category, weight, metadata, discovered_at)
SELECT 'd' || n, 'd' || n, 'PHI', 1, jsonb_build_object('candidate', 'c' || n, 'status', 'retired'),
       '2026-03-01'::timestamptz + n * interval '1 second'
FROM generate_series(1, 6000) AS n;
INSERT INTO dimension_governance_log (action_type, dimension_name, vote_result, logged_at)
SELECT 'retire', 'd' || n, '{}', '2026-03-01'::timestamptz + n * interval '1 second' FROM generate_series(1, 6000) AS n;
INSERT INTO background_tasks (task_id, task_type, task_name, status)
SELECT 't' || n, 'learning', 'learn', 'completed' FROM generate_series(1, 6000) AS n;
INSERT INTO frictions (friction_type, description, severity, resolved)
SELECT 'stuck', 'd', 1, n > 3 FROM generate_series(1, 6000) AS n;
INSERT INTO lessons_learned (lesson_id, category, lesson, impact_score)
SELECT 'l' || n, 'judgment', 'l', CASE WHEN n > 3 THEN 0 ELSE n END FROM generate_series(1, 6000) AS n;
INSERT INTO patterns (pattern_id, category, name, confidence, frequency)
SELECT 'p' || n, 'c', 'n', 0.3, 3 FROM generate_series(1, 6000) AS n;
INSERT INTO tool_usage (tool_name, status, session_id) SELECT 'Read', 'success', 's' FROM generate_series(1, 6000) AS n;
DELETE FROM ops_call_queue WHERE usage_id % 100 > 0;
"""
SEVERITIES = ["low", "medium", "high", "critical"]
RECENTLY, LONG_AGO = NOW - timedelta(hours=1), NOW - timedelta(days=99)
ASKED: list[tuple[str, str, dict[str, object]]] = [
    (
        "reads/learning/discovered",
        "residual",
        {"limit": 20, "counted": 100, "severities": SEVERITIES},
    ),
    ("reads/learning/metacognition", "metacognition", {"limit": 20}),
    ("flows/learning/governance", "due", {"samples": 7}),
    ("flows/learning/governance", "added", {}),
    ("flows/learning/governance", "promotions", {"now": NOW + timedelta(days=9)}),
    ("flows/learning/governance", "judged", {"name": "ACCURACY", "since": RECENTLY, "limit": 100}),
    ("flows/learning/governance", "judged", {"name": "ACCURACY", "since": LONG_AGO, "limit": 100}),
    ("flows/learning/patterns", "locked", {}),
    ("flows/learning/sessions", "take_calls", {"limit": 100}),
]


def rows_read(plan: dict[str, Any]) -> float:
    """By the scans of a plan, those that a condition then removed included."""
    looked = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    looked += plan.get("Rows Removed by Index Recheck", 0)
    own = looked * plan["Actual Loops"] if "Scan" in plan["Node Type"] else 0
    return own + sum(rows_read(part) for part in plan.get("Plans", ()))


def test_a_long_history_is_not_read(conn: psycopg.Connection) -> None:
    conn.execute("RESET ROLE")
    conn.execute(FILL)
    conn.execute("VACUUM ANALYZE")
    for file, name, given in ASKED:
        statements = sqlfile.load(Path(cynic.__file__).parent / f"{file}.sql")
        explained = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statements[name]}"
        with conn.transaction(force_rollback=True):
            row = conn.execute(explained.encode(), given).fetchone()
        assert row is not None
        assert rows_read(row[0][0]["Plan"]) < READ_MAX, (name, row)
