"""Every row that learning writes leads to the answers, or the calls of tools, that caused it.

Each table has its query beside its name. It gives the row, and an answer or a call; a row that is in none of its lines leads
nowhere. The reader's version of these ways is docs/explanation/learning.md, "Where a number comes from".
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, LiteralString, NamedTuple

import pytest
from psycopg import sql
from test_learn_calls import call
from test_learn_governance import votes
from test_learn_residual import NAMES, alike, one, rows

from cynic.flows import counters, learn
from cynic.flows.learning import consolidation, cycle, emergence, ewc, forgetting

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from conftest import Judge, MovableClock, Say
    from cynic.flows.edge import Edge

STATEMENTS: Final = Path(learn.__file__).parent
WRITES: Final = re.compile(
    r"(?:\bINSERT INTO|(?<!FOR )(?<!DO )\bUPDATE|\bCOPY)\s+(?!SET\b|OF\b)(\w+)"
)
NOT_LEARNED: Final = {
    "feedback": "the answers themselves: as which they were learned, and whether they count",
    "background_tasks": "that a run was made, from when to when; what it learned is in the other tables",
    "ops_learning_queue": "answers that wait to be learned from, by the ids of their signals",
}
ELSEWHERE: Final = {"calibration_tracking", "brier_predictions", "escore_history"}
"""Written with the answer, or by the folder of counters, not by the learner."""

STEPS: Final[LiteralString] = """
WITH cycle AS (
    SELECT c.cycle_id, (c.state_after #>> '{answers,at}')::timestamptz AS at,
           (c.state_after #>> '{answers,since}')::bigint AS since, (c.state_after #>> '{answers,until}')::bigint AS until,
           (c.state_after #>> '{calls,from}')::bigint AS first_call, (c.state_after #>> '{calls,to}')::bigint AS last_call
    FROM learning_cycles AS c
), seen AS (
    SELECT y.cycle_id, y.at, f.id AS answer, NULL::bigint AS call
    FROM cycle AS y JOIN feedback AS f ON f.learned_as > y.since AND f.learned_as <= y.until
    UNION ALL
    SELECT y.cycle_id, y.at, NULL, u.id
    FROM cycle AS y JOIN tool_usage AS u ON u.session_id IS NOT NULL AND u.id BETWEEN y.first_call AND y.last_call
), standing AS (
    SELECT f.id AS answer, f.user_id, f.learned_as, f.outcome, f.actual_score, j.judgment_id, j.session_id, j.dimension_scores,
           j.query_type AS context, j.task_type AS task, j.item_type AS item,
           coalesce(j.query_type, 'general') AS arms, coalesce(j.query_type, j.item_type) AS kind,
           coalesce(j.task_type, j.query_type, j.item_type) AS task_kind,
           ARRAY['verdict:' || j.verdict, 'task:' || j.task_type]
           || CASE WHEN j.query_type IS NOT NULL THEN ARRAY['item:' || j.item_type] END
           || ARRAY(SELECT 'low:' || d.name FROM (
                  SELECT e.key AS name, e.value::float8 AS score FROM jsonb_each_text(j.dimension_scores) AS e
                  WHERE e.key <> 'THE_UNNAMEABLE' ORDER BY 2, e.key COLLATE "C" LIMIT 3) AS d WHERE d.score < 38.2)
           || ARRAY(SELECT 'high:' || d.name FROM (
                  SELECT e.key AS name, e.value::float8 AS score FROM jsonb_each_text(j.dimension_scores) AS e
                  WHERE e.key <> 'THE_UNNAMEABLE' ORDER BY 2 DESC, e.key COLLATE "C" DESC LIMIT 3) AS d WHERE d.score >= 80)
           || ARRAY(SELECT 'dissent:' || v.dog_name FROM dog_votes AS v
                    WHERE v.item_id = j.judgment_id AND v.vote_score <> 0.5
                      AND (v.vote_score >= 0.5) <> (j.verdict IN ('HOWL', 'WAG'))) AS tags
    FROM feedback AS f JOIN judgments AS j ON j.judgment_id = f.judgment_id
    WHERE f.applied
)
"""
"""A cycle with its answers and calls, and the answers that count with what they are looked at by."""

TRACES: Final[dict[str, LiteralString]] = {
    # With the answer.
    "calibration_tracking": "SELECT t.id, f.id, NULL::bigint FROM calibration_tracking AS t JOIN feedback AS f ON f.id = t.id",
    "brier_predictions": "SELECT t.id, f.id, NULL::bigint FROM brier_predictions AS t "
    "JOIN feedback AS f ON f.id = (t.metadata ->> 'feedback_id')::uuid",
    "escore_history": "SELECT t.id, f.id, NULL::bigint FROM escore_history AS t JOIN feedback AS f ON f.user_id = t.user_id",
    # Answer by answer.
    "td_error_tracker": "SELECT t.id, f.id, NULL::bigint FROM td_error_tracker AS t JOIN feedback AS f ON f.learned_as = t.learned_as",
    "qlearning_episodes": "SELECT t.id, f.id, NULL::bigint FROM qlearning_episodes AS t "
    "JOIN feedback AS f ON t.episode_id = 'feedback:' || f.id",
    "qlearning_state": "SELECT t.id, s.answer, NULL::bigint FROM qlearning_state AS t CROSS JOIN standing AS s",
    "qlearning_tasks": "SELECT t.id, s.answer, NULL::bigint FROM qlearning_tasks AS t JOIN standing AS s ON s.task_kind = t.task_id",
    "qlearning_fisher_gradients": """
        SELECT t.id, s.answer, NULL::bigint FROM qlearning_fisher_gradients AS t JOIN standing AS s
          ON jsonb_build_array(s.context, s.task, s.item) = t.state_key::jsonb
         AND EXISTS (SELECT FROM dog_votes AS v WHERE v.item_id = s.judgment_id AND v.dog_name = t.action)""",
    "qlearning_ewc_history": """
        SELECT t.id, s.answer, NULL::bigint FROM qlearning_ewc_history AS t
        JOIN learning_events AS e ON e.event_type = 'consolidation' AND e.metadata -> 'consolidationIds' ? t.consolidation_id
        JOIN standing AS s ON s.task_kind = t.task_id AND s.learned_as <= (e.metadata ->> 'until')::bigint
         AND EXISTS (SELECT FROM jsonb_array_elements_text(e.metadata -> 'states') AS x (state)
                     WHERE x.state::jsonb = jsonb_build_array(s.context, s.task, s.item))""",
    "learning_events": """
        SELECT t.id, f.id, NULL::bigint FROM learning_events AS t JOIN feedback AS f ON f.id = (t.metadata ->> 'feedbackId')::uuid
        UNION ALL
        SELECT t.id, y.answer, y.call FROM learning_events AS t JOIN seen AS y ON y.cycle_id = t.metadata ->> 'cycleId'
        UNION ALL
        SELECT t.id, s.answer, NULL FROM learning_events AS t JOIN standing AS s
          ON t.event_type = 'consolidation' AND s.learned_as <= (t.metadata ->> 'until')::bigint
         AND EXISTS (SELECT FROM jsonb_array_elements_text(t.metadata -> 'states') AS x (state)
                     WHERE x.state::jsonb = jsonb_build_array(s.context, s.task, s.item))
        UNION ALL
        SELECT t.id, f.id, NULL FROM learning_events AS t JOIN feedback AS f ON t.metadata -> 'signalIds' ? ('feedback:' || f.id)""",
    "loop_persistence_state": """
        SELECT t.id, s.answer, NULL::bigint FROM loop_persistence_state AS t JOIN standing AS s ON CASE
            WHEN t.loop_name IN ('thompson', 'dpo') THEN s.arms = t.state_type
            WHEN t.loop_name IN ('calibration', 'emergence') THEN s.kind = t.state_type
            WHEN t.loop_name = 'ewc-tasks' THEN s.task_kind = t.state_type
            WHEN t.loop_name = 'residual' AND t.state_type = 'default' THEN s.actual_score IS NOT NULL AND s.dimension_scores <> '{}'
            WHEN t.loop_name = 'sona' THEN s.outcome <> 'partial' AND s.dimension_scores <> '{}'
            WHEN t.loop_name = 'meta-cognition' AND t.state_type <> 'default' THEN 'judgments ' || s.session_id = t.state_type
            ELSE t.loop_name <> 'residual' END
        UNION ALL
        SELECT t.id, f.id, NULL FROM loop_persistence_state AS t
        CROSS JOIN LATERAL jsonb_array_elements(t.weights -> 'sources') AS x (source)
        JOIN feedback AS f ON f.id = (x.source ->> 1)::uuid
        WHERE t.loop_name = 'residual' AND t.state_type <> 'default'
        UNION ALL
        SELECT t.id, NULL, u.id FROM loop_persistence_state AS t JOIN tool_usage AS u ON 'calls ' || u.session_id = t.state_type
        WHERE t.loop_name = 'meta-cognition'""",
    # Cycle by cycle.
    "learning_cycles": "SELECT t.id, y.answer, y.call FROM learning_cycles AS t JOIN seen AS y ON y.cycle_id = t.cycle_id",
    "learning_maturity": "SELECT t.id, y.answer, y.call FROM learning_maturity AS t JOIN seen AS y ON y.at = t.timestamp",
    "judgment_metrics": "SELECT t.id, y.answer, y.call FROM judgment_metrics AS t JOIN seen AS y ON y.at = t.measured_at",
    "distribution_snapshots": "SELECT t.id, y.answer, y.call FROM distribution_snapshots AS t "
    "JOIN seen AS y ON y.cycle_id = t.parameters ->> 'cycleId'",
    "forgetting_metrics": "SELECT t.id, y.answer, y.call FROM forgetting_metrics AS t JOIN seen AS y ON y.at = t.created_at",
    "forgetting_alerts": "SELECT t.id, y.answer, y.call FROM forgetting_alerts AS t JOIN seen AS y ON y.at = t.created_at",
    "forgetting_judgments": "SELECT t.id, s.answer, NULL::bigint FROM forgetting_judgments AS t "
    "JOIN standing AS s ON s.judgment_id = t.judgment_id AND s.outcome <> 'partial'",
    "forgetting_baselines": """
        SELECT t.id, s.answer, NULL::bigint FROM forgetting_baselines AS t
        CROSS JOIN LATERAL (SELECT x.judgment_id FROM forgetting_judgments AS x
                            WHERE x.task_type = t.task_type ORDER BY x.id LIMIT 50) AS b
        JOIN standing AS s ON s.judgment_id = b.judgment_id AND s.outcome <> 'partial'""",
    "preference_pairs": "SELECT t.id, f.id, NULL::bigint FROM preference_pairs AS t JOIN feedback AS f ON f.id = ANY (t.feedback_ids)",
    "routing_weights": "SELECT t.id, s.answer, NULL::bigint FROM routing_weights AS t JOIN standing AS s ON s.arms = t.context_type",
    "dpo_optimizer_state": "SELECT t.id, f.id, NULL::bigint FROM dpo_optimizer_state AS t "
    "CROSS JOIN preference_pairs AS p JOIN feedback AS f ON f.id = ANY (p.feedback_ids) WHERE p.processed",
    "learning_state": "SELECT t.id, s.answer, NULL::bigint FROM learning_state AS t "
    "JOIN standing AS s ON s.outcome <> 'partial' AND s.dimension_scores <> '{}'",
    "user_learning_profiles": "SELECT t.id, f.id, NULL::bigint FROM user_learning_profiles AS t JOIN feedback AS f ON f.user_id = t.user_id",
    "ops_user_dimensions": "SELECT t.user_id, s.answer, NULL::bigint FROM ops_user_dimensions AS t "
    "JOIN standing AS s ON s.user_id = t.user_id AND s.outcome <> 'partial' AND s.dimension_scores <> '{}'",
    # What was found.
    "residual_anomalies": "SELECT t.id, f.id, NULL::bigint FROM residual_anomalies AS t JOIN learning_events AS e "
    "ON e.loop_type = 'residual' AND e.event_type = 'anomaly' AND e.judgment_id = t.source_id "
    "JOIN feedback AS f ON f.id = (e.metadata ->> 'feedbackId')::uuid",
    "anomalies": "SELECT t.id, f.id, NULL::bigint FROM anomalies AS t JOIN feedback AS f ON f.judgment_id = t.source_id",
    "residual_candidates": """
        SELECT t.id, f.id, NULL::bigint FROM residual_candidates AS t
        JOIN loop_persistence_state AS l ON l.loop_name = 'residual' AND l.state_type = t.dimension_name
        CROSS JOIN LATERAL jsonb_array_elements(l.weights -> 'sources') AS x (source)
        JOIN feedback AS f ON f.id = (x.source ->> 1)::uuid""",
    "dimension_governance_log": """
        SELECT t.id, f.id, NULL::bigint FROM dimension_governance_log AS t
        LEFT JOIN discovered_dimensions AS d ON d.name = t.dimension_name
        JOIN feedback AS f ON coalesce(t.vote_result -> 'sources', d.metadata -> 'sources') ? f.judgment_id""",
    "discovered_dimensions": "SELECT t.id, f.id, NULL::bigint FROM discovered_dimensions AS t "
    "JOIN feedback AS f ON t.metadata -> 'sources' ? f.judgment_id",
    "patterns": "SELECT t.id, f.id, NULL::bigint FROM patterns AS t JOIN feedback AS f ON t.source_judgments ? f.judgment_id",
    "pattern_evolution": """
        SELECT t.id, f.id, NULL::bigint FROM pattern_evolution AS t
        JOIN patterns AS p ON p.pattern_id = 'pat_' || left(encode(sha256(convert_to(t.pattern_key, 'UTF8')), 'hex'), 24)
        JOIN feedback AS f ON p.source_judgments ? f.judgment_id""",
    "shared_memory_patterns": """
        SELECT t.id, f.id, NULL::bigint FROM shared_memory_patterns AS t
        JOIN patterns AS p ON t.weights ? p.pattern_id JOIN feedback AS f ON p.source_judgments ? f.judgment_id""",
    "ewc_consolidation_history": "SELECT t.id, y.answer, y.call FROM ewc_consolidation_history AS t "
    "JOIN seen AS y ON t.consolidation_id = 'ewc_' || y.cycle_id",
    "frictions": """
        SELECT t.id, y.answer, y.call FROM frictions AS t
        JOIN seen AS y ON y.cycle_id = substring(t.description FROM '\\((lrn_[0-9a-f]+)\\)$')""",
    "session_patterns": """
        SELECT t.id, f.id, NULL::bigint FROM session_patterns AS t JOIN feedback AS f
          ON t.pattern_data ->> 'source' = 'judgments' AND f.judgment_id IN (t.pattern_data ->> 'from', t.pattern_data ->> 'to')
        UNION ALL
        SELECT t.id, NULL, u.id FROM session_patterns AS t JOIN tool_usage AS u
          ON t.pattern_data ->> 'source' = 'calls' AND u.id::text IN (t.pattern_data ->> 'from', t.pattern_data ->> 'to')""",
    "lessons_learned": "SELECT t.id, f.id, NULL::bigint FROM lessons_learned AS t "
    "JOIN feedback AS f ON t.context::jsonb -> 'judgments' ? f.judgment_id",
    "reasoning_trajectories": "SELECT t.id, f.id, NULL::bigint FROM reasoning_trajectories AS t "
    "JOIN feedback AS f ON t.trajectory_id = 'feedback:' || f.id",
}


class Way(NamedTuple):
    """A row, and one of the answers or calls that it leads to."""

    row: str
    answer: str | None
    call: int | None


def traced(conn: psycopg.Connection, table: str) -> list[Way]:
    found = conn.execute(STEPS + TRACES[table]).fetchall()
    return [
        Way(str(row), None if answer is None else str(answer), call) for row, answer, call in found
    ]


def contents(conn: psycopg.Connection, table: str) -> dict[str, str]:
    """The rows of a table, by their keys."""
    key = "user_id" if table == "ops_user_dimensions" else "id"
    query = sql.SQL("SELECT t.{}::text, t::text FROM {} AS t").format(
        sql.Identifier(key), sql.Identifier(table)
    )
    return dict(conn.execute(query).fetchall())


class Life:
    """The work of three people over several kinds of items, with all that may come up."""

    def __init__(self, conn: psycopg.Connection, judge: Judge, say: Say) -> None:
        self.conn = conn
        self._judge = judge
        self._say = say
        self._rng = random.Random(11)
        self._number = 0
        self._before = {table: contents(conn, table) for table in TRACES}

    def written(self, table: str) -> set[str]:
        """The rows that are new, or are not what they were; migrations bring some along."""
        before = self._before[table]
        now = contents(self.conn, table)
        return {key for key, row in now.items() if before.get(key) != row}

    def judged(self, outcome: str, *, score: float | None = None, **fields: Any) -> str:
        """A judgment that the dogs vote on, with the answer of one of three."""
        self._number += 1
        dimensions = fields.pop("dimensions", None) or {
            name: round(self._rng.uniform(65, 95), 1) for name in NAMES
        }
        given = {"votes": votes(), "session_id": "morning", **fields}
        told = self._judge(dimensions=dimensions, **given).judgment_id
        actual = alike(dimensions, self._rng) if score is None else score
        self._say(
            told,
            outcome,
            user=("ada", "bob", "cy")[self._number % 3],
            actual_score=round(actual, 1),
        )
        return told

    def ordinary(
        self, count: int, context: str | None = "review", task: str | None = "merge"
    ) -> list[str]:
        """Judgments that are right, by one dog or several."""
        return [
            self.judged(
                "correct",
                context_type=context,
                task_type=task,
                votes=votes("Scout") if n % 2 else votes(),
            )
            for n in range(count)
        ]

    def odd(self, count: int) -> None:
        """Judgments that look good and turn out bad; only the Janitor saw it."""
        for _ in range(count):
            self.judged(
                "incorrect",
                score=1,
                dimensions=dict.fromkeys(NAMES, 85),
                votes=votes("Janitor"),
                context_type="code",
                session_id="evening",
            )

    def change_minds(self, judgments: Sequence[str]) -> None:
        for told in judgments:
            self._say(told, "correct", user="dan", actual_score=80)
            self._say(told, "incorrect", user="dan", actual_score=10)
            self._say(told, "partial", user="eve")


@pytest.fixture
def life(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> Life:
    """After it, every table that learning writes has rows."""
    monkeypatch.setattr(cycle, "ANSWERS", 40)
    monkeypatch.setattr(ewc, "UPDATES", 12)
    monkeypatch.setattr(forgetting, "WINDOW", 20)
    monkeypatch.setattr(consolidation, "PATTERNS_MIN", 1)
    found = Life(conn, judge, say)
    first = found.ordinary(50)
    learn.run(conn, edge)
    found.change_minds(first[:4])
    found.ordinary(24, context="deploy", task=None)
    found.odd(9)
    learn.run(conn, edge)
    clock.move(hours=1)
    for _ in range(30):
        found.judged("incorrect", context_type="deploy", task_type=None, probability=0.95)
    for _ in range(12):
        found.judged("incorrect", context_type="docs", task_type=None, votes=votes("Sage"))
    for second in range(8):
        call(conn, "tools", second, "error")
    learn.run(conn, edge)
    found.ordinary(45, context=None, task=None)
    learn.run(conn, edge)
    # Calls alone, in a cycle of their own.
    for second in range(20, 28):
        call(conn, "tools", second)
    learn.run(conn, edge)
    clock.move(days=1)
    found.ordinary(45, context="code", task="merge")
    learn.run(conn, edge)
    counters.fold(conn, edge.clock())
    return found


def test_every_table_that_learning_writes_is_listed() -> None:
    files = [STATEMENTS / "learn.sql", *sorted((STATEMENTS / "learning").glob("*.sql"))]
    assert len(files) > 10
    written = set[str]()
    for file in files:
        text = re.sub(r"--[^\n]*", "", file.read_text(encoding="utf-8"))
        written.update(WRITES.findall(text))
    assert {"td_error_tracker", "preference_pairs", "patterns", "forgetting_alerts"} <= written
    assert written == (set(TRACES) - ELSEWHERE) | set(NOT_LEARNED)


def test_every_row_leads_to_what_caused_it(life: Life) -> None:
    conn = life.conn
    answers = {str(row[0]) for row in rows(conn, "SELECT id FROM feedback")}
    calls = {row[0] for row in rows(conn, "SELECT id FROM tool_usage")}
    empty = list[str]()
    lost = dict[str, tuple[int, int]]()
    for table in TRACES:
        there = life.written(table)
        ways = traced(conn, table)
        assert all(way.answer in answers or way.call in calls for way in ways), table
        if not there:
            empty.append(table)
        if missing := there - {way.row for way in ways}:
            lost[table] = len(missing), len(there)
    assert (empty, lost) == ([], {})


def test_a_moment_leads_to_one_cycle_and_an_alarm_to_the_kind_that_fell(life: Life) -> None:
    conn = life.conn
    moments = rows(
        conn, "SELECT (state_after #>> '{answers,at}')::timestamptz FROM learning_cycles"
    )
    assert len(set(moments)) == len(moments) >= 5
    assert (
        one(
            conn,
            "SELECT count(*) FROM learning_cycles WHERE state_after ? 'calls' "
            "AND state_after #>> '{answers,since}' = state_after #>> '{answers,until}' AND feedback_processed = 0",
        )
        == 1
    ), "one of calls alone"
    processed = dict(rows(conn, "SELECT id::text, feedback_processed FROM learning_cycles"))
    standing = {str(row[0]) for row in rows(conn, "SELECT id FROM feedback WHERE applied")}
    for cycle_id, answers in processed.items():
        ways = [way for way in traced(conn, "learning_cycles") if way.row == cycle_id]
        assert len({way.answer for way in ways} & standing) == answers
    alert, lost = one(conn, "SELECT id::text, catastrophic_tasks FROM forgetting_alerts")
    assert lost == ["deploy"]
    told = {way.answer for way in traced(conn, "forgetting_alerts") if way.row == alert}
    wrong = rows(
        conn,
        "SELECT f.id::text FROM feedback AS f JOIN judgments AS j ON j.judgment_id = f.judgment_id "
        "WHERE j.query_type = 'deploy' AND f.outcome = 'incorrect'",
    )
    assert {row[0] for row in wrong} & told


def test_what_a_pattern_names_is_among_all_that_its_category_and_tags_lead_to(life: Life) -> None:
    conn = life.conn
    of_tags: dict[str, set[str]] = {}
    query = STEPS + (
        "SELECT p.pattern_id, s.judgment_id FROM patterns AS p JOIN standing AS s "
        "ON s.kind = p.category AND s.outcome <> 'partial' AND p.tags <@ s.tags"
    )
    for pattern, judgment_id in conn.execute(query):
        of_tags.setdefault(pattern, set()).add(judgment_id)
    # In the database the tags of a judgment are those that the loop looks at.
    (until,) = rows(conn, "SELECT max(learned_as) FROM feedback")[0]
    looked_at = {one.feedback_id: emergence.tags_of(one) for one in cycle.answered(conn, 0, until)}
    query = STEPS + "SELECT s.answer, s.tags FROM standing AS s"
    stored = {answer: {tag for tag in tags if tag} for answer, tags in conn.execute(query)}
    assert stored == looked_at
    named = dict(rows(conn, "SELECT pattern_id, source_judgments FROM patterns"))
    assert named
    capped = 0
    for pattern, judgments in named.items():
        assert set(judgments) <= of_tags[pattern]
        assert len(judgments) <= emergence.SOURCES_NAMED_MAX
        capped += len(judgments) < len(of_tags[pattern])
    assert capped
