-- 045_consciousness_reflections: reflections: what the pack asks itself
--
-- A window of hours, the state in it, and the questions that follow; about one user, or about nobody in
-- particular.
-- migrate:up

CREATE TABLE consciousness_reflections (
    id bigserial PRIMARY KEY,
    user_id uuid REFERENCES users (id) ON DELETE CASCADE,
    window_hours integer NOT NULL DEFAULT 24 CHECK (window_hours >= 0),
    state_snapshot jsonb NOT NULL DEFAULT '{}',
    prompts jsonb NOT NULL DEFAULT '[]',
    overall_confidence numeric CHECK (overall_confidence >= 0 AND overall_confidence <= 0.618),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_consciousness_reflections_user ON consciousness_reflections (user_id, created_at DESC);

COMMENT ON TABLE consciousness_reflections IS 'system: what the pack asks itself about a window of time';
COMMENT ON COLUMN consciousness_reflections.overall_confidence IS 'φ-bounded: 0.618 times a probability';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE consciousness_reflections;
