-- 009_consciousness: how aware the pack is of a user
--
-- One row for each user, written whole; the latest state is the state.
-- migrate:up

CREATE TABLE user_consciousness (
    id bigserial PRIMARY KEY,
    user_id uuid NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    awareness_level numeric NOT NULL DEFAULT 0 CHECK (awareness_level >= 0 AND awareness_level <= 1),
    state varchar NOT NULL DEFAULT 'DORMANT' CHECK (state IN ('DORMANT', 'AWAKENING', 'AWARE', 'HEIGHTENED', 'TRANSCENDENT')),
    active_dimensions jsonb NOT NULL DEFAULT '[]',
    updated_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE user_consciousness IS 'users: how aware the pack is of a user: one row each';
CREATE TRIGGER user_consciousness_touch BEFORE UPDATE ON user_consciousness
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch_updated_at();

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE user_consciousness;
