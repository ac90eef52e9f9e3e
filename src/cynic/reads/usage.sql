-- Tokens, cost and times of model calls over days, and metrics hour by hour. In one snapshot an hour either waits to be
-- rolled up, then its rows tell, with what retention took of it; or its roll-up is exact.

-- name: tokens
-- By day (UTC), provider and model. Where a number was not told by any call it is NULL; beside each sum stands how many
-- calls it does not hold.
WITH dirty AS MATERIALIZED (
    SELECT DISTINCT q.hour_bucket
    FROM ops_rollup_queue AS q
    WHERE (q.source = 'llm' OR q.source IS NULL) AND q.hour_bucket >= %(since)s::timestamptz AND q.hour_bucket < %(until)s::timestamptz
), part AS (
    SELECT h.hour_bucket AS at, h.adapter, h.model, h.metric_name AS metric,
           CASE WHEN d.hour_bucket IS NULL THEN h.sample_count ELSE h.pruned_count END AS number,
           CASE WHEN d.hour_bucket IS NULL THEN h.value ELSE h.pruned_sum END AS total
    FROM telemetry_hourly AS h
    LEFT JOIN dirty AS d ON d.hour_bucket = h.hour_bucket
    WHERE h.metric_name IN ('llm.count', 'llm.tokens_input', 'llm.tokens_output', 'llm.tokens_cache_read', 'llm.tokens_cache_write',
                            'llm.tokens_reasoning', 'llm.cost_usd')
      AND h.hour_bucket >= %(since)s::timestamptz AND h.hour_bucket < %(until)s::timestamptz AND h.sample_count IS NOT NULL
), rolled AS (
    SELECT date_trunc('day', p.at, 'UTC') AS day, p.adapter, p.model,
           coalesce(sum(p.number) FILTER (WHERE p.metric = 'llm.count'), 0) AS calls,
           coalesce(sum(p.number) FILTER (WHERE p.metric = 'llm.tokens_input'), 0) AS told,
           sum(p.total) FILTER (WHERE p.metric = 'llm.tokens_input' AND p.number > 0) AS tokens_input,
           sum(p.total) FILTER (WHERE p.metric = 'llm.tokens_output' AND p.number > 0) AS tokens_output,
           sum(p.total) FILTER (WHERE p.metric = 'llm.tokens_cache_read' AND p.number > 0) AS tokens_cache_read,
           sum(p.total) FILTER (WHERE p.metric = 'llm.tokens_cache_write' AND p.number > 0) AS tokens_cache_write,
           sum(p.total) FILTER (WHERE p.metric = 'llm.tokens_reasoning' AND p.number > 0) AS tokens_reasoning,
           sum(p.total) FILTER (WHERE p.metric = 'llm.cost_usd' AND p.number > 0) AS cost_usd,
           coalesce(sum(p.number) FILTER (WHERE p.metric = 'llm.cost_usd'), 0) AS priced
    FROM part AS p
    GROUP BY 1, 2, 3
), kept AS (
    SELECT date_trunc('day', d.hour_bucket, 'UTC') AS day, left(u.adapter, 200) AS adapter, left(u.model, 200) AS model,
           count(*) AS calls, count(*) FILTER (WHERE u.is_usage_told) AS told,
           sum(u.tokens_input) FILTER (WHERE u.is_usage_told) AS tokens_input,
           sum(u.tokens_output) FILTER (WHERE u.is_usage_told) AS tokens_output,
           sum(u.tokens_cache_read) AS tokens_cache_read, sum(u.tokens_cache_write) AS tokens_cache_write,
           sum(u.tokens_reasoning) AS tokens_reasoning, sum(u.cost_usd) AS cost_usd, count(u.cost_usd) AS priced
    FROM dirty AS d
    CROSS JOIN LATERAL (
        SELECT l.adapter, l.model, l.is_usage_told, l.tokens_input, l.tokens_output, l.tokens_cache_read, l.tokens_cache_write,
               l.tokens_reasoning, l.cost_usd
        FROM llm_usage AS l
        WHERE l.created_at >= d.hour_bucket AND l.created_at < d.hour_bucket + interval '1 hour'
    ) AS u
    GROUP BY 1, 2, 3
)
SELECT (s.day AT TIME ZONE 'UTC')::date AS day, s.adapter, s.model, sum(s.calls)::bigint AS calls,
       sum(s.calls - s.told)::bigint AS untold_calls, sum(s.tokens_input)::bigint AS tokens_input,
       sum(s.tokens_output)::bigint AS tokens_output, sum(s.tokens_cache_read)::bigint AS tokens_cache_read,
       sum(s.tokens_cache_write)::bigint AS tokens_cache_write, sum(s.tokens_reasoning)::bigint AS tokens_reasoning,
       sum(s.cost_usd) AS cost_usd, sum(s.calls - s.priced)::bigint AS unpriced_calls
FROM (SELECT * FROM rolled UNION ALL SELECT * FROM kept) AS s
GROUP BY s.day, s.adapter, s.model
HAVING sum(s.calls) > 0
ORDER BY s.day DESC, sum(s.calls) DESC, s.adapter, s.model;

-- name: hourly
-- A metric as it was rolled up, newest hour first; whether rows of the hour changed since stands beside it.
SELECT h.hour_bucket, h.metric_name, h.operation, h.adapter, h.model, h.sample_count, h.value, h.p50, h.p95, h.p99,
       EXISTS (SELECT FROM ops_rollup_queue AS q
               WHERE q.hour_bucket = h.hour_bucket AND (q.source IS NULL OR starts_with(h.metric_name, q.source || '.'))) AS changing
FROM telemetry_hourly AS h
WHERE h.metric_name = %(metric)s
  AND h.hour_bucket >= %(since)s::timestamptz AND h.hour_bucket < %(until)s::timestamptz
  AND (%(operation)s::text IS NULL OR h.operation = %(operation)s) AND (%(model)s::text IS NULL OR h.model = %(model)s)
ORDER BY h.hour_bucket DESC, h.sample_count DESC NULLS LAST, h.operation, h.adapter, h.model
LIMIT %(limit)s;

-- name: snapshots
-- How the store was at some moments, newest first.
SELECT s.captured_at, s.metrics
FROM telemetry_snapshots AS s
WHERE s.snapshot_type = 'store'
ORDER BY s.captured_at DESC
LIMIT %(limit)s;
