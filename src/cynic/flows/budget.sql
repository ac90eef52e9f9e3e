-- The budget: one statement does whatever was gathered.

-- name: transact
-- One lock, one commit, any number of operations.
SELECT t.place, t.outcome, t.found_ledger, t.booked_before, t.booked_after, t.booked_level, t.booked_degraded, t.held_state,
       t.held_decision, t.held_reason, t.held_usd, t.held_provider, t.held_model, t.held_until, t.done_at
FROM transact_budget(%(operations)s::jsonb, %(now)s::timestamptz) AS t;

-- name: book_calls
-- Calls that nobody reserved, all in one step.
SELECT b.ids, b.linked FROM book_calls(%(calls)s::jsonb, %(now)s::timestamptz) AS b;

-- name: needs_tending
-- Whether time alone changed something: a hold is over, or money burned within the last day.
SELECT EXISTS (SELECT FROM ops_budget_reservations AS r WHERE r.state = 'held' AND r.expires_at <= %(now)s::timestamptz)
    OR b.burn_rate_usd_per_hour > 0 OR b.velocity_alarm
FROM budget_state AS b
WHERE b.id = 1;

-- name: holds
-- Whom the reservations are for: this never changes, so it is asked without the lock, to price what is settled. One by
-- one: a plan for a list, made while the table was small, would go on reading it whole.
SELECT r.reservation_id, r.provider, r.model, r.asked_provider, r.asked_model, r.session_id, r.task_id, r.task_type, r.router_type,
       r.task_complexity
FROM unnest(%(ids)s::uuid[]) AS g (id)
CROSS JOIN LATERAL (SELECT x.* FROM ops_budget_reservations AS x WHERE x.reservation_id = g.id OFFSET 0) AS r;

-- name: asked
-- All that was asked for reservations, to tell a repetition from another request.
SELECT r.reservation_id, r.estimated_usd, r.expires_at - r.created_at, r.asked_provider, r.asked_model, r.session_id, r.task_id,
       r.task_type, r.router_type, r.task_complexity
FROM unnest(%(ids)s::uuid[]) AS g (id)
CROSS JOIN LATERAL (SELECT x.* FROM ops_budget_reservations AS x WHERE x.reservation_id = g.id OFFSET 0) AS r;

-- name: reported
-- What was reported under keys that clients gave, to tell a repetition from another request.
SELECT p.request_key, p.linked, p.claimed_cost_usd, l.provider, l.model, l.tokens_input, l.tokens_output, l.usage, l.session_id,
       l.task_id, l.router_type, l.task_type, l.task_complexity, l.source, l.occurred_at, l.response_id, l.trace_id, l.span_id
FROM unnest(%(keys)s::text[]) AS g (request_key)
CROSS JOIN LATERAL (SELECT x.* FROM ops_cost_reports AS x WHERE x.request_key = g.request_key OFFSET 0) AS p
CROSS JOIN LATERAL (SELECT x.* FROM cost_ledger AS x WHERE x.id = p.ledger_id OFFSET 0) AS l;

-- name: entries
-- Ledger rows of calls that were booked before.
SELECT l.id, l.session_id, l.task_id, l.router_type, l.provider, l.model, l.tokens_input, l.tokens_output, l.cost_usd,
       l.source, l.unpriced_reason, l.our_cost_usd, l.claimed_cost_usd, l.price_source, l.price_version, l.budget_before, l.budget_after,
       l.budget_level, l.degraded, l.circuit_breaker_active, l.savings_usd, l.timestamp, l.response_id, l.trace_id, l.span_id,
       l.task_type, l.task_complexity, l.corrects_id, l.credit_usd, l.is_past
FROM unnest(%(ids)s::bigint[]) AS g (id)
CROSS JOIN LATERAL (SELECT x.* FROM cost_ledger AS x WHERE x.id = g.id OFFSET 0) AS l;

-- name: set_limit
-- Under the lock of the budget; refused when somebody else changed the limit that the caller saw.
SELECT b.id FROM set_budget_limit(%(limit)s::numeric, %(expected)s::numeric, %(by)s::varchar, %(next_reset)s::timestamptz,
                                  %(now)s::timestamptz) AS b;

-- name: reset
-- A new period; what the former one was is kept.
SELECT b.id FROM reset_budget(%(limit)s::numeric, %(by)s::varchar, %(next_reset)s::timestamptz, %(now)s::timestamptz) AS b;

-- name: correct
-- What a call truly cost, as a row that points at it; NULL when that is booked already.
SELECT correct_cost(%(ledger_id)s::bigint, %(cost)s::numeric, %(reason)s::text, %(source)s::varchar, %(version)s::varchar,
                    %(now)s::timestamptz, %(reporter)s::varchar);

-- name: repriced
-- What is shown of a call that has a price by now: with the call, and with its trace.
WITH changed AS (
    UPDATE llm_usage AS u SET cost_usd = %(cost)s::numeric
    FROM cost_ledger AS l
    WHERE l.id = %(ledger_id)s::bigint AND u.ledger_id = l.id
      AND (u.response_id = l.response_id OR u.trace_id = l.trace_id)
    RETURNING u.trace_id
)
UPDATE traces AS t SET cost_usd = coalesce(t.cost_usd, 0) + %(cost)s::numeric
FROM changed AS c
WHERE t.trace_id = c.trace_id;

-- name: unpriced
-- What still has no price, the oldest first: neither its own row nor a later one names a cost.
SELECT l.id, l.provider, l.model, l.tokens_input, l.tokens_output, l.usage, l.unpriced_reason,
       coalesce(l.occurred_at, l.timestamp)
FROM cost_ledger AS l
WHERE l.cost_usd IS NULL AND l.id > %(after)s::bigint
  AND NOT EXISTS (SELECT FROM cost_ledger AS c WHERE c.corrects_id = l.id)
ORDER BY l.id
LIMIT %(limit)s::integer;

-- name: acknowledge
-- A person has seen it; the first one stays.
UPDATE budget_alerts AS a
SET acknowledged = true, acknowledged_by = coalesce(a.acknowledged_by, %(by)s::varchar),
    acknowledged_at = coalesce(a.acknowledged_at, %(now)s::timestamptz)
WHERE a.id = %(alert_id)s::bigint
RETURNING a.id;

-- name: set_cheaper
-- What to take instead when money gets short.
INSERT INTO ops_cheaper_models (provider, model, cheaper_provider, cheaper_model)
VALUES (%(provider)s::varchar, %(model)s::varchar, %(cheaper_provider)s::varchar, %(cheaper_model)s::varchar)
ON CONFLICT (provider, model) DO UPDATE
SET cheaper_provider = EXCLUDED.cheaper_provider, cheaper_model = EXCLUDED.cheaper_model;

-- name: unset_cheaper
-- Nothing is taken instead any more.
DELETE FROM ops_cheaper_models AS c WHERE c.provider = %(provider)s::varchar AND c.model = %(model)s::varchar;
