-- 039_qlearning_ewc: Q-learning without forgetting: elastic weight consolidation
--
-- The Q-table gains an anchor (what was consolidated), the importance of each entry and the strength that
-- holds it there. Kinds of task are locked once consolidated; each consolidation leaves the accuracy before
-- and after; importance is computed from running sums of gradients, keyed by state and action in columns of
-- their own, never by a joined string.
-- migrate:up

ALTER TABLE qlearning_state
    ADD COLUMN consolidated_q_table jsonb,
    ADD COLUMN fisher_matrix jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN ewc_lambda numeric NOT NULL DEFAULT 0.1 CHECK (ewc_lambda >= 0 AND ewc_lambda < 'Infinity'),
    ADD COLUMN last_consolidation_at timestamptz,
    ADD COLUMN consolidation_count integer NOT NULL DEFAULT 0 CHECK (consolidation_count >= 0);
COMMENT ON COLUMN qlearning_state.consolidated_q_table IS 'the anchor; NULL before the first consolidation';
COMMENT ON COLUMN qlearning_state.ewc_lambda IS 'strength with which changes are pulled back to the anchor';

CREATE TABLE qlearning_tasks (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    task_id varchar NOT NULL UNIQUE,
    service_id varchar NOT NULL DEFAULT 'default',
    task_type varchar,
    episodes_count integer NOT NULL DEFAULT 0 CHECK (episodes_count >= 0),
    avg_reward numeric CHECK (avg_reward > '-Infinity' AND avg_reward < 'Infinity'),
    consolidated boolean NOT NULL DEFAULT false,
    consolidated_at timestamptz
);

CREATE INDEX idx_qlearning_tasks_service ON qlearning_tasks (service_id, task_type);

COMMENT ON TABLE qlearning_tasks IS 'learning: kinds of task that Q-learning has seen, and whether they are locked against forgetting';

CREATE TABLE qlearning_ewc_history (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    consolidation_id varchar NOT NULL UNIQUE,
    task_id varchar,
    fisher_entries integer NOT NULL DEFAULT 0 CHECK (fisher_entries >= 0),
    avg_fisher numeric CHECK (avg_fisher >= 0 AND avg_fisher < 'Infinity'),
    q_states integer NOT NULL DEFAULT 0 CHECK (q_states >= 0),
    pre_consolidation_accuracy numeric CHECK (pre_consolidation_accuracy >= 0 AND pre_consolidation_accuracy <= 1),
    post_consolidation_accuracy numeric CHECK (post_consolidation_accuracy >= 0 AND post_consolidation_accuracy <= 1),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_qlearning_ewc_history_task ON qlearning_ewc_history (task_id, created_at DESC);

COMMENT ON TABLE qlearning_ewc_history IS 'learning: each consolidation of the Q-table with the accuracy before and after';

CREATE TABLE qlearning_fisher_gradients (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    service_id varchar NOT NULL DEFAULT 'default',
    state_key text NOT NULL,
    action varchar NOT NULL,
    gradient_sum numeric NOT NULL DEFAULT 0 CHECK (gradient_sum > '-Infinity' AND gradient_sum < 'Infinity'),
    gradient_sq_sum numeric NOT NULL DEFAULT 0 CHECK (gradient_sq_sum >= 0 AND gradient_sq_sum < 'Infinity'),
    update_count integer NOT NULL DEFAULT 0 CHECK (update_count >= 0),
    fisher_value numeric NOT NULL DEFAULT 0 CHECK (fisher_value >= 0 AND fisher_value < 'Infinity'),
    last_fisher_update timestamptz,
    CONSTRAINT qlearning_fisher_gradients_key UNIQUE (service_id, state_key, action)
);

COMMENT ON TABLE qlearning_fisher_gradients IS 'learning: running sums of gradients from which importance is computed';

-- migrate:down

-- The tables go, and the rows in them.
-- Loses anchors and importances.
ALTER TABLE qlearning_state
    DROP COLUMN consolidation_count, DROP COLUMN last_consolidation_at, DROP COLUMN ewc_lambda,
    DROP COLUMN fisher_matrix, DROP COLUMN consolidated_q_table;
DROP TABLE qlearning_fisher_gradients;
DROP TABLE qlearning_ewc_history;
DROP TABLE qlearning_tasks;
