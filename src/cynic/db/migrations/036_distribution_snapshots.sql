-- 036_distribution_snapshots: parameters of fitted distributions
--
-- What a fitted distribution looked like at a moment, to see it drift.
-- migrate:up

CREATE TABLE distribution_snapshots (
    id bigserial PRIMARY KEY,
    distribution_type varchar NOT NULL,
    parameters jsonb NOT NULL DEFAULT '{}',
    captured_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_distribution_snapshots_captured ON distribution_snapshots (captured_at);

COMMENT ON TABLE distribution_snapshots IS 'memory: parameters of fitted distributions at one moment';

CREATE FUNCTION cleanup_distribution_snapshots(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM distribution_snapshots AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM distribution_snapshots AS y
        WHERE y.captured_at < v_before
        ORDER BY y.captured_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_distribution_snapshots(integer, integer) IS 'Deletes snapshots of distributions older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE distribution_snapshots;
DROP FUNCTION cleanup_distribution_snapshots;
