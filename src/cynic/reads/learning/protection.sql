-- What is held against forgetting, and whether anything was forgotten.

-- name: state
-- The consolidations, whether one holds values now, and the locks.
SELECT s.consolidation_count, s.last_consolidation_at, s.ewc_lambda::double precision, s.consolidated_q_table IS NOT NULL,
       (SELECT l.weights -> 'locked' FROM loop_persistence_state AS l
        WHERE l.loop_name = 'ewc' AND l.state_type = 'consolidated')
FROM qlearning_state AS s
WHERE s.service_id = 'default';

-- name: most_visits
-- Of the dog and state that were updated most, how often: as get_live_q_table('default') has it, which with thousands of
-- states takes five times as long to put the whole table together.
WITH snapshot AS MATERIALIZED (
    SELECT s.q_table -> 'visits' AS visits, coalesce((s.q_table -> 'stats' ->> 'applied_td_id')::bigint, 0) AS mark
    FROM qlearning_state AS s
    WHERE s.service_id = 'default'
), cell AS MATERIALIZED (
    SELECT t.state, t.action, count(t.reward) AS times
    FROM snapshot AS b
    JOIN td_error_tracker AS t ON t.id > b.mark AND t.id < 9223372036854775807
    WHERE t.service_id || '' = 'default' AND t.current_q IS NOT NULL
    GROUP BY t.state, t.action
)
SELECT coalesce(greatest(
    (SELECT max(d.value::bigint)
     FROM snapshot AS b CROSS JOIN LATERAL jsonb_each(b.visits) AS v CROSS JOIN LATERAL jsonb_each_text(v.value) AS d),
    (SELECT max(c.times + coalesce((b.visits -> c.state ->> c.action)::bigint, 0)) FROM snapshot AS b CROSS JOIN cell AS c)), 0);

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
