-- How the store is at a moment.

-- name: take
-- Sizes as the server knows them, numbers of rows as the planner does: nothing is counted. NULL is not known.
INSERT INTO telemetry_snapshots (snapshot_type, metrics, captured_at)
SELECT 'store', jsonb_build_object(
           'database_bytes', pg_database_size(current_database()),
           'disk_free_bytes', %(disk_free_bytes)s::bigint,
           'hours_waiting', (SELECT count(*) FROM (SELECT DISTINCT q.source, q.hour_bucket FROM ops_rollup_queue AS q) AS w),
           'oldest_trace_at', (SELECT min(t.started_at) FROM traces AS t),
           'newest_trace_at', (SELECT max(t.started_at) FROM traces AS t),
           'tables', (SELECT jsonb_object_agg(c.relname, jsonb_build_object(
                          'bytes', pg_total_relation_size(c.oid),
                          'rows_estimate', CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END))
                      FROM pg_class AS c
                      WHERE c.relnamespace = quote_ident(current_schema())::regnamespace
                        AND c.relname IN ('traces', 'spans', 'llm_usage', 'tool_usage', 'telemetry_hourly'))),
       %(now)s::timestamptz
WHERE NOT EXISTS (SELECT FROM telemetry_snapshots AS s
                  WHERE s.snapshot_type = 'store' AND s.captured_at > %(since)s::timestamptz);
