-- Running the retention of the schema by itself.

-- name: only_cleaner
-- Held by the session until it is given back: the batches are transactions of their own.
SELECT pg_try_advisory_lock(hashtextextended('cynic retention of ' || current_schema(), 0));

-- name: let_others_clean
SELECT pg_advisory_unlock(hashtextextended('cynic retention of ' || current_schema(), 0));

-- name: last_run
-- When retention last ran to its end, whoever ran it.
SELECT max(t.completed_at) FROM background_tasks AS t
WHERE t.task_name = 'retention' AND t.started_at > %(since)s::timestamptz;

-- name: task
-- What a run removed, and how many rules failed.
INSERT INTO background_tasks (task_id, task_type, task_name, status, success_count, error_count, started_at, completed_at)
VALUES (%(id)s, 'cleanup', 'retention', %(status)s, least(%(rows)s::bigint, 2147483647)::integer, %(failed)s, %(started)s, %(now)s);
