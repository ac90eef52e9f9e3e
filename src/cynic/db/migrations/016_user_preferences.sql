-- 016_user_preferences: preferences, and how they came to be
--
-- One document a user. Each change of a top-level key leaves a row in the history, written by trigger and so
-- whoever changes it; a write that changes nothing leaves none.
-- migrate:up

CREATE TABLE user_preferences (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    user_id uuid NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    preferences jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE user_preferences IS 'users: a users preferences as one document';
COMMENT ON COLUMN user_preferences.updated_at IS 'kept by trigger: which of two devices wrote last';

CREATE TABLE user_preference_history (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    preference_key varchar NOT NULL,
    old_value jsonb,
    new_value jsonb,
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_user_preference_history_user ON user_preference_history (user_id, changed_at DESC);

COMMENT ON TABLE user_preference_history IS 'users: each change of each preference, written by trigger';
CREATE TRIGGER user_preferences_touch BEFORE UPDATE ON user_preferences
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch_updated_at();

CREATE FUNCTION record_preference_history() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT jsonb := CASE TG_OP WHEN 'UPDATE' THEN OLD.preferences ELSE '{}' END;
BEGIN
    INSERT INTO user_preference_history (user_id, preference_key, old_value, new_value)
    SELECT NEW.user_id, k.key, v_before -> k.key, NEW.preferences -> k.key
    FROM (SELECT jsonb_object_keys(v_before) AS key UNION SELECT jsonb_object_keys(NEW.preferences)) AS k
    WHERE v_before -> k.key IS DISTINCT FROM NEW.preferences -> k.key
    ORDER BY k.key;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION record_preference_history() IS 'Row trigger: one history row for each top-level preference that changed.';
CREATE TRIGGER user_preferences_history AFTER INSERT OR UPDATE OF preferences ON user_preferences
    FOR EACH ROW EXECUTE FUNCTION record_preference_history();

CREATE FUNCTION get_user_preference(p_user_id uuid, p_key text, p_default jsonb DEFAULT NULL) RETURNS jsonb
    LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT p.preferences -> p_key FROM user_preferences AS p WHERE p.user_id = p_user_id), p_default)
$$;
COMMENT ON FUNCTION get_user_preference(uuid, text, jsonb) IS 'One preference of a user, or the default where there is none.';

CREATE FUNCTION set_user_preference(p_user_id uuid, p_key text, p_value jsonb) RETURNS boolean
    LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(p_key, '') = '' THEN
        RAISE EXCEPTION 'a preference needs a name' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO user_preferences AS p (user_id, preferences)
    VALUES (p_user_id, jsonb_build_object(p_key, p_value))
    ON CONFLICT (user_id) DO UPDATE SET preferences = p.preferences || excluded.preferences
    WHERE p.preferences -> p_key IS DISTINCT FROM excluded.preferences -> p_key;
    RETURN FOUND;
END;
$$;
COMMENT ON FUNCTION set_user_preference(uuid, text, jsonb) IS 'Sets one preference; true when that changed something.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE user_preference_history;
DROP TABLE user_preferences;
DROP FUNCTION set_user_preference;
DROP FUNCTION get_user_preference;
DROP FUNCTION record_preference_history;
