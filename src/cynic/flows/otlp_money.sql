-- Money for what telemetry brings. Each statement is part of one transaction that otlp_store.py opens.

-- name: booked
-- The ledger rows of some calls.
SELECT u.id, u.ledger_id FROM llm_usage AS u WHERE u.id = ANY (%(ids)s::bigint[]) AND u.ledger_id IS NOT NULL;

-- name: entered
-- Which row of the ledger each call has.
UPDATE llm_usage AS u SET ledger_id = g.ledger_id
FROM unnest(%(keys)s::text[], %(entries)s::bigint[]) AS g (call_key, ledger_id)
WHERE u.call_key = g.call_key;
