-- Forgetting. Each statement is part of the transaction of a learning cycle.

-- name: divide
-- All kinds of task were kept in one row, which each cycle read and wrote; here it becomes a row for each. How many answers
-- are in one was not counted: as many as judgments, at least. Says how many were in all.
WITH whole AS (
    DELETE FROM loop_persistence_state AS l
    WHERE l.loop_name = 'ewc' AND l.state_type = 'forgetting'
    RETURNING l.weights, l.episode_count, l.timestamp
), parts AS (
    INSERT INTO loop_persistence_state (loop_name, state_type, weights, episode_count, timestamp)
    SELECT 'ewc-tasks', e.key, e.value, greatest(0, (e.value -> 'seen' ->> 0)::integer), w.timestamp
    FROM whole AS w
    CROSS JOIN LATERAL jsonb_each(w.weights) AS e
    ORDER BY e.key
)
SELECT w.episode_count FROM whole AS w;

-- name: all_tasks
-- What is kept of every kind of task, to be added up when that row was divided.
SELECT l.state_type, l.weights FROM loop_persistence_state AS l WHERE l.loop_name = 'ewc-tasks';

-- name: tasks
-- What is kept of some kinds of task.
SELECT l.state_type, l.weights FROM loop_persistence_state AS l
WHERE l.loop_name = 'ewc-tasks' AND l.state_type = ANY (%(kinds)s::text[]);

-- name: answered
-- Of judgments the share of the answers that call them right, among those that count and are not partial, in the order
-- in which the first of these was learned. Nothing is asked of their places: statistics from before the answers were learned
-- would have the planner read all that have one.
SELECT f.judgment_id, avg((f.outcome = 'correct')::integer), min(f.learned_as)
FROM feedback AS f
WHERE f.judgment_id = ANY (%(judgments)s::text[]) AND f.applied AND f.outcome <> 'partial'
GROUP BY f.judgment_id
ORDER BY min(f.learned_as);

-- name: drop
-- Of judgments that nobody calls right or wrong any more, or as many the one as the other. Looked up one by one: of many judgments
-- at once the planner expects a good part of all rows as long as it knows nothing of them, and reads them all.
DELETE FROM forgetting_judgments AS f
WHERE f.id = ANY (ARRAY(
    SELECT o.id FROM unnest(%(judgments)s::text[]) AS g (judgment)
    CROSS JOIN LATERAL (SELECT x.id FROM forgetting_judgments AS x WHERE x.judgment_id = g.judgment OFFSET 0) AS o))
RETURNING f.task_type;

-- name: note
-- In the order of learning, so that ids grow with it. Says of each whether it is new. One learner is at it at a time. Those that are
-- known are looked up one by one, as above.
WITH given AS MATERIALIZED (
    SELECT g.*
    FROM jsonb_to_recordset(%(rows)s) AS g (kind text, judgment text, accuracy numeric, place bigint)
), place AS MATERIALIZED (
    SELECT o.id, g.accuracy FROM given AS g
    CROSS JOIN LATERAL (SELECT x.id FROM forgetting_judgments AS x WHERE x.judgment_id = g.judgment OFFSET 0) AS o
), known AS (
    UPDATE forgetting_judgments AS f SET accuracy = p.accuracy
    FROM place AS p
    WHERE f.id = ANY (ARRAY(SELECT o.id FROM place AS o)) AND f.id = p.id
    RETURNING f.task_type, f.judgment_id
), fresh AS (
    INSERT INTO forgetting_judgments (task_type, judgment_id, accuracy, created_at)
    SELECT g.kind, g.judgment, g.accuracy, %(now)s
    FROM given AS g
    WHERE NOT EXISTS (SELECT FROM known AS k WHERE k.judgment_id = g.judgment)
    ORDER BY g.place
    RETURNING task_type
)
SELECT k.task_type, 0 FROM known AS k
UNION ALL
SELECT f.task_type, 1 FROM fresh AS f;

-- name: windows
-- Of kinds of task whether the first judgments were right, and whether the newest were.
SELECT g.kind,
       ARRAY(SELECT (f.accuracy > 0.5)::integer FROM forgetting_judgments AS f
             WHERE f.task_type = g.kind ORDER BY f.id LIMIT g.first),
       ARRAY(SELECT (f.accuracy > 0.5)::integer FROM forgetting_judgments AS f
             WHERE f.task_type = g.kind ORDER BY f.id DESC LIMIT g.newest)
FROM jsonb_to_recordset(%(kinds)s) AS g (kind text, first bigint, newest bigint);

-- name: baselines
INSERT INTO forgetting_baselines AS b (task_type, baseline_accuracy, sample_count, created_at)
SELECT g.kind, g.accuracy, g.samples, %(now)s
FROM jsonb_to_recordset(%(rows)s) AS g (kind text, accuracy numeric, samples integer)
ON CONFLICT (task_type) DO UPDATE
SET baseline_accuracy = excluded.baseline_accuracy, sample_count = excluded.sample_count;

-- name: metrics
INSERT INTO forgetting_metrics (average_bwt, task_count, catastrophic_count, catastrophic_tasks, created_at)
VALUES (%(bwt)s::double precision, %(tasks)s, %(count)s, %(lost)s, %(now)s);

-- name: alert
-- Not again while the newest alarm that waits to be acknowledged names the same kinds of task.
INSERT INTO forgetting_alerts (alert_type, catastrophic_count, catastrophic_tasks, average_bwt, created_at)
SELECT %(type)s::text, %(count)s::integer, %(lost)s::jsonb, %(bwt)s::double precision, %(now)s::timestamptz
WHERE %(lost)s::jsonb IS DISTINCT FROM (
    SELECT a.catastrophic_tasks FROM forgetting_alerts AS a
    WHERE a.alert_type = %(type)s::text AND NOT a.acknowledged
    ORDER BY a.id DESC LIMIT 1);
