-- The loops that move with every answer.

-- name: q_state
-- What the service counts, how many states have values, how many cells are locked, and when the values were last given up.
SELECT s.stats, s.exploration_rate,
       (SELECT count(*) FROM jsonb_object_keys(get_live_q_table('default') -> 'table')),
       (SELECT coalesce(sum(jsonb_array_length(c.value)), 0)
        FROM loop_persistence_state AS l CROSS JOIN LATERAL jsonb_each(l.weights -> 'locked') AS c
        WHERE l.loop_name = 'ewc' AND l.state_type = 'consolidated'),
       (SELECT max(t.created_at) FROM td_error_tracker AS t WHERE t.is_drift AND t.service_id = 'default')
FROM qlearning_state AS s
WHERE s.service_id = 'default';

-- name: states
-- Of a loop the states with the most answers, and how many answers there are in all.
SELECT l.state_type, l.weights, sum(l.episode_count) OVER () AS answers
FROM loop_persistence_state AS l
WHERE l.loop_name = %(loop)s
ORDER BY l.episode_count DESC, l.state_type
LIMIT %(limit)s;

-- name: td_errors
-- The errors of the newest updates of Q-learning since its values were last given up.
SELECT e.td_error FROM get_newest_td_errors('default', %(limit)s::integer) AS e (td_error);
