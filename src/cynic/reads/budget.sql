-- What the budget is, where the money went, and whether the ledger agrees with it.

-- name: state
-- The state now: burn rates as of this moment, expired holds not counted, whoever comes to end them.
SELECT b.budget_limit_usd, b.budget_consumed_usd,
       b.budget_held_usd - coalesce((
           SELECT sum(r.estimated_usd) FROM ops_budget_reservations AS r
           WHERE r.state = 'held' AND r.expires_at <= %(now)s::timestamptz), 0) AS held,
       b.budget_remaining_usd, b.budget_level, b.circuit_breaker_active, f.usd_per_hour_five_minutes, f.usd_per_hour_hour,
       f.usd_per_hour_day, f.burning_since, b.velocity_alarm, b.total_calls, b.calls_anthropic, b.calls_ollama, b.cost_saved_usd,
       b.last_reset, b.next_reset, b.last_updated
FROM budget_state AS b
CROSS JOIN get_budget_burn(%(now)s::timestamptz) AS f
WHERE b.id = 1;

-- name: counts
-- What asks for a person: refusals of this period, rows without a price, alerts that nobody has seen.
SELECT (SELECT count(*) FROM ops_budget_reservations AS r WHERE r.state = 'refused' AND r.created_at >= %(since)s::timestamptz),
       (SELECT count(*) FROM cost_ledger AS l
        WHERE l.cost_usd IS NULL
          AND NOT EXISTS (SELECT FROM cost_ledger AS c WHERE c.corrects_id = l.id)),
       (SELECT count(*) FROM budget_alerts AS a WHERE NOT a.acknowledged);

-- name: by_model
-- Where the money of this period went: models, the dearest first, and all that are not among them as one more row.
WITH models AS (
    SELECT l.provider, l.model, sum(l.cost_usd) - sum(l.credit_usd) AS cost_usd,
           count(*) FILTER (WHERE l.corrects_id IS NULL) AS calls, sum(l.tokens_input) AS tokens_input,
           sum(l.tokens_output) AS tokens_output
    FROM cost_ledger AS l
    WHERE l.timestamp >= %(since)s::timestamptz AND NOT l.is_past
    GROUP BY l.provider, l.model
), ranked AS (
    SELECT m.*, row_number() OVER (ORDER BY m.cost_usd DESC NULLS LAST, m.calls DESC, m.provider, m.model) AS place
    FROM models AS m
)
SELECT (array_agg(r.provider))[1] AS provider, (array_agg(r.model))[1] AS model, sum(r.cost_usd) AS cost_usd,
       sum(r.calls)::bigint AS calls, sum(r.tokens_input)::bigint AS tokens_input, sum(r.tokens_output)::bigint AS tokens_output,
       CASE WHEN min(r.place) > %(limit)s::integer THEN count(*) END AS others
FROM ranked AS r
GROUP BY least(r.place, %(limit)s::integer + 1)
ORDER BY min(r.place);

-- name: by_session
-- Where the money of this period went: sessions, the dearest first, and all that are not among them as one more row.
WITH sessions AS (
    SELECT l.session_id, sum(l.cost_usd) - sum(l.credit_usd) AS cost_usd, count(*) FILTER (WHERE l.corrects_id IS NULL) AS calls
    FROM cost_ledger AS l
    WHERE l.timestamp >= %(since)s::timestamptz AND NOT l.is_past
    GROUP BY l.session_id
), ranked AS (
    SELECT s.*, row_number() OVER (ORDER BY s.cost_usd DESC NULLS LAST, s.calls DESC, s.session_id) AS place FROM sessions AS s
)
SELECT (array_agg(r.session_id))[1] AS session_id, sum(r.cost_usd) AS cost_usd, sum(r.calls)::bigint AS calls,
       CASE WHEN min(r.place) > %(limit)s::integer THEN count(*) END AS others
FROM ranked AS r
GROUP BY least(r.place, %(limit)s::integer + 1)
ORDER BY min(r.place);

-- name: refusals
-- Why callers were stopped, the newest first.
SELECT r.created_at, r.provider, r.model, r.estimated_usd, r.reason, r.session_id
FROM ops_budget_reservations AS r
WHERE r.state = 'refused' AND r.created_at >= %(since)s::timestamptz
ORDER BY r.created_at DESC
LIMIT %(limit)s::integer;

-- name: alerts
-- Alerts, those that nobody has seen first, then the newest.
SELECT a.id, a.alert_type, a.severity, a.message, a.budget_consumed_usd, a.budget_level, a.burn_rate, a.timestamp, a.acknowledged,
       a.acknowledged_by, a.acknowledged_at
FROM budget_alerts AS a
ORDER BY a.acknowledged, a.timestamp DESC, a.id DESC
LIMIT %(limit)s::integer;

-- name: unpriced
-- Calls without a price, by model and reason, the most frequent first.
SELECT l.provider, l.model, l.unpriced_reason, count(*), sum(l.tokens_input), sum(l.tokens_output),
       min(l.timestamp), max(l.timestamp), sum(l.claimed_cost_usd)
FROM cost_ledger AS l
WHERE l.cost_usd IS NULL AND NOT EXISTS (SELECT FROM cost_ledger AS c WHERE c.corrects_id = l.id)
GROUP BY l.provider, l.model, l.unpriced_reason
ORDER BY 4 DESC, 1, 2, 3
LIMIT %(limit)s::integer;

-- name: changes
-- Changes of the limit and resets, the newest first.
SELECT c.id, c.kind, c.limit_before_usd, c.limit_after_usd, c.consumed_usd, c.cost_saved_usd, c.total_calls, c.period_began,
       c.last_ledger_id, c.changed_at, c.changed_by
FROM ops_budget_changes AS c
ORDER BY c.id DESC
LIMIT %(limit)s::integer;

-- name: cheaper
-- What is taken instead when money gets short.
SELECT c.provider, c.model, c.cheaper_provider, c.cheaper_model FROM ops_cheaper_models AS c ORDER BY c.provider, c.model;

-- name: audit
-- The ledger read anew, in its order: its sum since the last reset, and each place where it does not meet the row before.
WITH ledger AS (
    SELECT l.id, l.budget_before, l.budget_after, coalesce(l.cost_usd, 0) - l.credit_usd AS booked, l.timestamp,
           lag(l.budget_after) OVER (ORDER BY l.id) AS former, lag(l.timestamp) OVER (ORDER BY l.id) AS former_at
    FROM cost_ledger AS l
), resets AS (
    SELECT c.changed_at FROM ops_budget_changes AS c WHERE c.kind = 'reset'
)
SELECT b.budget_consumed_usd,
       coalesce((SELECT sum(l.booked) FROM ledger AS l WHERE l.timestamp >= b.last_reset), 0),
       (SELECT count(*) FROM ledger AS l WHERE l.budget_after <> l.budget_before + l.booked),
       (SELECT count(*) FROM ledger AS l
        WHERE l.budget_before <> CASE
            WHEN EXISTS (SELECT FROM resets AS x WHERE x.changed_at > l.former_at AND x.changed_at <= l.timestamp) THEN 0
            ELSE coalesce(l.former, 0) END),
       (SELECT count(*) FROM ledger AS l WHERE l.timestamp < l.former_at),
       b.budget_held_usd,
       coalesce((SELECT sum(r.estimated_usd) FROM ops_budget_reservations AS r WHERE r.state = 'held'), 0),
       (SELECT count(*) FROM cost_ledger AS l)
FROM budget_state AS b
WHERE b.id = 1;
