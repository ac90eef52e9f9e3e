-- Driving again what could not be stored, and deriving again what was stored under an older table of names.

-- name: letters
-- Dead letters in the order in which they came; each is tried once in a run.
SELECT d.id, d.signal, d.encoding, d.content
FROM ops_dead_letters AS d
WHERE d.id > %(after)s::bigint
ORDER BY d.id
LIMIT %(limit)s::integer;

-- name: count_letters
-- For the progress of a run.
SELECT count(*) FROM ops_dead_letters;

-- name: deliver
-- A letter that was stored at last is none any more.
DELETE FROM ops_dead_letters AS d WHERE d.id = %(id)s::bigint;

-- name: return_to_sender
-- A letter that still cannot be stored: one more attempt, and why.
UPDATE ops_dead_letters AS d
SET attempts = d.attempts + 1, attempted_at = %(now)s::timestamptz, reason = %(reason)s::text, detail = %(detail)s::text
WHERE d.id = %(id)s::bigint;

-- name: stale_spans
-- Spans whose facts an older table gave, or all of them.
SELECT s.id, s.trace_id, s.span_id, s.parent_span_id, s.operation, s.attributes::text, s.envelope::text
FROM spans AS s
WHERE s.id > %(after)s::bigint AND s.derived_version < %(version)s::integer
ORDER BY s.id
LIMIT %(limit)s::integer;

-- name: count_stale
-- For the progress of a run.
SELECT count(*) FROM spans AS s WHERE s.derived_version < %(version)s::integer;

-- name: stale_events
-- Log records whose facts an older table gave, or all of them.
SELECT r.id, r.digest, r.event_name, r.trace_id, r.span_id, r.session_id, r.attributes::text, r.envelope::text
FROM ops_log_records AS r
WHERE r.id > %(after)s::bigint AND r.derived_version < %(version)s::integer
ORDER BY r.id
LIMIT %(limit)s::integer;

-- name: events_derived
-- What a log record tells stays as it is; only whose session it is may have been found out.
UPDATE ops_log_records AS r
SET derived_version = %(version)s::integer, session_id = g.session_id
FROM unnest(%(digests)s::bytea[], %(sessions)s::text[]) AS g (digest, session_id)
WHERE r.digest = g.digest;
