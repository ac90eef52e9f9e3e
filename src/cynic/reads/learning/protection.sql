-- What is held against forgetting, and whether anything was forgotten.

-- name: state
-- The consolidations, how near the nearest state is to its next one, and the locks.
SELECT s.consolidation_count, s.last_consolidation_at, s.ewc_lambda::double precision,
       (SELECT coalesce(max(g.update_count), 0) FROM qlearning_fisher_gradients AS g WHERE g.service_id = s.service_id),
       (SELECT l.weights -> 'locked' FROM loop_persistence_state AS l
        WHERE l.loop_name = 'ewc' AND l.state_type = 'consolidated')
FROM qlearning_state AS s
WHERE s.service_id = 'default';

-- name: watched
-- Kinds of task against their baselines, the first in order; those that no cycle has divided yet are still in one row.
(SELECT l.state_type AS kind, l.weights FROM loop_persistence_state AS l
 WHERE l.loop_name = 'ewc-tasks'
 ORDER BY l.state_type
 LIMIT %(limit)s::bigint)
UNION ALL
SELECT e.key, e.value
FROM loop_persistence_state AS l
CROSS JOIN LATERAL jsonb_each(l.weights) AS e
WHERE l.loop_name = 'ewc' AND l.state_type = 'forgetting'
ORDER BY kind
LIMIT %(limit)s::bigint;

-- name: tasks
-- The kinds of task with the most episodes, each with its newest consolidation.
SELECT t.task_id, t.episodes_count, t.avg_reward::double precision, t.consolidated,
       h.pre_consolidation_accuracy::double precision, h.post_consolidation_accuracy::double precision
FROM qlearning_tasks AS t
LEFT JOIN LATERAL (
    SELECT e.pre_consolidation_accuracy, e.post_consolidation_accuracy
    FROM qlearning_ewc_history AS e
    WHERE e.task_id = t.task_id
    ORDER BY e.created_at DESC
    LIMIT 1
) AS h ON true
WHERE t.service_id = 'default'
ORDER BY t.episodes_count DESC, t.task_id
LIMIT %(limit)s::bigint;

-- name: forgetting
-- The newest measurement, and how many alarms wait to be acknowledged.
SELECT m.average_bwt::double precision, m.task_count, m.catastrophic_tasks, m.created_at,
       (SELECT count(*) FROM forgetting_alerts AS a WHERE NOT a.acknowledged)
FROM forgetting_metrics AS m
ORDER BY m.created_at DESC, m.id DESC
LIMIT 1;
