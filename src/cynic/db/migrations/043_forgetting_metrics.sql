-- 043_forgetting_metrics: catastrophic forgetting
--
-- For each kind of task a baseline and the accuracies since; backward transfer is the difference. An alarm
-- stays until somebody acknowledges it.
-- migrate:up

CREATE TABLE forgetting_baselines (
    id bigserial PRIMARY KEY,
    task_type varchar NOT NULL UNIQUE,
    baseline_accuracy numeric NOT NULL CHECK (baseline_accuracy >= 0 AND baseline_accuracy <= 1),
    sample_count integer NOT NULL DEFAULT 1 CHECK (sample_count >= 0),
    created_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE forgetting_baselines IS 'learning: the accuracy of a kind of task that forgetting is measured against';

CREATE TABLE forgetting_judgments (
    id bigserial PRIMARY KEY,
    task_type varchar NOT NULL,
    judgment_id varchar NOT NULL,
    accuracy numeric NOT NULL CHECK (accuracy >= 0 AND accuracy <= 1),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_forgetting_judgments_task ON forgetting_judgments (task_type, created_at DESC);
CREATE INDEX idx_forgetting_judgments_created ON forgetting_judgments (created_at);

COMMENT ON TABLE forgetting_judgments IS 'learning: accuracies by kind of task over time';

CREATE TABLE forgetting_metrics (
    id bigserial PRIMARY KEY,
    average_bwt numeric NOT NULL CHECK (average_bwt >= -1 AND average_bwt <= 1),
    task_count integer NOT NULL DEFAULT 0 CHECK (task_count >= 0),
    catastrophic_count integer NOT NULL DEFAULT 0 CHECK (catastrophic_count >= 0),
    catastrophic_tasks jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_forgetting_metrics_created ON forgetting_metrics (created_at);

COMMENT ON TABLE forgetting_metrics IS 'learning: backward transfer over all kinds of task';
COMMENT ON COLUMN forgetting_metrics.average_bwt IS 'backward transfer, [-1, 1]';

CREATE TABLE forgetting_alerts (
    id bigserial PRIMARY KEY,
    alert_type varchar NOT NULL,
    catastrophic_count integer NOT NULL DEFAULT 0 CHECK (catastrophic_count >= 0),
    catastrophic_tasks jsonb NOT NULL DEFAULT '[]',
    average_bwt numeric NOT NULL CHECK (average_bwt >= -1 AND average_bwt <= 1),
    acknowledged boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_forgetting_alerts_created ON forgetting_alerts (created_at);

COMMENT ON TABLE forgetting_alerts IS 'learning: alarms of catastrophic forgetting, until acknowledged';

CREATE FUNCTION cleanup_forgetting_judgments(p_days integer DEFAULT 90, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM forgetting_judgments AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM forgetting_judgments AS y
        WHERE y.created_at < v_before
        ORDER BY y.created_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_forgetting_judgments(integer, integer) IS 'Deletes accuracies older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';
CREATE FUNCTION cleanup_forgetting_alerts(p_days integer DEFAULT 90, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM forgetting_alerts AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM forgetting_alerts AS y
        WHERE y.created_at < v_before AND y.acknowledged
        ORDER BY y.created_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_forgetting_alerts(integer, integer) IS 'Deletes acknowledged alarms of forgetting older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE forgetting_alerts;
DROP TABLE forgetting_metrics;
DROP TABLE forgetting_judgments;
DROP TABLE forgetting_baselines;
DROP FUNCTION cleanup_forgetting_alerts;
DROP FUNCTION cleanup_forgetting_judgments;
