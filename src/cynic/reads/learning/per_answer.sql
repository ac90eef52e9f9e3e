-- The loops that move with every answer.

-- name: q_state
-- What the service counts, how many states have values, how many cells are locked, and when the values were last given up.
SELECT s.stats, s.exploration_rate,
       (SELECT count(*) FROM jsonb_object_keys(get_live_q_table('default') -> 'table')),
       (SELECT coalesce(sum(jsonb_array_length(c.value)), 0)
        FROM loop_persistence_state AS l CROSS JOIN LATERAL jsonb_each(l.weights -> 'locked') AS c
        WHERE l.loop_name = 'ewc' AND l.state_type = 'consolidated'),
       (SELECT t.created_at FROM td_error_tracker AS t WHERE t.id = (s.q_table -> 'stats' ->> 'reset_td_id')::bigint AND t.is_drift)
FROM qlearning_state AS s
WHERE s.service_id = 'default';

-- name: dogs
-- How often each dog was right and wrong.
SELECT l.weights FROM loop_persistence_state AS l WHERE l.loop_name = 'dog-votes' AND l.state_type = 'default';

-- name: arms
-- The contexts of which most is known, each with the answers of its best known arm. An arm's pulls are the answers that stand
-- on the votes of its dog in the context: added up over dogs, an answer would count once for each that voted.
SELECT l.state_type, l.weights, a.answers
FROM loop_persistence_state AS l
CROSS JOIN LATERAL (
    SELECT coalesce(max((e.value ->> 'alpha')::float8 + (e.value ->> 'beta')::float8 - 2), 0)::bigint AS answers
    FROM jsonb_each(l.weights) AS e
) AS a
WHERE l.loop_name = 'thompson'
ORDER BY a.answers DESC, l.state_type
LIMIT %(limit)s::bigint;

-- name: kinds
-- The kinds of judgment with the most decided answers that stand, with the answers of all kinds, and the most on one side of one.
SELECT l.state_type, l.weights, sum(a.answers) OVER ()::bigint, max(a.most) OVER ()
FROM loop_persistence_state AS l
CROSS JOIN LATERAL (
    SELECT coalesce(sum(s.answers), 0)::bigint AS answers, coalesce(max(s.answers), 0) AS most
    FROM jsonb_each(l.weights) AS e
    CROSS JOIN LATERAL (SELECT (e.value ->> 'right')::bigint + (e.value ->> 'wrong')::bigint AS answers) AS s
) AS a
WHERE l.loop_name = 'calibration'
ORDER BY a.answers DESC, l.state_type
LIMIT %(limit)s::bigint;

-- name: td_errors
-- The errors of the newest updates of Q-learning since its values were last given up.
SELECT e.td_error FROM get_newest_td_errors('default', %(limit)s::integer) AS e (td_error);
