-- 022_session_patterns: patterns of one session
--
-- What repeats within a session, before it is seen often enough to be a pattern of its own.
-- migrate:up

CREATE TABLE session_patterns (
    id bigserial PRIMARY KEY,
    session_id varchar NOT NULL,
    pattern_type varchar NOT NULL,
    pattern_data jsonb NOT NULL DEFAULT '{}',
    detected_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_session_patterns_session ON session_patterns (session_id);
CREATE INDEX idx_session_patterns_detected ON session_patterns (detected_at);

COMMENT ON TABLE session_patterns IS 'memory: patterns noticed within a session';

CREATE FUNCTION cleanup_session_patterns(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM session_patterns AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM session_patterns AS y
        WHERE y.detected_at < v_before
        ORDER BY y.detected_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_session_patterns(integer, integer) IS 'Deletes session patterns older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE session_patterns;
DROP FUNCTION cleanup_session_patterns;
