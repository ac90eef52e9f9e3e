-- What was learned, for those who choose by it.

-- name: q_table
SELECT get_live_q_table('default');

-- name: routing
-- The weights of the contexts that feedback said something about.
SELECT r.context_type, r.dog_name, r.weight, r.episode_count
FROM routing_weights AS r
WHERE r.service_id = 'default'
  AND EXISTS (SELECT FROM routing_weights AS x
              WHERE x.service_id = 'default' AND x.context_type = r.context_type AND x.episode_count > 0)
ORDER BY r.context_type, r.dog_name;
