-- The schema in which a demonstration works.

-- name: hold
-- For as long as the session lasts, which no idle limit of the server may end: without it a second demonstration would drop the
-- schema under the first.
SELECT pg_try_advisory_lock(hashtextextended('cynic demo in ' || %(schema)s::text, 0)),
       set_config('idle_session_timeout', '0', false);

-- name: comment
-- No row: there is no such schema. NULL: it is not a demonstration's.
SELECT obj_description(n.oid, 'pg_namespace') FROM pg_namespace AS n WHERE n.nspname = %(schema)s::text;
