-- 010_psychology: a user's state of mind: the latest, the observations behind it, and what was suggested
--
-- `user_psychology` holds one row a user; observations are numbers of any kind and sign, interventions are
-- suggestions that a user accepts, refuses, or has not answered (NULL). Documents merge leaf by leaf with
-- `jsonb_deep_merge`.
-- migrate:up

CREATE TABLE user_psychology (
    id bigserial PRIMARY KEY,
    user_id uuid NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    burnout_score numeric NOT NULL DEFAULT 0 CHECK (burnout_score >= 0 AND burnout_score <= 1),
    cognitive_state varchar NOT NULL DEFAULT 'FOCUSED' CHECK (cognitive_state IN ('FOCUSED', 'DISTRACTED', 'OVERLOADED', 'RESTING')),
    energy_levels jsonb NOT NULL DEFAULT '{}',
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_user_psychology_user ON user_psychology (user_id);

COMMENT ON TABLE user_psychology IS 'users: burnout, cognitive state and energy of a user: one row each, the latest';

CREATE TABLE psychology_observations (
    id bigserial PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    observation_type varchar NOT NULL,
    value numeric NOT NULL CHECK (value > '-Infinity' AND value < 'Infinity'),
    metadata jsonb NOT NULL DEFAULT '{}',
    observed_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_psychology_observations_user ON psychology_observations (user_id, observed_at DESC);

COMMENT ON TABLE psychology_observations IS 'users: single observations behind a users psychology';

CREATE TABLE psychology_interventions (
    id bigserial PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    intervention_type varchar NOT NULL,
    trigger_reason varchar,
    accepted boolean,
    suggested_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_psychology_interventions_user ON psychology_interventions (user_id, suggested_at DESC);

COMMENT ON TABLE psychology_interventions IS 'users: what was suggested to a user, and whether it was accepted';
CREATE TRIGGER user_psychology_touch BEFORE UPDATE ON user_psychology
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch_updated_at();

CREATE FUNCTION jsonb_deep_merge(p_target jsonb, p_source jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    v_result jsonb := p_target;
    v_key text;
    v_value jsonb;
BEGIN
    IF p_source IS NULL THEN
        RETURN p_target;
    ELSIF p_target IS NULL OR jsonb_typeof(p_target) <> 'object' OR jsonb_typeof(p_source) <> 'object' THEN
        RETURN p_source;
    END IF;
    FOR v_key, v_value IN SELECT e.key, e.value FROM jsonb_each(p_source) AS e LOOP
        v_result := jsonb_set(v_result, ARRAY[v_key], jsonb_deep_merge(p_target -> v_key, v_value));
    END LOOP;
    RETURN v_result;
END;
$$;
COMMENT ON FUNCTION jsonb_deep_merge(jsonb, jsonb) IS 'Objects merged key by key at every depth; elsewhere the source wins. A NULL source changes nothing.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE psychology_interventions;
DROP TABLE psychology_observations;
DROP TABLE user_psychology;
DROP FUNCTION jsonb_deep_merge;
