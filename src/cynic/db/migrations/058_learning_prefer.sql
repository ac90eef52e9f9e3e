-- 058_learning_prefer: what preferences and the weights of dimensions are found by
--
-- An answer that is taken back takes the preference pairs with it that it was part of: they are found by the answers that
-- they name, the chosen's first, then the rejected's if that is another.
--
-- What each person's answers say about the dimensions is kept as exact sums, so that a changed mind is taken back
-- exactly. It is the person's own and goes with the person.
--
-- Loops begin at the place where they first take a turn: what was learned before is not theirs to take back.
-- migrate:up

CREATE INDEX idx_preference_pairs_chosen_answer ON preference_pairs ((feedback_ids[1]));
CREATE INDEX idx_preference_pairs_rejected_answer ON preference_pairs ((feedback_ids[2])) WHERE feedback_ids[2] IS NOT NULL;

CREATE TABLE ops_user_dimensions (
    user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    sums jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE ops_user_dimensions IS 'users: exact sums of dimensions against the answers of a person; user_learning_profiles shows what is significant of them';
COMMENT ON COLUMN ops_user_dimensions.sums IS '{answers, found, given, dimensions}: decided answers, how many found the item good, how many items were judged good, and for each dimension n and the sums of scores, squares, sides and products';

-- migrate:down

-- What these loops learned goes with them; up again, they begin with the answers that come.
DROP TABLE ops_user_dimensions;
DROP INDEX idx_preference_pairs_rejected_answer;
DROP INDEX idx_preference_pairs_chosen_answer;
DELETE FROM preference_pairs AS p WHERE p.chosen ? 'place';
UPDATE preference_pairs SET processed = false, batch_id = NULL WHERE batch_id LIKE 'lrn\_%';
DELETE FROM routing_weights AS w
WHERE w.context_type NOT IN ('code', 'security', 'review', 'explain', 'debug', 'refactor', 'document', 'test', 'deploy', 'general');
UPDATE routing_weights
SET weight = base_weight, confidence = DEFAULT, episode_count = 0, positive_count = 0, negative_count = 0, fisher_score = 0
WHERE service_id = 'default';
UPDATE dpo_optimizer_state
SET epoch = 0, total_pairs_processed = 0, last_loss = NULL, best_loss = NULL, last_run = NULL
WHERE service_id = 'default';
UPDATE learning_state
SET dimension_weights = '{}', total_calibrations = 0, last_calibration_at = NULL, detected_biases = '[]'
WHERE state_key = 'global';
UPDATE user_learning_profiles SET preferred_dimensions = '[]', feedback_bias = 0, learning_rate = DEFAULT;
UPDATE qlearning_state SET exploration_rate = DEFAULT WHERE service_id = 'default';
DELETE FROM frictions AS f WHERE f.friction_type IN ('stuck', 'thrashing');
DELETE FROM lessons_learned AS l WHERE l.lesson_id LIKE 'judgment:%';
DELETE FROM session_patterns AS p WHERE p.pattern_data ? 'cycleId';
DELETE FROM reasoning_trajectories AS t WHERE t.trajectory_id LIKE 'feedback:%';
DELETE FROM loop_persistence_state AS l WHERE l.loop_name IN ('dpo', 'dpo-optimizer', 'sona', 'behavior', 'meta-cognition');
