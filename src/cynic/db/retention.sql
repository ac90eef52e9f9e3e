-- The retention rules of the schema: which cleanup functions there are.

-- name: functions
-- Every cleanup function, with whether it counts days; each deletes at most one batch per call.
SELECT p.proname, 'p_days' = ANY (p.proargnames) AS by_age
FROM pg_proc AS p
WHERE p.pronamespace = quote_ident(current_schema())::regnamespace AND p.proname LIKE 'cleanup\_%'
ORDER BY p.proname;
