-- Learning passes. Each statement is part of one transaction that learn.py opens.

-- name: only_learner
-- Held to the end of the transaction; false when another learner is at it. One key for each schema and service.
SELECT pg_try_advisory_xact_lock(hashtextextended('cynic learner default of ' || current_schema(), 0));

-- name: wait_for_the_learner
-- The same lock, waited for.
SELECT pg_advisory_xact_lock(hashtextextended('cynic learner default of ' || current_schema(), 0));

-- name: due
-- Whether something waits to be learned, how many calls of tools wait to be looked at, up to a number, and what the service counts.
SELECT EXISTS (SELECT FROM ops_learning_queue), (SELECT count(*) FROM (SELECT FROM ops_call_queue LIMIT %(calls)s::bigint) AS c), s.stats
FROM qlearning_state AS s
WHERE s.service_id = 'default';

-- name: calls_waiting
SELECT count(*) FROM ops_call_queue;

-- name: waiting
SELECT count(*) FROM ops_learning_queue;

-- name: retry
-- Answers that were set aside and still count go back into the queue.
INSERT INTO ops_learning_queue (signal_id)
SELECT a.signal_id FROM get_answers_set_aside() AS a (signal_id)
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
