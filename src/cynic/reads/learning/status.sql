-- What the learning loops know.

-- name: waiting
-- How many signals wait to be learned from, and how many answers that count were set aside.
SELECT (SELECT count(*) FROM ops_learning_queue), (SELECT count(*) FROM get_answers_set_aside());

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

-- name: maturity
-- Of each loop as it was measured last, with its parts: a maturity of 0 is one part of 0, and only they say which.
SELECT g.loop, m.maturity, m.data_coverage, m.convergence, m.accuracy, m.adaptability
FROM unnest(%(loops)s::text[]) AS g (loop)
CROSS JOIN LATERAL (
    SELECT x.maturity, x.data_coverage, x.convergence, x.accuracy, x.adaptability
    FROM learning_maturity AS x
    WHERE x.loop_name = g.loop
    ORDER BY x.timestamp DESC
    LIMIT 1
) AS m;
