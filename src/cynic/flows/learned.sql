-- What was learned, for those who record. Read at most once a second, outside the statement that records.

-- name: learned
-- Everything, or only a row that says so when nothing was learned since `seen` answers.
WITH total AS (
    SELECT sum(l.episode_count) AS answers
    FROM loop_persistence_state AS l
    WHERE l.loop_name IN ('dog-votes', 'calibration')
)
SELECT t.answers, l.loop_name, l.state_type, l.weights
FROM total AS t
LEFT JOIN loop_persistence_state AS l
  ON l.loop_name IN ('dog-votes', 'calibration') AND t.answers IS DISTINCT FROM %(seen)s::bigint;
