-- What was learned, for those who record. Read at most once a second, outside the statement that records.

-- name: learned
-- Everything, or only a row that says so when nothing was learned or decided since what was `seen`.
WITH total AS (
    SELECT concat_ws(' ', sum(l.episode_count), (SELECT max(g.id) FROM dimension_governance_log AS g),
                     (SELECT s.total_calibrations FROM learning_state AS s WHERE s.state_key = 'global')) AS seen
    FROM loop_persistence_state AS l
    WHERE l.loop_name IN ('dog-votes', 'calibration', 'behavior')
), known AS (
    SELECT l.loop_name, l.state_type, l.weights
    FROM loop_persistence_state AS l
    WHERE l.loop_name IN ('dog-votes', 'calibration', 'behavior')
    UNION ALL
    SELECT 'sona', s.state_key, s.dimension_weights FROM learning_state AS s WHERE s.state_key = 'global'
    UNION ALL
    SELECT 'dimensions', d.name, jsonb_build_object('axiom', d.category, 'weight', d.weight)
    FROM discovered_dimensions AS d
    WHERE d.metadata ->> 'status' = 'active'
)
SELECT t.seen, k.loop_name, k.state_type, k.weights
FROM total AS t
LEFT JOIN known AS k ON t.seen IS DISTINCT FROM %(seen)s::text;
