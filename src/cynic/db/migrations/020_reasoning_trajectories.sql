-- 020_reasoning_trajectories: how a conclusion was reached
--
-- The steps between a question and an answer, kept as they were, found by time and by their identifier.
-- migrate:up

CREATE TABLE reasoning_trajectories (
    id bigserial PRIMARY KEY,
    trajectory_id varchar NOT NULL UNIQUE,
    reasoning text NOT NULL,
    intermediate_steps jsonb NOT NULL DEFAULT '[]',
    final_output text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_reasoning_trajectories_created ON reasoning_trajectories (created_at DESC);

COMMENT ON TABLE reasoning_trajectories IS 'memory: how a conclusion was reached, step by step';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE reasoning_trajectories;
