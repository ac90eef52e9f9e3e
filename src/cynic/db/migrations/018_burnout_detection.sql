-- 018_burnout_detection: burnout: samples, episodes, warnings
--
-- Samples are taken periodically; an episode opens when they say so, and a user has at most one open episode,
-- which a partial unique index holds. Warnings belong to an episode and outlive it.
--
-- The two scores are clamped to [0, 1], and NULL when an input is: burnout = (1 - energy) · frustration · (1 +
-- 0.309 (1 - creativity)); flow = (0.618 energy + 0.618 focus + 0.382 creativity - 0.618 frustration) / 1.618,
-- divided by the sum of its positive weights so that it does not saturate.
-- migrate:up

CREATE TABLE psychology_snapshots (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    session_id varchar,
    energy real NOT NULL CHECK (energy >= 0 AND energy <= 1),
    focus real NOT NULL CHECK (focus >= 0 AND focus <= 1),
    frustration real NOT NULL CHECK (frustration >= 0 AND frustration <= 1),
    creativity real NOT NULL DEFAULT 0.5 CHECK (creativity >= 0 AND creativity <= 1),
    burnout_score real NOT NULL DEFAULT 0 CHECK (burnout_score >= 0 AND burnout_score <= 1),
    flow_score real NOT NULL DEFAULT 0 CHECK (flow_score >= 0 AND flow_score <= 1),
    work_done integer NOT NULL DEFAULT 0 CHECK (work_done >= 0),
    heat_generated integer NOT NULL DEFAULT 0 CHECK (heat_generated >= 0),
    error_count integer NOT NULL DEFAULT 0 CHECK (error_count >= 0),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_psychology_snapshots_user ON psychology_snapshots (user_id, created_at DESC);

COMMENT ON TABLE psychology_snapshots IS 'users: periodic samples that feed the burnout trend';

CREATE TABLE burnout_episodes (
    id bigserial PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    peak_burnout numeric NOT NULL CHECK (peak_burnout >= 0 AND peak_burnout <= 1),
    duration_minutes integer CHECK (duration_minutes >= 0),
    recovery_action varchar,
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);

CREATE INDEX idx_burnout_episodes_user ON burnout_episodes (user_id);
CREATE INDEX idx_burnout_episodes_started ON burnout_episodes (started_at DESC);
CREATE UNIQUE INDEX idx_burnout_episodes_open ON burnout_episodes (user_id) WHERE ended_at IS NULL;

COMMENT ON TABLE burnout_episodes IS 'users: a users episodes of burnout; at most one is open';

CREATE TABLE burnout_warnings (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    episode_id bigint REFERENCES burnout_episodes (id) ON DELETE SET NULL,
    warning_type varchar NOT NULL,
    severity varchar NOT NULL CHECK (severity IN ('info', 'caution', 'warning', 'critical')),
    message text NOT NULL,
    burnout_score real NOT NULL CHECK (burnout_score >= 0 AND burnout_score <= 1),
    energy real NOT NULL CHECK (energy >= 0 AND energy <= 1),
    frustration real NOT NULL CHECK (frustration >= 0 AND frustration <= 1),
    was_acknowledged boolean,
    was_effective boolean,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_burnout_warnings_user ON burnout_warnings (user_id, created_at DESC);
CREATE INDEX idx_burnout_warnings_episode ON burnout_warnings (episode_id);

COMMENT ON TABLE burnout_warnings IS 'users: warnings given in an episode, and whether they helped';

CREATE FUNCTION calculate_burnout_score(p_energy numeric, p_frustration numeric, p_creativity numeric DEFAULT 0.5) RETURNS numeric
    LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT least(1, greatest(0,
        (1 - p_energy) * p_frustration * (1 + (1 - p_creativity) * 0.618 / 2)))
$$;
COMMENT ON FUNCTION calculate_burnout_score(numeric, numeric, numeric) IS 'Burnout in [0, 1] from energy, frustration and creativity in [0, 1]; NULL when one is.';

CREATE FUNCTION calculate_flow_score(p_energy numeric, p_focus numeric, p_creativity numeric, p_frustration numeric) RETURNS numeric
    LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT least(1, greatest(0,
        (0.618 * p_energy + 0.618 * p_focus + 0.382 * p_creativity - 0.618 * p_frustration) / 1.618))
$$;
COMMENT ON FUNCTION calculate_flow_score(numeric, numeric, numeric, numeric) IS 'Flow in [0, 1]: weighted mean of energy, focus and creativity less frustration; NULL when one is.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE burnout_warnings;
DROP TABLE burnout_episodes;
DROP TABLE psychology_snapshots;
DROP FUNCTION calculate_flow_score;
DROP FUNCTION calculate_burnout_score;
