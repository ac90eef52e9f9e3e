-- Money for what telemetry brings. Each statement but the first is part of one transaction.

-- name: any_unbooked
-- Whether a call waits to be booked.
SELECT EXISTS (SELECT FROM llm_usage AS u WHERE u.ledger_id IS NULL);

-- name: only_booker
-- The lock of who writes telemetry, taken before that of the budget as there, and its plans: see otlp_store.sql.
SELECT set_config('enable_seqscan', 'off', true),
       pg_advisory_xact_lock(hashtextextended('cynic telemetry of ' || current_schema(), 0));

-- name: unbooked
-- Calls that wait to be booked, the oldest first; those that somebody is writing come later.
SELECT u.id, u.call_key, u.adapter, u.model, u.response_id, u.trace_id, u.span_id, u.session_id, u.operation, u.status,
       u.reported_by, u.started_at, u.created_at, u.latency_ms, u.tokens_input, u.tokens_output, u.tokens_cache_read,
       u.tokens_cache_write, u.tokens_reasoning, u.claimed_cost_usd, u.is_usage_told, u.is_input_exclusive, u.ledger_id
FROM llm_usage AS u
WHERE u.ledger_id IS NULL
ORDER BY u.id
LIMIT %(limit)s::integer
FOR NO KEY UPDATE SKIP LOCKED;

-- name: booked
-- What stored calls cost, and their rows of the ledger.
UPDATE llm_usage AS u SET cost_usd = g.cost_usd, ledger_id = g.ledger_id
FROM unnest(%(ids)s::bigint[], %(costs)s::numeric[], %(entries)s::bigint[]) AS g (id, cost_usd, ledger_id)
WHERE u.id = g.id;

-- name: sums
-- What rows of the ledger cost, and what of that the budget is not charged.
SELECT coalesce(sum(l.cost_usd), 0), coalesce(sum(l.credit_usd), 0) FROM cost_ledger AS l WHERE l.id = ANY (%(ids)s::bigint[]);

-- name: otherwise
-- Which of some rows were booked with another cost, by our prices: a row with the bill of a caller is not ours to correct,
-- nor is one that a person corrected.
SELECT l.id
FROM unnest(%(ids)s::bigint[], %(costs)s::numeric[]) AS g (id, cost_usd)
JOIN cost_ledger AS l ON l.id = g.id
WHERE l.source IN ('otlp', 'transcript')
  AND NOT EXISTS (SELECT FROM cost_ledger AS c WHERE c.corrects_id = l.id AND c.source = 'correction')
  AND (l.our_cost_usd IS DISTINCT FROM g.cost_usd OR l.id = ANY (ARRAY(
    SELECT c.corrects_id FROM cost_ledger AS c WHERE c.corrects_id = ANY (%(ids)s::bigint[]))))
ORDER BY l.id;

-- name: elsewhere
-- Of rows of the ledger those whose call is booked in another row too, by its response id; its span is a key of that one now.
WITH given AS (
    SELECT g.*
    FROM unnest(%(entries)s::bigint[], %(providers)s::text[], %(responses)s::text[], %(traces)s::text[], %(spans)s::text[])
         AS g (ledger_id, provider, response_id, trace_id, span_id)
), found AS (
    SELECT g.*, l.id
    FROM given AS g
    JOIN cost_ledger AS l ON l.response_id = g.response_id AND (l.provider || '' = g.provider OR 'unknown' IN (l.provider, g.provider)) AND l.id <> g.ledger_id
), told AS (
    INSERT INTO ops_cost_reports (ledger_id, source, provider, response_id, trace_id, span_id)
    SELECT f.id, 'otlp', f.provider, f.response_id, f.trace_id, f.span_id FROM found AS f
)
SELECT f.ledger_id, f.id FROM found AS f;
