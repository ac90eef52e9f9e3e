-- Tokens and cost of model calls by day, and metrics hour by hour.

-- name: tokens
-- By day (UTC), provider and model, exact in every snapshot. Where a number was not told by any call it is NULL; beside each
-- sum stands how many calls it does not hold.
SELECT (d.day_bucket AT TIME ZONE 'UTC')::date AS day, d.adapter, d.model, sum(d.calls)::bigint AS calls, sum(d.calls - d.told_calls)::bigint AS untold_calls,
       CASE WHEN sum(d.told_calls) > 0 THEN sum(d.tokens_input)::bigint END AS tokens_input,
       CASE WHEN sum(d.told_calls) > 0 THEN sum(d.tokens_output)::bigint END AS tokens_output,
       CASE WHEN sum(d.cache_read_calls) > 0 THEN sum(d.tokens_cache_read)::bigint END AS tokens_cache_read,
       CASE WHEN sum(d.cache_write_calls) > 0 THEN sum(d.tokens_cache_write)::bigint END AS tokens_cache_write,
       CASE WHEN sum(d.reasoning_calls) > 0 THEN sum(d.tokens_reasoning)::bigint END AS tokens_reasoning,
       CASE WHEN sum(d.priced_calls) > 0 THEN sum(d.cost_usd) END AS cost_usd,
       sum(d.calls - d.priced_calls)::bigint AS unpriced_calls
FROM ops_llm_days AS d
WHERE d.day_bucket >= %(since)s::date::timestamp AT TIME ZONE 'UTC' AND d.day_bucket <= %(until)s::date::timestamp AT TIME ZONE 'UTC'
GROUP BY d.day_bucket, d.adapter, d.model
HAVING sum(d.calls) > 0
ORDER BY d.day_bucket DESC, sum(d.calls) DESC, d.adapter, d.model;

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
