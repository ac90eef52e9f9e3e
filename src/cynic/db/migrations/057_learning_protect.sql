-- 057_learning_protect: what protects learning
--
-- Kinds of task are counted with every answer, so those that were learned before are counted here. A judgment has one
-- accuracy, which another answer to it changes; it is found by its judgment, and first and last are told by id, not by a
-- clock: the contract gives neither an index. A row of the journal tells which answer made it.
-- The live table takes each part of the snapshot apart once, not once for each cell: with 660 cells it takes a third of
-- the time. The planner expects a third of all rows above an unknown mark, and would read them all; of a range with two
-- ends it expects few, so the end of all numbers is named too, and the index on
-- services, which are one, is kept out of it. Gradients, the detector of drift and the watch for forgetting begin with the next answer.
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

ALTER TABLE td_error_tracker ADD COLUMN learned_as bigint;
COMMENT ON COLUMN td_error_tracker.learned_as IS 'the place of the answer that made the update, as feedback.learned_as has it: what the row can be traced by. NULL before';
CREATE INDEX idx_forgetting_judgments_judgment ON forgetting_judgments (judgment_id);
CREATE INDEX idx_forgetting_judgments_order ON forgetting_judgments (task_type, id);
COMMENT ON COLUMN qlearning_state.consolidated_q_table IS 'the anchor; NULL before the first consolidation, and after a drift until the next';
COMMENT ON COLUMN qlearning_state.fisher_matrix IS 'state, action and how much it matters, from 0 to 1; empty after a drift';

CREATE OR REPLACE FUNCTION get_live_q_table(service_id varchar DEFAULT 'default') RETURNS jsonb
    LANGUAGE sql STABLE AS $$
    WITH snapshot AS MATERIALIZED (
        SELECT s.q_table -> 'table' AS q, s.q_table -> 'visits' AS visits, coalesce(s.q_table -> 'stats', '{}') AS stats,
               coalesce((s.q_table -> 'stats' ->> 'applied_td_id')::bigint, 0) AS mark
        FROM qlearning_state AS s
        WHERE s.service_id = get_live_q_table.service_id
    ), cell AS MATERIALIZED (
        SELECT t.state, t.action, max(t.id) AS newest, (array_agg(t.current_q ORDER BY t.id DESC))[1] AS q,
               count(t.reward) AS times
        FROM snapshot AS b
        JOIN td_error_tracker AS t ON t.id > b.mark AND t.id < 9223372036854775807
        WHERE t.service_id || '' = get_live_q_table.service_id AND t.current_q IS NOT NULL
        GROUP BY t.state, t.action
    ), visited AS (
        SELECT e.key AS state, v.key AS action, v.value::bigint AS times
        FROM snapshot AS b
        CROSS JOIN LATERAL jsonb_each(b.visits) AS e
        CROSS JOIN LATERAL jsonb_each_text(e.value) AS v
    ), patch AS (
        SELECT c.state, jsonb_object_agg(c.action, c.q) AS q,
               jsonb_object_agg(c.action, c.times + coalesce(v.times, 0)) AS visits
        FROM cell AS c
        LEFT JOIN visited AS v ON v.state = c.state AND v.action = c.action
        GROUP BY c.state
    ), live AS (
        SELECT coalesce(jsonb_object_agg(coalesce(q.key, p.state), coalesce(q.value, '{}') || coalesce(p.q, '{}')), '{}') AS q
        FROM (SELECT e.key, e.value FROM snapshot AS b CROSS JOIN LATERAL jsonb_each(b.q) AS e) AS q
        FULL JOIN patch AS p ON p.state = q.key
    ), seen AS (
        SELECT coalesce(jsonb_object_agg(coalesce(v.key, p.state), coalesce(v.value, '{}') || coalesce(p.visits, '{}')), '{}') AS visits
        FROM (SELECT e.key, e.value FROM snapshot AS b CROSS JOIN LATERAL jsonb_each(b.visits) AS e) AS v
        FULL JOIN patch AS p ON p.state = v.key
    )
    SELECT jsonb_build_object(
        'table', l.q,
        'visits', v.visits,
        'stats', b.stats || jsonb_build_object(
            'updates', coalesce((b.stats ->> 'updates')::bigint, 0) + (SELECT coalesce(sum(c.times), 0) FROM cell AS c)::bigint,
            'states', (SELECT count(*) FROM jsonb_object_keys(l.q)),
            'applied_td_id', greatest(b.mark, (SELECT max(c.newest) FROM cell AS c))))
    FROM snapshot AS b
    CROSS JOIN live AS l
    CROSS JOIN seen AS v
$$;

-- migrate:down

CREATE OR REPLACE FUNCTION get_live_q_table(service_id varchar DEFAULT 'default') RETURNS jsonb
    LANGUAGE sql STABLE AS $$
    WITH snapshot AS (
        SELECT s.q_table, coalesce((s.q_table -> 'stats' ->> 'applied_td_id')::bigint, 0) AS mark
        FROM qlearning_state AS s
        WHERE s.service_id = get_live_q_table.service_id
    ), cell AS (
        SELECT t.state, t.action, max(t.id) AS newest, count(t.reward) AS times
        FROM snapshot AS b
        JOIN td_error_tracker AS t ON t.id > b.mark
        WHERE t.service_id = get_live_q_table.service_id AND t.current_q IS NOT NULL
        GROUP BY t.state, t.action
    ), patch AS (
        SELECT c.state, jsonb_object_agg(c.action, t.current_q) AS q,
               jsonb_object_agg(c.action, c.times + coalesce((b.q_table -> 'visits' -> c.state ->> c.action)::bigint, 0)) AS visits
        FROM cell AS c
        JOIN td_error_tracker AS t ON t.id = c.newest
        CROSS JOIN snapshot AS b
        GROUP BY c.state
    ), patched AS (
        SELECT coalesce(b.q_table -> 'table', '{}') || coalesce(jsonb_object_agg(
                   p.state, coalesce(b.q_table -> 'table' -> p.state, '{}') || p.q) FILTER (WHERE p.state IS NOT NULL), '{}') AS q,
               coalesce(b.q_table -> 'visits', '{}') || coalesce(jsonb_object_agg(
                   p.state, coalesce(b.q_table -> 'visits' -> p.state, '{}') || p.visits) FILTER (WHERE p.state IS NOT NULL), '{}') AS visits,
               coalesce(b.q_table -> 'stats', '{}') AS stats, b.mark
        FROM snapshot AS b
        LEFT JOIN patch AS p ON true
        GROUP BY b.q_table, b.mark
    )
    SELECT jsonb_build_object(
        'table', p.q,
        'visits', p.visits,
        'stats', p.stats || jsonb_build_object(
            'updates', coalesce((p.stats ->> 'updates')::bigint, 0) + (SELECT coalesce(sum(c.times), 0) FROM cell AS c)::bigint,
            'states', (SELECT count(*) FROM jsonb_object_keys(p.q)),
            'applied_td_id', greatest(p.mark, (SELECT max(c.newest) FROM cell AS c))))
    FROM patched AS p
$$;

-- Values that were held are no plain means, so they are learned anew, as is everything that answers teach.
COMMENT ON COLUMN qlearning_state.fisher_matrix IS NULL;
COMMENT ON COLUMN qlearning_state.consolidated_q_table IS 'the anchor; NULL before the first consolidation';
ALTER TABLE td_error_tracker DROP COLUMN learned_as;
DROP INDEX idx_forgetting_judgments_order;
DROP INDEX idx_forgetting_judgments_judgment;
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
