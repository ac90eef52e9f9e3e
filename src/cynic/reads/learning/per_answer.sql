-- The loops that move with every answer.

-- name: q_state
-- What the service counts, and how many states have values.
SELECT s.stats, s.exploration_rate,
       (SELECT count(*) FROM jsonb_object_keys(get_live_q_table('default') -> 'table'))
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
-- The newest updates of Q-learning; corrections are none.
SELECT t.td_error FROM td_error_tracker AS t
WHERE t.service_id = 'default' AND t.reward IS NOT NULL
ORDER BY t.id DESC
LIMIT %(limit)s;
