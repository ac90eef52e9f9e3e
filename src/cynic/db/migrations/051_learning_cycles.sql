-- 051_learning_cycles: the place of an answer in what was learned
--
-- Answers are folded one after the other; `feedback.learned_as` is the number that each got. It is what the loops that
-- look at many answers at once (a learning cycle) read by: from where the last one ended to where this one ends, so
-- that an interrupted run goes on at the same place. It also says which cycle an answer was part of.
--
-- A reward is now 1, 0.5 or 0, and values begin at the best one. What was learned from rewards of 1, 0 and -1 cannot
-- be read in these terms, so it is learned anew from the signals that are kept.
-- migrate:up

ALTER TABLE feedback ADD COLUMN learned_as bigint;
COMMENT ON COLUMN feedback.learned_as IS 'its place in the order in which answers were learned, from 1; what learning cycles count by. NULL before';
CREATE UNIQUE INDEX feedback_learned_as_key ON feedback (learned_as) WHERE learned_as IS NOT NULL;

DELETE FROM loop_persistence_state WHERE loop_name IN ('thompson', 'dog-votes', 'calibration');
DELETE FROM td_error_tracker WHERE service_id = 'default' AND current_q IS NOT NULL;
DELETE FROM qlearning_episodes WHERE service_id = 'default' AND episode_id LIKE 'feedback:%';
UPDATE qlearning_state SET q_table = DEFAULT, stats = DEFAULT WHERE service_id = 'default';
UPDATE feedback SET applied = false WHERE applied;
INSERT INTO ops_learning_queue (signal_id)
SELECT s.id FROM unified_signals AS s
WHERE s.source = 'user_feedback' AND NOT EXISTS (SELECT FROM ops_learning_queue AS q WHERE q.signal_id = s.id)
ORDER BY s.timestamp, s.id;

-- migrate:down

-- The counts of the learner are those of this version, so it learns anew.
DELETE FROM loop_persistence_state;
DELETE FROM td_error_tracker WHERE service_id = 'default' AND current_q IS NOT NULL;
DELETE FROM qlearning_episodes WHERE service_id = 'default' AND episode_id LIKE 'feedback:%';
UPDATE qlearning_state SET q_table = DEFAULT, stats = DEFAULT WHERE service_id = 'default';
UPDATE feedback SET applied = false WHERE applied;
INSERT INTO ops_learning_queue (signal_id)
SELECT s.id FROM unified_signals AS s
WHERE s.source = 'user_feedback' AND NOT EXISTS (SELECT FROM ops_learning_queue AS q WHERE q.signal_id = s.id)
ORDER BY s.timestamp, s.id;
ALTER TABLE feedback DROP COLUMN learned_as;
