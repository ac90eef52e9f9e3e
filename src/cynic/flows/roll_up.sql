-- Hourly roll-ups. Each statement but `waiting` is part of a transaction that roll_up.py opens and that holds the lock.

-- name: only_roller
-- Held to the end of the transaction; false when another one rolls up, or retention takes rows out of their hours.
SELECT pg_try_advisory_xact_lock(hashtextextended('cynic roll-up of ' || current_schema(), 0));

-- name: spread
-- A row that names no source becomes one for each.
WITH unnamed AS (
    DELETE FROM ops_rollup_queue AS q WHERE q.source IS NULL RETURNING q.hour_bucket
)
INSERT INTO ops_rollup_queue (source, hour_bucket)
SELECT s.source, u.hour_bucket
FROM (SELECT DISTINCT g.hour_bucket FROM unnamed AS g) AS u
CROSS JOIN unnest(ARRAY['llm', 'tool', 'span', 'trace']) AS s (source);

-- name: thin_out
-- One row says as much as many. Of each hour the newest that is seen stays, so the hour never leaves the queue here.
DELETE FROM ops_rollup_queue AS q
WHERE EXISTS (SELECT FROM ops_rollup_queue AS k
              WHERE k.source = q.source AND k.hour_bucket = q.hour_bucket AND k.id > q.id);

-- name: waiting
-- Hours to compute, oldest request first. The hour that is running is left out unless it is asked for: it changes all
-- the time, and who reads it reads its rows.
SELECT q.source, q.hour_bucket
FROM ops_rollup_queue AS q
WHERE q.source IS NOT NULL AND (%(with_running)s::boolean OR q.hour_bucket <> date_trunc('hour', %(now)s::timestamptz, 'UTC'))
GROUP BY q.source, q.hour_bucket
ORDER BY min(q.id)
LIMIT %(limit)s;

-- name: take_hour
-- Before the hour is computed: the next statement sees at least the rows that these stand for. What is queued meanwhile stays.
DELETE FROM ops_rollup_queue AS q WHERE q.source = %(source)s AND q.hour_bucket = %(hour)s::timestamptz;

-- name: roll_up
-- The hour anew, whole: what its rows give, and what retention took of it. Groups that nothing is left of go. Percentiles
-- are of all measurements or not known.
WITH rolled AS MATERIALIZED (
    SELECT r.metric, r.operation, r.adapter, r.model, r.sample_count, r.total, r.percentiles
    FROM roll_up_of_hour(%(source)s, %(hour)s::timestamptz) AS r
), gone AS (
    DELETE FROM telemetry_hourly AS h
    WHERE h.hour_bucket = %(hour)s::timestamptz AND starts_with(h.metric_name, %(source)s::text || '.') AND h.pruned_count = 0
      AND NOT EXISTS (
          SELECT FROM rolled AS r
          WHERE r.metric = h.metric_name AND (r.operation, r.adapter, r.model) IS NOT DISTINCT FROM (h.operation, h.adapter, h.model))
), reduced AS (
    UPDATE telemetry_hourly AS h
    SET sample_count = h.pruned_count, value = h.pruned_sum, p50 = NULL, p95 = NULL, p99 = NULL, rolled_at = %(now)s::timestamptz
    WHERE h.hour_bucket = %(hour)s::timestamptz AND starts_with(h.metric_name, %(source)s::text || '.') AND h.pruned_count > 0
      AND h.sample_count <> h.pruned_count
      AND NOT EXISTS (
          SELECT FROM rolled AS r
          WHERE r.metric = h.metric_name AND (r.operation, r.adapter, r.model) IS NOT DISTINCT FROM (h.operation, h.adapter, h.model))
)
INSERT INTO telemetry_hourly AS h (metric_name, hour_bucket, operation, adapter, model, value, sample_count, p50, p95, p99, rolled_at)
SELECT r.metric, %(hour)s::timestamptz, r.operation, r.adapter, r.model, r.total, r.sample_count,
       r.percentiles[1], r.percentiles[2], r.percentiles[3], %(now)s::timestamptz
FROM rolled AS r
ON CONFLICT ON CONSTRAINT telemetry_hourly_key DO UPDATE
SET value = excluded.value + h.pruned_sum, sample_count = excluded.sample_count + h.pruned_count,
    p50 = CASE WHEN h.pruned_count = 0 THEN excluded.p50 END, p95 = CASE WHEN h.pruned_count = 0 THEN excluded.p95 END,
    p99 = CASE WHEN h.pruned_count = 0 THEN excluded.p99 END, rolled_at = excluded.rolled_at;

-- name: fold_days
-- Many rows of a day and a model become one with their sum. Rows that are appended meanwhile are not seen and stay.
WITH gone AS (
    DELETE FROM ops_llm_days AS d
    WHERE EXISTS (SELECT FROM ops_llm_days AS o
                  WHERE o.day_bucket = d.day_bucket AND o.adapter = d.adapter AND o.model = d.model AND o.id <> d.id)
    RETURNING d.*
)
INSERT INTO ops_llm_days (day_bucket, adapter, model, calls, told_calls, tokens_input, tokens_output, cache_read_calls, tokens_cache_read,
                          cache_write_calls, tokens_cache_write, reasoning_calls, tokens_reasoning, priced_calls, cost_usd)
SELECT g.day_bucket, g.adapter, g.model, sum(g.calls), sum(g.told_calls), sum(g.tokens_input), sum(g.tokens_output), sum(g.cache_read_calls),
       sum(g.tokens_cache_read), sum(g.cache_write_calls), sum(g.tokens_cache_write), sum(g.reasoning_calls), sum(g.tokens_reasoning),
       sum(g.priced_calls), sum(g.cost_usd)
FROM gone AS g
GROUP BY g.day_bucket, g.adapter, g.model
HAVING sum(g.calls) <> 0;

-- name: task
-- That hours were rolled up.
INSERT INTO background_tasks (task_id, task_type, task_name, status, success_count, error_count, started_at, completed_at)
VALUES (%(id)s, 'meta', 'roll-up', 'completed', %(hours)s, 0, %(started)s, %(now)s);
