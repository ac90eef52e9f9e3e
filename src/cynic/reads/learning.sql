-- What the learning loops know, and how well probabilities agree with what came true.

-- name: waiting
-- How many signals wait, and what the service counts.
SELECT (SELECT count(*) FROM ops_learning_queue), s.stats, s.exploration_rate,
       (SELECT count(*) FROM jsonb_object_keys(get_live_q_table('default') -> 'table'))
FROM qlearning_state AS s
WHERE s.service_id = 'default';

-- name: states
-- Of each loop the states with the most answers, and how many states and answers there are in all.
SELECT x.loop_name, x.state_type, x.weights, x.states, x.answers
FROM (
    SELECT l.loop_name, l.state_type, l.weights,
           row_number() OVER (PARTITION BY l.loop_name ORDER BY l.episode_count DESC, l.state_type) AS place,
           count(*) OVER (PARTITION BY l.loop_name) AS states,
           sum(l.episode_count) OVER (PARTITION BY l.loop_name) AS answers
    FROM loop_persistence_state AS l
    WHERE l.loop_name IN ('thompson', 'dog-votes', 'calibration')
) AS x
WHERE x.place <= %(limit)s
ORDER BY x.loop_name, x.place;

-- name: last_changes
-- Behind the index on (loop_type, timestamp): the newest moment first, and then the last of the rows that share it.
SELECT g.loop, e.timestamp, e.judgment_id, e.event_type, e.weight_delta
FROM unnest(%(loops)s::text[]) AS g (loop)
CROSS JOIN LATERAL (
    SELECT x.timestamp, x.judgment_id, x.event_type, x.weight_delta
    FROM learning_events AS x
    WHERE x.loop_type = g.loop
      AND x.timestamp = (SELECT max(y.timestamp) FROM learning_events AS y WHERE y.loop_type = g.loop)
    ORDER BY x.id DESC
    LIMIT 1
) AS e;

-- name: td_errors
-- The newest updates of Q-learning; corrections are none.
SELECT t.td_error FROM td_error_tracker AS t
WHERE t.service_id = 'default' AND t.reward IS NOT NULL
ORDER BY t.id DESC
LIMIT %(limit)s;

-- name: tracked
-- Predictions with their outcomes, the newest first.
SELECT c.predicted_confidence, c.predicted_outcome, c.actual_outcome
FROM calibration_tracking AS c
WHERE c.service_id = 'default' AND c.created_at >= %(since)s AND c.actual_outcome IS NOT NULL AND c.actual_outcome <> 'partial'
ORDER BY c.created_at DESC
LIMIT %(limit)s;

-- name: predictions
-- What the Brier score is made of, the newest first.
SELECT b.predicted, b.actual
FROM brier_predictions AS b
WHERE b.service_id = 'default' AND b.timestamp >= %(since)s
ORDER BY b.timestamp DESC
LIMIT %(limit)s;
