-- Money for what telemetry brings. Each statement is part of one transaction that otlp_store.py opens.

-- name: booked_here
-- Which rows of the ledger were booked from telemetry: a row with the bill of a caller is not ours to correct.
SELECT l.id FROM cost_ledger AS l WHERE l.id = ANY (%(ids)s::bigint[]) AND l.source = 'otlp' ORDER BY l.id;
