-- 005_learning: what learning starts from: E-scores over time, patterns that grow, profiles, cycles, one calibration state
--
-- A user's E-score has seven parts; snapshots of it are thinned with age (all for a day, one a day for a
-- month, one a week for a year). A profile counts feedback: accuracy is correct / (correct + incorrect), NULL
-- before there is any, and a partial answer counts in the total alone. A superseded answer is taken back
-- before the new one counts. `learning_state` is a singleton by its key, 'global', made here.
-- migrate:up

CREATE TABLE escore_history (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    e_score numeric NOT NULL CHECK (e_score >= 0 AND e_score <= 100),
    hold_score numeric NOT NULL DEFAULT 0 CHECK (hold_score >= 0 AND hold_score <= 100),
    burn_score numeric NOT NULL DEFAULT 0 CHECK (burn_score >= 0 AND burn_score <= 100),
    use_score numeric NOT NULL DEFAULT 0 CHECK (use_score >= 0 AND use_score <= 100),
    build_score numeric NOT NULL DEFAULT 0 CHECK (build_score >= 0 AND build_score <= 100),
    run_score numeric NOT NULL DEFAULT 0 CHECK (run_score >= 0 AND run_score <= 100),
    refer_score numeric NOT NULL DEFAULT 0 CHECK (refer_score >= 0 AND refer_score <= 100),
    time_score numeric NOT NULL DEFAULT 0 CHECK (time_score >= 0 AND time_score <= 100),
    trigger_event varchar,
    recorded_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_escore_history_user ON escore_history (user_id, recorded_at DESC);
CREATE INDEX idx_escore_history_recorded ON escore_history (recorded_at);

COMMENT ON TABLE escore_history IS 'core: a users E-score and its seven parts over time, thinned with age';

CREATE TABLE pattern_evolution (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    parent_ids uuid[] NOT NULL DEFAULT '{}',
    pattern_type varchar NOT NULL,
    pattern_key varchar NOT NULL,
    occurrence_count integer NOT NULL DEFAULT 1 CHECK (occurrence_count >= 0),
    confidence numeric NOT NULL DEFAULT 0.382 CHECK (confidence >= 0 AND confidence <= 0.618),
    strength numeric NOT NULL DEFAULT 50 CHECK (strength >= 0 AND strength <= 100),
    weight_modifier numeric NOT NULL DEFAULT 1.0 CHECK (weight_modifier >= 0 AND weight_modifier < 'Infinity'),
    threshold_delta numeric NOT NULL DEFAULT 0 CHECK (threshold_delta > '-Infinity' AND threshold_delta < 'Infinity'),
    trend_direction varchar CHECK (trend_direction IN ('up', 'down', 'stable')),
    trend_velocity numeric NOT NULL DEFAULT 0 CHECK (trend_velocity > '-Infinity' AND trend_velocity < 'Infinity'),
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen timestamptz NOT NULL DEFAULT now(),
    merged_at timestamptz,
    CONSTRAINT pattern_evolution_key UNIQUE (pattern_type, pattern_key)
);

COMMENT ON TABLE pattern_evolution IS 'learning: lineage and trend of patterns that merge and grow';
COMMENT ON COLUMN pattern_evolution.confidence IS 'φ-bounded: 0.618 times a probability';

CREATE TABLE user_learning_profiles (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    user_id uuid NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    preferred_dimensions jsonb NOT NULL DEFAULT '[]',
    feedback_bias numeric NOT NULL DEFAULT 0 CHECK (feedback_bias >= -0.618 AND feedback_bias <= 0.618),
    judgment_patterns jsonb NOT NULL DEFAULT '{}',
    total_feedback integer NOT NULL DEFAULT 0 CHECK (total_feedback >= 0),
    correct_feedback integer NOT NULL DEFAULT 0 CHECK (correct_feedback >= 0),
    accuracy numeric CHECK (accuracy >= 0 AND accuracy <= 1),
    learning_rate numeric NOT NULL DEFAULT 0.236 CHECK (learning_rate >= 0 AND learning_rate <= 1),
    created_at timestamptz NOT NULL DEFAULT now(),
    incorrect_feedback integer NOT NULL DEFAULT 0 CHECK (incorrect_feedback >= 0),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_user_learning_user ON user_learning_profiles (user_id);
CREATE INDEX idx_user_learning_accuracy ON user_learning_profiles (accuracy);

COMMENT ON TABLE user_learning_profiles IS 'users: how a user judges and gives feedback, counted';
COMMENT ON COLUMN user_learning_profiles.feedback_bias IS 'φ-bounded on both sides: [-0.618, 0.618]';
COMMENT ON COLUMN user_learning_profiles.incorrect_feedback IS 'accuracy is a ratio of two counts, and this is the other one';
COMMENT ON COLUMN user_learning_profiles.updated_at IS 'kept by trigger: when the profile last changed';

CREATE TABLE learning_cycles (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    cycle_id varchar NOT NULL UNIQUE,
    feedback_processed integer NOT NULL DEFAULT 0 CHECK (feedback_processed >= 0),
    patterns_updated integer NOT NULL DEFAULT 0 CHECK (patterns_updated >= 0),
    patterns_merged integer NOT NULL DEFAULT 0 CHECK (patterns_merged >= 0),
    weights_adjusted integer NOT NULL DEFAULT 0 CHECK (weights_adjusted >= 0),
    thresholds_adjusted integer NOT NULL DEFAULT 0 CHECK (thresholds_adjusted >= 0),
    avg_weight_delta numeric CHECK (avg_weight_delta > '-Infinity' AND avg_weight_delta < 'Infinity'),
    avg_threshold_delta numeric CHECK (avg_threshold_delta > '-Infinity' AND avg_threshold_delta < 'Infinity'),
    state_before jsonb NOT NULL DEFAULT '{}',
    state_after jsonb NOT NULL DEFAULT '{}',
    duration_ms integer CHECK (duration_ms >= 0),
    completed_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE learning_cycles IS 'core: one row for each run of learning: what it changed';

CREATE TABLE learning_state (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    state_key varchar NOT NULL DEFAULT 'global' UNIQUE,
    axiom_weights jsonb NOT NULL DEFAULT '{"PHI": 1, "VERIFY": 1, "CULTURE": 1, "BURN": 1}',
    dimension_weights jsonb NOT NULL DEFAULT '{}',
    total_calibrations integer NOT NULL DEFAULT 0 CHECK (total_calibrations >= 0),
    last_calibration_at timestamptz,
    detected_biases jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE learning_state IS 'core: the one global state of calibration (state_key = global)';
CREATE TRIGGER user_learning_profiles_touch BEFORE UPDATE ON user_learning_profiles
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER learning_state_touch BEFORE UPDATE ON learning_state
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch_updated_at();

INSERT INTO learning_state (state_key) VALUES ('global');

CREATE FUNCTION update_learning_profile_on_feedback() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    v_step CONSTANT integer := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
BEGIN
    -- An answer counts when it is given and is taken back when it is superseded; anonymous answers have no profile.
    IF NEW.user_id IS NULL OR (TG_OP = 'INSERT' AND NEW.superseded_at IS NOT NULL) THEN
        RETURN NULL;
    END IF;
    INSERT INTO user_learning_profiles AS p (user_id, total_feedback, correct_feedback, incorrect_feedback)
    VALUES (NEW.user_id, 1, (NEW.outcome = 'correct')::integer, (NEW.outcome = 'incorrect')::integer)
    ON CONFLICT (user_id) DO UPDATE
    SET total_feedback = greatest(p.total_feedback + v_step, 0),
        correct_feedback = greatest(p.correct_feedback + v_step * (NEW.outcome = 'correct')::integer, 0),
        incorrect_feedback = greatest(p.incorrect_feedback + v_step * (NEW.outcome = 'incorrect')::integer, 0);
    UPDATE user_learning_profiles AS p
    SET accuracy = p.correct_feedback::numeric / nullif(p.correct_feedback + p.incorrect_feedback, 0)
    WHERE p.user_id = NEW.user_id;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION update_learning_profile_on_feedback() IS 'Row trigger on feedback: counts answers in the profile of their user, and takes superseded ones back.';
CREATE TRIGGER feedback_profile AFTER INSERT ON feedback
    FOR EACH ROW EXECUTE FUNCTION update_learning_profile_on_feedback();
CREATE TRIGGER feedback_profile_superseded AFTER UPDATE OF superseded_at ON feedback
    FOR EACH ROW WHEN (OLD.superseded_at IS NULL AND NEW.superseded_at IS NOT NULL)
    EXECUTE FUNCTION update_learning_profile_on_feedback();

CREATE FUNCTION record_escore_snapshot(p_user_id uuid, p_trigger text DEFAULT 'manual') RETURNS uuid
    LANGUAGE sql AS $$
    INSERT INTO escore_history (user_id, e_score, hold_score, burn_score, use_score, build_score, run_score,
                                refer_score, time_score, trigger_event)
    SELECT u.id, u.e_score,
           coalesce((u.e_score_data ->> 'hold')::numeric, 0), coalesce((u.e_score_data ->> 'burn')::numeric, 0),
           coalesce((u.e_score_data ->> 'use')::numeric, 0), coalesce((u.e_score_data ->> 'build')::numeric, 0),
           coalesce((u.e_score_data ->> 'run')::numeric, 0), coalesce((u.e_score_data ->> 'refer')::numeric, 0),
           coalesce((u.e_score_data ->> 'time')::numeric, 0), p_trigger
    FROM users AS u
    WHERE u.id = p_user_id AND u.erased_at IS NULL
    RETURNING id
$$;
COMMENT ON FUNCTION record_escore_snapshot(uuid, text) IS 'Copies a user''s E-score and its parts into the history; returns the row''s id, NULL for an unknown or erased user.';

CREATE FUNCTION get_escore_trend(p_user_id uuid, p_days integer DEFAULT 7)
    RETURNS TABLE (trend_direction text, trend_velocity numeric, avg_score numeric, min_score numeric,
                   max_score numeric, data_points bigint)
    LANGUAGE sql STABLE AS $$
    WITH points AS (
        SELECT h.e_score, h.recorded_at,
               first_value(h.e_score) OVER w AS first_score, last_value(h.e_score) OVER w AS last_score
        FROM escore_history AS h
        WHERE h.user_id = p_user_id AND h.recorded_at >= now() - require_days(p_days)
        WINDOW w AS (ORDER BY h.recorded_at, h.id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
    ), summary AS (
        SELECT (max(p.last_score) - max(p.first_score))
                   / nullif(extract(epoch FROM max(p.recorded_at) - min(p.recorded_at)) / 86400, 0) AS velocity,
               avg(p.e_score) AS average, min(p.e_score) AS least, max(p.e_score) AS most, count(*) AS points
        FROM points AS p
    )
    SELECT CASE
               WHEN s.velocity > 0.01 THEN 'up'
               WHEN s.velocity < -0.01 THEN 'down'
               WHEN s.velocity IS NOT NULL THEN 'stable'
           END,
           s.velocity, s.average, s.least, s.most, s.points
    FROM summary AS s
$$;
COMMENT ON FUNCTION get_escore_trend(uuid, integer) IS 'Trend of a user''s E-score within the window, in points a day over the time between first and last snapshot; NULL with fewer than two moments.';

CREATE FUNCTION cleanup_escore_history(p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_rows bigint;
BEGIN
    DELETE FROM escore_history AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT r.ctid
        FROM (
            SELECT h.ctid, h.recorded_at,
                   row_number() OVER (PARTITION BY h.user_id, date_trunc('day', h.recorded_at, 'UTC')
                                      ORDER BY h.recorded_at DESC, h.id DESC) AS of_day,
                   row_number() OVER (PARTITION BY h.user_id, date_trunc('week', h.recorded_at, 'UTC')
                                      ORDER BY h.recorded_at DESC, h.id DESC) AS of_week
            FROM escore_history AS h
        ) AS r
        WHERE r.recorded_at < now() - interval '24 hours'
          AND CASE
                  WHEN r.recorded_at < now() - interval '1 year' THEN true
                  WHEN r.recorded_at < now() - interval '30 days' THEN r.of_week > 1
                  ELSE r.of_day > 1
              END
        ORDER BY r.recorded_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_escore_history(integer) IS 'Thins E-score snapshots: all of the last 24 hours, the last of each day for 30 days, the last of each week for a year, none older. Returns how many went; repeat until fewer than p_batch.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TRIGGER feedback_profile_superseded ON feedback;
DROP TRIGGER feedback_profile ON feedback;
DROP TABLE learning_state;
DROP TABLE learning_cycles;
DROP TABLE user_learning_profiles;
DROP TABLE pattern_evolution;
DROP TABLE escore_history;
DROP FUNCTION cleanup_escore_history;
DROP FUNCTION get_escore_trend;
DROP FUNCTION record_escore_snapshot;
DROP FUNCTION update_learning_profile_on_feedback;
