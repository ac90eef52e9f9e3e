-- Consolidation of Q-learning. Each statement is part of one transaction that flows/learn.py opens.

-- name: consolidate
UPDATE qlearning_state AS s
SET consolidated_q_table = %(anchor)s, fisher_matrix = %(fisher)s, last_consolidation_at = %(now)s,
    consolidation_count = s.consolidation_count + 1
WHERE s.service_id = 'default';

-- name: begin_gradients
-- The sums of the cells that were consolidated begin anew; what they gave is kept beside them.
UPDATE qlearning_fisher_gradients AS g
SET gradient_sum = 0, gradient_sq_sum = 0, update_count = 0, fisher_value = c.fisher, last_fisher_update = %(now)s
FROM jsonb_to_recordset(%(cells)s) AS c (state text, dog text, fisher numeric)
WHERE g.service_id = 'default' AND g.state_key = c.state AND g.action = c.dog;

-- name: episodes
-- The newest ones, on which values are tried; of the newest rows only, so that no plan reads them all.
SELECT e.outcome ->> 'state', e.actions
FROM (SELECT x.* FROM qlearning_episodes AS x ORDER BY x.id DESC LIMIT %(limit)s::bigint) AS e
WHERE e.service_id = 'default' AND e.episode_id LIKE 'feedback:%%'
ORDER BY e.id DESC;

-- name: history
INSERT INTO qlearning_ewc_history (consolidation_id, task_id, fisher_entries, avg_fisher, q_states,
                                   pre_consolidation_accuracy, post_consolidation_accuracy, created_at)
SELECT g.id, g.kind, g.entries, g.fisher, g.states, g.before, g.after, %(now)s
FROM jsonb_to_recordset(%(rows)s)
    AS g (id text, kind text, entries integer, fisher numeric, states integer, before numeric, after numeric);

-- name: protect_tasks
UPDATE qlearning_tasks AS t SET consolidated = true, consolidated_at = %(now)s
WHERE t.service_id = 'default' AND t.task_id = ANY (%(kinds)s::text[]);
