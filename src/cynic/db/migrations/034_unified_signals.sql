-- 034_unified_signals: one signal for everything that can be learned from
--
-- Whatever its source (a tool, a judgment, a person), an event worth learning from is one row with the same
-- five documents; a signal is kept for 30 days.
-- migrate:up

CREATE TABLE unified_signals (
    id text PRIMARY KEY,
    source varchar NOT NULL,
    session_id varchar,
    input jsonb NOT NULL DEFAULT '{}',
    judgment jsonb NOT NULL DEFAULT '{}',
    outcome jsonb NOT NULL DEFAULT '{}',
    telemetry jsonb NOT NULL DEFAULT '{}',
    learning jsonb NOT NULL DEFAULT '{}',
    metadata jsonb NOT NULL DEFAULT '{}',
    timestamp timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_unified_signals_timestamp ON unified_signals (timestamp DESC);
CREATE INDEX idx_unified_signals_session ON unified_signals (session_id);
CREATE INDEX idx_unified_signals_source ON unified_signals (source);

COMMENT ON TABLE unified_signals IS 'learning: one row for everything that can be learned from, whatever its source';
COMMENT ON COLUMN unified_signals.judgment IS '{judgmentId, qScore, verdict, confidence}';

CREATE FUNCTION cleanup_unified_signals(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM unified_signals AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM unified_signals AS y
        WHERE y.timestamp < v_before
        ORDER BY y.timestamp
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_unified_signals(integer, integer) IS 'Deletes signals older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE unified_signals;
DROP FUNCTION cleanup_unified_signals;
