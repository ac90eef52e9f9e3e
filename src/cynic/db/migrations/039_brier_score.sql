-- 039_brier_score: sharpness of predictions
--
-- A prediction is stored as a bounded confidence, 0.618 times a probability, with what happened: 1 or 0. The
-- score undoes the scale first; without predictions there is no score, which is NULL and not perfect.
-- migrate:up

CREATE TABLE brier_predictions (
    id bigserial PRIMARY KEY,
    service_id varchar NOT NULL DEFAULT 'default',
    predicted numeric NOT NULL CHECK (predicted >= 0 AND predicted <= 0.618),
    actual smallint NOT NULL CHECK (actual >= 0 AND actual <= 1),
    metadata jsonb NOT NULL DEFAULT '{}',
    timestamp timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_brier_predictions_service ON brier_predictions (service_id, timestamp DESC);
CREATE INDEX idx_brier_predictions_timestamp ON brier_predictions (timestamp);

COMMENT ON TABLE brier_predictions IS 'learning: predictions scored by Brier: scaled probability against what happened';
COMMENT ON COLUMN brier_predictions.predicted IS 'φ-bounded: 0.618 times a probability';

CREATE FUNCTION get_brier_score(service_id varchar DEFAULT 'default', days integer DEFAULT 30) RETURNS numeric
    LANGUAGE sql STABLE AS $$
    SELECT avg((b.predicted / 0.618 - b.actual) ^ 2)
    FROM brier_predictions AS b
    WHERE b.service_id = get_brier_score.service_id AND b.timestamp >= now() - require_days(get_brier_score.days)
$$;
COMMENT ON FUNCTION get_brier_score(varchar, integer) IS 'Brier score (Brier 1950): mean squared difference of probability and outcome over the last days; 0 is perfect, 0.25 a coin flip, NULL without predictions.';

CREATE FUNCTION cleanup_brier_predictions(p_days integer DEFAULT 90, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM brier_predictions AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM brier_predictions AS y
        WHERE y.timestamp < v_before
        ORDER BY y.timestamp
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_brier_predictions(integer, integer) IS 'Deletes predictions older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE brier_predictions;
DROP FUNCTION cleanup_brier_predictions;
DROP FUNCTION get_brier_score;
