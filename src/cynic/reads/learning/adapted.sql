-- The loops that adapt in each cycle.

-- name: optimizer
-- How many pairs stand and how many were ever used, how often weights were fitted, and how well. An older version kept no
-- number of those that stand: a pair is twenty units, some of which may speak the other way.
SELECT CASE WHEN l.weights ? 'pairs' THEN (l.weights ->> 'pairs')::bigint
            ELSE (SELECT coalesce(sum(u.units::bigint), 0)::bigint / 20
                  FROM loop_persistence_state AS x
                  CROSS JOIN LATERAL jsonb_each(x.weights -> 'wins') AS w (dog, others)
                  CROSS JOIN LATERAL jsonb_each_text(w.others) AS u (dog, units)
                  WHERE x.loop_name = 'dpo') END,
       o.total_pairs_processed, o.epoch, o.last_loss, o.best_loss, o.last_run
FROM dpo_optimizer_state AS o
LEFT JOIN loop_persistence_state AS l ON l.loop_name = 'dpo-optimizer' AND l.state_type = 'default'
WHERE o.service_id = 'default';

-- name: weights
-- The weights of the contexts that answers said most about.
SELECT w.context_type, w.dog_name, w.weight, w.base_weight, w.episode_count, w.fisher_score
FROM routing_weights AS w
JOIN (SELECT x.context_type, sum(x.episode_count) AS answers
      FROM routing_weights AS x
      WHERE x.service_id = 'default'
      GROUP BY x.context_type
      HAVING sum(x.episode_count) > 0
      ORDER BY sum(x.episode_count) DESC, x.context_type
      LIMIT %(limit)s) AS c ON c.context_type = w.context_type
WHERE w.service_id = 'default'
ORDER BY c.answers DESC, w.context_type, w.dog_name;

-- name: sona
-- The learned weights, what is biased, and the sums of the dimensions.
SELECT s.dimension_weights, s.detected_biases, s.total_calibrations,
       (SELECT l.weights -> 'sums' FROM loop_persistence_state AS l WHERE l.loop_name = 'sona' AND l.state_type = 'default')
FROM learning_state AS s
WHERE s.state_key = 'global';

-- name: behavior
-- The shifts, and the decided answers that stand; counted here where an older version kept no number.
SELECT l.weights,
       CASE WHEN l.weights ? 'answers' THEN (l.weights ->> 'answers')::bigint
            ELSE (SELECT count(*) FROM feedback AS f WHERE f.applied AND f.outcome <> 'partial') END
FROM loop_persistence_state AS l
WHERE l.loop_name = 'behavior' AND l.state_type = 'default';
