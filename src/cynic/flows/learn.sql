-- Learning passes. Each statement is part of one transaction that learn.py opens.

-- name: only_learner
-- Held to the end of the transaction; false when another learner is at it. One key for each schema and service.
SELECT pg_try_advisory_xact_lock(hashtextextended('cynic learner default of ' || current_schema(), 0));

-- name: wait_for_the_learner
-- The same lock, waited for.
SELECT pg_advisory_xact_lock(hashtextextended('cynic learner default of ' || current_schema(), 0));

-- name: take
-- The next rows in the order of their writers, out of the queue. Only rows that nothing can come before any more:
-- every transaction as old as their writer has ended, or their writer was one of another cluster. Nobody else deletes
-- here, so no row is skipped for being locked.
WITH restored AS MATERIALIZED (
    SELECT o.id FROM ops_learning_queue AS o
    WHERE o.written_by >= pg_snapshot_xmax(pg_current_snapshot())
    ORDER BY o.written_by, o.id
    LIMIT %(limit)s::bigint
), ours AS MATERIALIZED (
    SELECT o.id FROM ops_learning_queue AS o
    WHERE o.written_by < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY o.written_by, o.id
    LIMIT %(limit)s::bigint - (SELECT count(*) FROM restored)
)
DELETE FROM ops_learning_queue AS q
WHERE q.id = ANY (ARRAY(SELECT r.id FROM restored AS r UNION ALL SELECT o.id FROM ours AS o))
RETURNING q.signal_id, q.written_by >= pg_snapshot_xmax(pg_current_snapshot()), q.written_by::text::bigint, q.id;

-- name: due
-- Whether something waits to be learned, how many calls of tools wait to be looked at, up to a number, and what the service counts.
SELECT EXISTS (SELECT FROM ops_learning_queue), (SELECT count(*) FROM (SELECT FROM ops_call_queue LIMIT %(calls)s::bigint) AS c), s.stats
FROM qlearning_state AS s
WHERE s.service_id = 'default';

-- name: calls_waiting
SELECT count(*) FROM ops_call_queue;

-- name: waiting
SELECT count(*) FROM ops_learning_queue;

-- name: events
-- What the signals are about, in the order given, with the answer of the same person that was learned and still counts.
-- The feedback may be gone with an erased user: then there is no row for its signal. A signal that somebody else wrote
-- has no feedback either.
SELECT s.id, f.id, f.outcome, f.applied, j.judgment_id, j.verdict, j.query_type, j.task_type, j.item_type,
       f.user_id, f.superseded_at, f.created_at,
       CASE WHEN s.metadata ->> 'supersedes' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN (s.metadata ->> 'supersedes')::uuid END,
       standing.id, standing.outcome, standing.superseded_at, standing.created_at, standing.root,
       (SELECT jsonb_agg(jsonb_build_array(v.dog_name, v.vote_score) ORDER BY v.id)
        FROM dog_votes AS v WHERE v.item_id = j.judgment_id)
FROM unnest(%(ids)s::text[]) WITH ORDINALITY AS g (id, place)
JOIN unified_signals AS s ON s.id = g.id
JOIN feedback AS f
  ON f.id = CASE WHEN s.id ~ '^feedback:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN substr(s.id, 10)::uuid END
JOIN judgments AS j ON j.judgment_id = f.judgment_id
LEFT JOIN LATERAL (
    SELECT o.id, o.outcome, o.superseded_at, o.created_at, o.root
    FROM (SELECT x.*, min(x.learned_as) OVER () AS root FROM feedback AS x
          WHERE x.judgment_id = f.judgment_id AND x.user_id IS NOT DISTINCT FROM f.user_id OFFSET 0) AS o
    WHERE o.applied
    LIMIT 1
) AS standing ON true
ORDER BY g.place;

-- name: retry
-- Answers that were set aside and still count go back into the queue.
INSERT INTO ops_learning_queue (signal_id)
SELECT a.id
FROM (SELECT DISTINCT s.id
      FROM learning_events AS e
      CROSS JOIN LATERAL jsonb_array_elements_text(e.metadata -> 'signalIds') AS s (id)
      WHERE e.loop_type = 'learning' AND e.event_type = 'failed'
        AND s.id ~ '^feedback:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$') AS a
JOIN feedback AS f ON f.id = substr(a.id, 10)::uuid
WHERE NOT f.applied AND f.superseded_at IS NULL
ORDER BY f.created_at, f.id
ON CONFLICT DO NOTHING;

-- name: fold
-- The snapshot takes in the journal, and the gradients take in its errors. Everything up to the mark may be pruned from
-- then on. Sums are numeric, so that it does not matter where folds end; the end of all
-- numbers keeps the planner from reading the whole journal, since of a range with two ends it expects few rows.
WITH gradient AS (
    INSERT INTO qlearning_fisher_gradients AS g (state_key, action, gradient_sum, gradient_sq_sum, update_count)
    SELECT t.state, t.action, -sum(t.td_error::numeric), sum((t.td_error * t.td_error)::numeric), count(*)
    FROM td_error_tracker AS t
    WHERE t.service_id || '' = 'default' AND t.reward IS NOT NULL AND t.id < 9223372036854775807
      AND t.id > coalesce((SELECT (s.q_table -> 'stats' ->> 'applied_td_id')::bigint
                           FROM qlearning_state AS s WHERE s.service_id = 'default'), 0)
    GROUP BY t.state, t.action
    ORDER BY t.state, t.action
    ON CONFLICT (service_id, state_key, action) DO UPDATE
    SET gradient_sum = g.gradient_sum + excluded.gradient_sum,
        gradient_sq_sum = g.gradient_sq_sum + excluded.gradient_sq_sum, update_count = g.update_count + excluded.update_count
)
UPDATE qlearning_state AS s
SET q_table = jsonb_set(get_live_q_table('default'), '{stats,folded_at}', to_jsonb(%(now)s::timestamptz)),
    stats = s.stats || jsonb_build_object('unfolded', 0, 'foldedAt', %(now)s::timestamptz)
WHERE s.service_id = 'default' AND (s.stats ->> 'unfolded')::bigint > 0;

-- name: task
-- That a run was made, and with which result; its passes add up.
INSERT INTO background_tasks AS t (task_id, task_type, task_name, status, success_count, error_count, started_at, completed_at)
VALUES (%(id)s, 'learning', %(name)s, 'completed', %(learned)s, %(skipped)s, %(started)s, %(now)s)
ON CONFLICT (task_id) DO UPDATE
SET success_count = t.success_count + excluded.success_count, error_count = t.error_count + excluded.error_count,
    completed_at = excluded.completed_at;
