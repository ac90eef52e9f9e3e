-- 011_orchestration: the log of orchestration
--
-- What happened to each task, in order. Tasks themselves come in 015, which ties the log to them.
-- migrate:up

CREATE TABLE orchestration_log (
    id bigserial PRIMARY KEY,
    task_id varchar,
    event_type varchar NOT NULL,
    event_data jsonb NOT NULL DEFAULT '{}',
    logged_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_orchestration_log_task ON orchestration_log (task_id, logged_at);
CREATE INDEX idx_orchestration_log_logged ON orchestration_log (logged_at);

COMMENT ON TABLE orchestration_log IS 'orchestration: what happened to a task, step by step';

CREATE FUNCTION cleanup_orchestration_logs(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM orchestration_log AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM orchestration_log AS y
        WHERE y.logged_at < v_before
        ORDER BY y.logged_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_orchestration_logs(integer, integer) IS 'Deletes log entries older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE orchestration_log;
DROP FUNCTION cleanup_orchestration_logs;
