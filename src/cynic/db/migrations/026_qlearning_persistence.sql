-- 026_qlearning_persistence: Q-learning: the table, its episodes, and patterns shared between services
--
-- The Q-table of a service is one document, {table, visits, stats}; the service 'default' comes with the
-- schema, as does the default row of shared patterns. Of the episodes the newest 1000 of each service stay.
-- migrate:up

CREATE TABLE qlearning_state (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    service_id varchar NOT NULL DEFAULT 'default' UNIQUE,
    q_table jsonb NOT NULL DEFAULT '{"table": {}, "visits": {}, "stats": {"updates": 0, "states": 0}}',
    exploration_rate numeric NOT NULL DEFAULT 0.1 CHECK (exploration_rate >= 0 AND exploration_rate <= 1),
    stats jsonb NOT NULL DEFAULT '{"episodes": 0, "updates": 0, "correctPredictions": 0}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_qlearning_state_updated ON qlearning_state (updated_at DESC);

COMMENT ON TABLE qlearning_state IS 'learning: the Q-table of each service; the row default comes with the schema';
COMMENT ON COLUMN qlearning_state.q_table IS '{table, visits, stats}';
COMMENT ON COLUMN qlearning_state.created_at IS 'since when the service learns';
COMMENT ON COLUMN qlearning_state.updated_at IS 'kept by trigger, for idx_qlearning_state_updated: which service learned last';

CREATE TABLE qlearning_episodes (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    episode_id varchar NOT NULL UNIQUE,
    service_id varchar NOT NULL DEFAULT 'default',
    features text[] NOT NULL DEFAULT '{}',
    task_type varchar,
    actions jsonb NOT NULL DEFAULT '[]',
    outcome jsonb NOT NULL DEFAULT '{}',
    reward numeric CHECK (reward > '-Infinity' AND reward < 'Infinity'),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_qlearning_episodes_service ON qlearning_episodes (service_id, created_at DESC);
CREATE INDEX idx_qlearning_episodes_features ON qlearning_episodes USING gin (features);

COMMENT ON TABLE qlearning_episodes IS 'learning: what was tried and how it was rewarded; the newest 1000 of each service stay';

CREATE TABLE shared_memory_patterns (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    memory_id varchar NOT NULL DEFAULT 'default' UNIQUE,
    patterns jsonb NOT NULL DEFAULT '[]',
    weights jsonb NOT NULL DEFAULT '{}',
    pattern_count integer NOT NULL DEFAULT 0 CHECK (pattern_count >= 0),
    updated_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE shared_memory_patterns IS 'memory: patterns shared between services; the row default comes with the schema';
CREATE TRIGGER qlearning_state_touch BEFORE UPDATE ON qlearning_state
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER shared_memory_patterns_touch BEFORE UPDATE ON shared_memory_patterns
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch_updated_at();

INSERT INTO qlearning_state (service_id) VALUES ('default');
INSERT INTO shared_memory_patterns (memory_id) VALUES ('default');

CREATE FUNCTION get_qlearning_summary(service_id varchar DEFAULT 'default')
    RETURNS TABLE (total_episodes bigint, recent_episodes bigint, avg_reward numeric, top_features text[],
                   exploration_rate numeric, q_states integer)
    LANGUAGE sql STABLE AS $$
    SELECT (SELECT count(*) FROM qlearning_episodes AS e WHERE e.service_id = s.service_id),
           (SELECT count(*) FROM qlearning_episodes AS e
            WHERE e.service_id = s.service_id AND e.created_at >= now() - interval '24 hours'),
           (SELECT avg(e.reward) FROM qlearning_episodes AS e WHERE e.service_id = s.service_id),
           (SELECT array_agg(f.feature ORDER BY f.times DESC, f.feature)
            FROM (SELECT x.feature, count(*) AS times
                  FROM qlearning_episodes AS e CROSS JOIN unnest(e.features) AS x (feature)
                  WHERE e.service_id = s.service_id
                  GROUP BY x.feature ORDER BY count(*) DESC, x.feature LIMIT 10) AS f),
           s.exploration_rate,
           (SELECT count(*)::integer FROM jsonb_object_keys(coalesce(s.q_table -> 'table', '{}')))
    FROM qlearning_state AS s
    WHERE s.service_id = get_qlearning_summary.service_id
$$;
COMMENT ON FUNCTION get_qlearning_summary(varchar) IS 'A service''s Q-learning in a row: episodes in all and in 24 hours, mean reward, the ten most frequent features, states in the table. NULL where nothing was measured, no row for an unknown service.';

CREATE FUNCTION cleanup_qlearning_episodes(p_service varchar DEFAULT NULL, p_keep integer DEFAULT 1000, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_rows bigint;
BEGIN
    IF p_keep IS NULL OR p_keep < 1 THEN
        RAISE EXCEPTION 'at least 1 episode is kept, not %', coalesce(p_keep::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    DELETE FROM qlearning_episodes AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT r.ctid
        FROM (
            SELECT e.ctid, e.created_at,
                   row_number() OVER (PARTITION BY e.service_id ORDER BY e.created_at DESC, e.id DESC) AS place
            FROM qlearning_episodes AS e
            WHERE p_service IS NULL OR e.service_id = p_service
        ) AS r
        WHERE r.place > p_keep
        ORDER BY r.created_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_qlearning_episodes(varchar, integer, integer) IS 'Keeps the newest p_keep episodes of a service, or of each when p_service is NULL. Returns how many went; repeat until fewer than p_batch.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE shared_memory_patterns;
DROP TABLE qlearning_episodes;
DROP TABLE qlearning_state;
DROP FUNCTION cleanup_qlearning_episodes;
DROP FUNCTION get_qlearning_summary;
