-- 033_consciousness_metrics: distance, heat and awareness over time
--
-- Three logs of single precision numbers: how far the pack is from itself (seven deltas, 0 or 1 each), how
-- much of its energy became work (efficiency = W / (W + Q), bounded), and how its awareness changed.
-- migrate:up

CREATE TABLE cynic_distance_log (
    id bigserial PRIMARY KEY,
    session_id varchar,
    distance real NOT NULL CHECK (distance >= 0 AND distance <= 0.618),
    state varchar NOT NULL CHECK (state IN ('dormant', 'awake', 'active')),
    delta_perception smallint CHECK (delta_perception >= 0 AND delta_perception <= 1),
    delta_judgment smallint CHECK (delta_judgment IN (0, 1)),
    delta_memory smallint CHECK (delta_memory IN (0, 1)),
    delta_consensus smallint CHECK (delta_consensus IN (0, 1)),
    delta_economics smallint CHECK (delta_economics IN (0, 1)),
    delta_phi smallint CHECK (delta_phi IN (0, 1)),
    delta_residual smallint CHECK (delta_residual IN (0, 1)),
    active_axioms text[] NOT NULL DEFAULT '{}',
    lead_dog varchar CHECK (lead_dog IN ('CYNIC', 'Analyst', 'Sage', 'Scholar', 'Guardian', 'Oracle', 'Architect', 'Deployer', 'Janitor', 'Scout', 'Cartographer')),
    timestamp timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_cynic_distance_log_timestamp ON cynic_distance_log (timestamp);

COMMENT ON TABLE cynic_distance_log IS 'system: how far the pack is from itself: seven deltas and their sum';
COMMENT ON COLUMN cynic_distance_log.distance IS 'φ-bounded: distance in [0, 0.618]';

CREATE TABLE thermodynamic_snapshots (
    id bigserial PRIMARY KEY,
    session_id varchar,
    heat real NOT NULL CHECK (heat >= 0 AND heat < 'Infinity'),
    work real NOT NULL CHECK (work >= 0 AND work < 'Infinity'),
    temperature real NOT NULL CHECK (temperature >= 0 AND temperature < 'Infinity'),
    efficiency real NOT NULL CHECK (efficiency >= 0 AND efficiency <= 0.618),
    entropy real NOT NULL CHECK (entropy >= 0 AND entropy < 'Infinity'),
    timestamp timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_thermodynamic_snapshots_timestamp ON thermodynamic_snapshots (timestamp);

COMMENT ON TABLE thermodynamic_snapshots IS 'system: useful work against wasted heat';
COMMENT ON COLUMN thermodynamic_snapshots.heat IS 'Q: wasted energy';
COMMENT ON COLUMN thermodynamic_snapshots.work IS 'W: useful output';
COMMENT ON COLUMN thermodynamic_snapshots.temperature IS 'T: accumulated heat';
COMMENT ON COLUMN thermodynamic_snapshots.efficiency IS 'φ-bounded: W / (W + Q), at most 0.618';
COMMENT ON COLUMN thermodynamic_snapshots.entropy IS 'S: disorder';

CREATE TABLE consciousness_transitions (
    id bigserial PRIMARY KEY,
    session_id varchar,
    awareness_level real NOT NULL CHECK (awareness_level >= 0 AND awareness_level <= 1),
    state varchar NOT NULL CHECK (state IN ('DORMANT', 'AWAKENING', 'AWARE', 'HEIGHTENED', 'TRANSCENDENT')),
    avg_confidence real CHECK (avg_confidence >= 0 AND avg_confidence <= 0.618),
    pattern_count integer NOT NULL DEFAULT 0 CHECK (pattern_count >= 0),
    prediction_accuracy real CHECK (prediction_accuracy >= 0 AND prediction_accuracy <= 1),
    timestamp timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_consciousness_transitions_timestamp ON consciousness_transitions (timestamp);

COMMENT ON TABLE consciousness_transitions IS 'system: changes of awareness with the numbers behind them';
COMMENT ON COLUMN consciousness_transitions.avg_confidence IS 'φ-bounded: 0.618 times a probability';

CREATE FUNCTION cleanup_consciousness_metrics(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000)
    RETURNS TABLE (distances_deleted bigint, thermodynamics_deleted bigint, transitions_deleted bigint)
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_batch CONSTANT integer := require_batch(p_batch);
BEGIN
    DELETE FROM cynic_distance_log AS x WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM cynic_distance_log AS y WHERE y.timestamp < v_before ORDER BY y.timestamp LIMIT v_batch));
    GET DIAGNOSTICS distances_deleted = ROW_COUNT;
    DELETE FROM thermodynamic_snapshots AS x WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM thermodynamic_snapshots AS y WHERE y.timestamp < v_before ORDER BY y.timestamp LIMIT v_batch));
    GET DIAGNOSTICS thermodynamics_deleted = ROW_COUNT;
    DELETE FROM consciousness_transitions AS x WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM consciousness_transitions AS y WHERE y.timestamp < v_before ORDER BY y.timestamp LIMIT v_batch));
    GET DIAGNOSTICS transitions_deleted = ROW_COUNT;
    RETURN NEXT;
END;
$$;
COMMENT ON FUNCTION cleanup_consciousness_metrics(integer, integer) IS 'Deletes distances, thermodynamics and transitions older than p_days; at most p_batch a table and call. Returns how many of each; repeat until all are fewer.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE consciousness_transitions;
DROP TABLE thermodynamic_snapshots;
DROP TABLE cynic_distance_log;
DROP FUNCTION cleanup_consciousness_metrics;
