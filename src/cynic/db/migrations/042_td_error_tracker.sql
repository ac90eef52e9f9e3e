-- 042_td_error_tracker: temporal-difference errors
--
-- One row for each update of Q-learning, with the rolling mean and whether it has converged or drifts.
-- migrate:up

CREATE TABLE td_error_tracker (
    id bigserial PRIMARY KEY,
    service_id varchar NOT NULL DEFAULT 'default',
    state text NOT NULL,
    action text NOT NULL,
    td_error double precision NOT NULL CHECK (td_error > '-Infinity' AND td_error < 'Infinity'),
    rolling_avg_td_error double precision CHECK (rolling_avg_td_error > '-Infinity' AND rolling_avg_td_error < 'Infinity'),
    is_converged boolean NOT NULL DEFAULT false,
    is_drift boolean NOT NULL DEFAULT false,
    current_q double precision CHECK (current_q > '-Infinity' AND current_q < 'Infinity'),
    target double precision CHECK (target > '-Infinity' AND target < 'Infinity'),
    reward double precision CHECK (reward > '-Infinity' AND reward < 'Infinity'),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_td_error_service ON td_error_tracker (service_id, created_at DESC);
CREATE INDEX idx_td_error_convergence ON td_error_tracker (is_converged, rolling_avg_td_error);
CREATE INDEX idx_td_error_drift ON td_error_tracker (is_drift, created_at DESC);
CREATE INDEX idx_td_error_created ON td_error_tracker (created_at);

COMMENT ON TABLE td_error_tracker IS 'learning: temporal-difference errors with convergence and drift';

CREATE FUNCTION cleanup_td_errors(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM td_error_tracker AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM td_error_tracker AS y
        WHERE y.created_at < v_before
        ORDER BY y.created_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_td_errors(integer, integer) IS 'Deletes temporal-difference errors older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE td_error_tracker;
DROP FUNCTION cleanup_td_errors;
