-- The loops that adapt in each cycle.

-- name: optimizer
-- How often weights were fitted, and how well.
SELECT o.epoch, o.total_pairs_processed, o.last_loss, o.best_loss, o.last_run
FROM dpo_optimizer_state AS o
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
-- The learned weights, what is biased, and of how many answers the most observed dimension knows.
SELECT s.dimension_weights, s.detected_biases, s.total_calibrations,
       coalesce((SELECT max((d.value ->> 0)::integer)
                 FROM loop_persistence_state AS l
                 CROSS JOIN LATERAL jsonb_each(l.weights -> 'sums' -> 'dimensions') AS d
                 WHERE l.loop_name = 'sona' AND l.state_type = 'default'), 0)
FROM learning_state AS s
WHERE s.state_key = 'global';

-- name: behavior
SELECT l.weights, l.episode_count
FROM loop_persistence_state AS l
WHERE l.loop_name = 'behavior' AND l.state_type = 'default';
