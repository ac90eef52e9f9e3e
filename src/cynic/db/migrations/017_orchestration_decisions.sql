-- 017_orchestration_decisions: how orchestration decided
--
-- A decision is a log entry whose data names its outcome (ALLOW, BLOCK …); an index finds them, and a function
-- counts them over a window.
-- migrate:up

CREATE INDEX idx_orchestration_log_outcome ON orchestration_log ((event_data ->> 'outcome')) WHERE event_data ? 'outcome';

CREATE FUNCTION get_orchestration_outcomes(p_days integer DEFAULT 7)
    RETURNS TABLE (outcome text, decisions bigint)
    LANGUAGE sql STABLE AS $$
    SELECT l.event_data ->> 'outcome', count(*)
    FROM orchestration_log AS l
    WHERE l.event_data ? 'outcome' AND l.logged_at >= now() - require_days(p_days)
    GROUP BY 1
    ORDER BY 2 DESC, 1
$$;
COMMENT ON FUNCTION get_orchestration_outcomes(integer) IS 'Decisions of the last p_days by outcome; no row for what did not occur.';

-- migrate:down

DROP INDEX idx_orchestration_log_outcome;
DROP FUNCTION get_orchestration_outcomes;
