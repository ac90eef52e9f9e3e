-- 040_learning_events: what the learning loops do
--
-- Each of the eleven loops leaves an event when it learns: thompson, dog-votes, q-learning, calibration,
-- residual, emergence, ewc, dpo, sona, behavior, meta-cognition (an open set, as are the kinds of event).
-- migrate:up

CREATE TABLE learning_events (
    id bigserial PRIMARY KEY,
    loop_type varchar NOT NULL,
    event_type varchar NOT NULL,
    judgment_id varchar,
    feedback_value numeric CHECK (feedback_value >= -1 AND feedback_value <= 1),
    action_taken text,
    weight_delta numeric CHECK (weight_delta > '-Infinity' AND weight_delta < 'Infinity'),
    metadata jsonb NOT NULL DEFAULT '{}',
    timestamp timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_learning_events_loop ON learning_events (loop_type, timestamp DESC);
CREATE INDEX idx_learning_events_timestamp ON learning_events (timestamp);
CREATE INDEX idx_learning_events_judgment ON learning_events (judgment_id);

COMMENT ON TABLE learning_events IS 'learning: what each learning loop did';

CREATE FUNCTION record_learning_event(
    p_loop_type varchar, p_event_type varchar, p_judgment_id varchar DEFAULT NULL, p_feedback_value numeric DEFAULT NULL,
    p_action_taken text DEFAULT NULL, p_weight_delta numeric DEFAULT NULL, p_metadata jsonb DEFAULT '{}'
) RETURNS bigint
    LANGUAGE sql AS $$
    INSERT INTO learning_events (loop_type, event_type, judgment_id, feedback_value, action_taken, weight_delta, metadata)
    VALUES (p_loop_type, p_event_type, p_judgment_id, p_feedback_value, p_action_taken, p_weight_delta, coalesce(p_metadata, '{}'))
    RETURNING id
$$;
COMMENT ON FUNCTION record_learning_event(varchar, varchar, varchar, numeric, text, numeric, jsonb) IS 'Records what a learning loop did; returns the id of the row.';

CREATE FUNCTION get_active_learning_loops(p_since timestamptz DEFAULT date_trunc('day', now(), 'UTC')) RETURNS integer
    LANGUAGE sql STABLE AS $$
    SELECT count(DISTINCT e.loop_type)::integer FROM learning_events AS e WHERE e.timestamp >= p_since
$$;
COMMENT ON FUNCTION get_active_learning_loops(timestamptz) IS 'Loops that did something since a moment, by default midnight UTC.';

CREATE FUNCTION cleanup_old_learning_events(p_days integer DEFAULT 90, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM learning_events AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM learning_events AS y
        WHERE y.timestamp < v_before
        ORDER BY y.timestamp
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_old_learning_events(integer, integer) IS 'Deletes learning events older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE learning_events;
DROP FUNCTION cleanup_old_learning_events;
DROP FUNCTION get_active_learning_loops;
DROP FUNCTION record_learning_event;
