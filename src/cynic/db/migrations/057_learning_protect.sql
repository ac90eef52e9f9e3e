-- 057_learning_protect: what protects learning
--
-- Kinds of task are counted with every answer, so those that were learned before are counted here. A judgment has one
-- accuracy, which another answer to it changes; it is found by its judgment, which the contract gives no index.
-- Gradients, the detector of drift and the watch for forgetting begin with the next answer.
-- migrate:up

INSERT INTO qlearning_tasks (task_id, task_type, episodes_count, avg_reward)
SELECT k.kind, k.kind, count(*), sum(k.reward) / count(*)
FROM (
    SELECT coalesce(nullif(j.task_type, ''), nullif(j.query_type, ''), j.item_type) AS kind,
           CASE f.outcome WHEN 'correct' THEN 1 WHEN 'partial' THEN 0.5 ELSE 0 END AS reward
    FROM feedback AS f
    JOIN judgments AS j ON j.judgment_id = f.judgment_id
    WHERE f.applied AND f.learned_as IS NOT NULL
) AS k
GROUP BY k.kind
ON CONFLICT (task_id) DO NOTHING;

CREATE UNIQUE INDEX forgetting_judgments_judgment_key ON forgetting_judgments (judgment_id);
COMMENT ON COLUMN qlearning_state.consolidated_q_table IS 'the anchor; NULL before the first consolidation, and after a drift until the next';
COMMENT ON COLUMN qlearning_state.fisher_matrix IS 'state, action and how much it matters, from 0 to 1; empty after a drift';

-- migrate:down

-- Values that were held are no plain means, so they are learned anew, as is everything that answers teach.
COMMENT ON COLUMN qlearning_state.fisher_matrix IS NULL;
COMMENT ON COLUMN qlearning_state.consolidated_q_table IS 'the anchor; NULL before the first consolidation';
DROP INDEX forgetting_judgments_judgment_key;
DELETE FROM forgetting_judgments;
DELETE FROM forgetting_baselines;
DELETE FROM forgetting_metrics;
DELETE FROM forgetting_alerts;
DELETE FROM qlearning_ewc_history;
DELETE FROM qlearning_tasks;
DELETE FROM qlearning_fisher_gradients WHERE service_id = 'default';
DELETE FROM loop_persistence_state;
DELETE FROM td_error_tracker WHERE service_id = 'default' AND current_q IS NOT NULL;
DELETE FROM qlearning_episodes WHERE service_id = 'default' AND episode_id LIKE 'feedback:%';
UPDATE qlearning_state
SET q_table = DEFAULT, stats = DEFAULT, consolidated_q_table = NULL, fisher_matrix = '{}', last_consolidation_at = NULL,
    consolidation_count = 0
WHERE service_id = 'default';
UPDATE feedback SET applied = false, learned_as = NULL WHERE applied OR learned_as IS NOT NULL;
INSERT INTO ops_learning_queue (signal_id)
SELECT s.id FROM unified_signals AS s
WHERE s.source = 'user_feedback' AND NOT EXISTS (SELECT FROM ops_learning_queue AS q WHERE q.signal_id = s.id)
ORDER BY s.timestamp, s.id;
