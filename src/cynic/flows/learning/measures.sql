-- What each cycle measures. Each statement is part of one transaction that flows/learn.py opens.

-- name: known
-- What the loops that move with every answer know of some contexts and kinds.
SELECT l.loop_name, l.state_type, l.weights
FROM loop_persistence_state AS l
WHERE (l.loop_name = 'dog-votes' AND l.state_type = 'default')
   OR (l.loop_name = 'thompson' AND l.state_type = ANY (%(contexts)s::text[]))
   OR (l.loop_name = 'calibration' AND l.state_type = ANY (%(kinds)s::text[]))
ORDER BY l.loop_name, l.state_type;

-- name: td_errors
-- The errors of the newest updates of Q-learning.
SELECT e.td_error FROM get_newest_td_errors('default', %(limit)s::integer) AS e (td_error);

-- name: mature
-- How mature the loops are that can be measured.
INSERT INTO learning_maturity (loop_name, maturity, data_coverage, convergence, accuracy, adaptability, timestamp)
SELECT g.loop, g.maturity, g.data_coverage, g.convergence, g.accuracy, g.adaptability, %(now)s::timestamptz
FROM jsonb_to_recordset(%(maturity)s::jsonb) AS g (loop text, maturity numeric, data_coverage numeric, convergence numeric,
                                                   accuracy numeric, adaptability numeric);

-- name: measured
-- What was measured of the answers, all at the moment of the cycle.
WITH spread AS (
    INSERT INTO distribution_snapshots (distribution_type, parameters, captured_at)
    SELECT g.type, g.parameters, %(now)s::timestamptz
    FROM jsonb_to_recordset(%(snapshots)s::jsonb) AS g (type text, parameters jsonb)
)
INSERT INTO judgment_metrics (metric_type, value, measured_at)
SELECT g.type, g.value, %(now)s::timestamptz
FROM jsonb_to_recordset(%(metrics)s::jsonb) AS g (type text, value numeric);
