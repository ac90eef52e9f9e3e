-- How the work of sessions goes.

-- name: metacognition
-- Sessions by state, without those of which only an open friction is kept; the newest open frictions, the lessons with the most
-- impact, and the exploration rate.
WITH session AS (
    SELECT l.weights ->> 'state' AS state
    FROM loop_persistence_state AS l
    WHERE l.loop_name = 'meta-cognition' AND l.state_type <> 'default'
      AND (l.weights -> 'actions' <> '[]' OR l.weights ->> 'friction' IS NULL)
)
SELECT (SELECT count(*) FROM session),
       (SELECT coalesce(jsonb_object_agg(c.state, c.sessions), '{}')
        FROM (SELECT s.state, count(*) AS sessions FROM session AS s WHERE s.state IS NOT NULL GROUP BY s.state) AS c),
       (SELECT coalesce(jsonb_agg(jsonb_build_object('type', f.friction_type, 'description', f.description, 'severity', f.severity)
                                  ORDER BY f.id DESC), '[]')
        FROM (SELECT x.id, x.friction_type, x.description, x.severity
              FROM frictions AS x WHERE NOT x.resolved ORDER BY x.id DESC LIMIT %(limit)s) AS f),
       (SELECT coalesce(jsonb_agg(jsonb_build_object('lesson', m.lesson, 'impact', m.impact_score)
                                  ORDER BY m.impact_score DESC, m.lesson_id), '[]')
        FROM (SELECT y.lesson_id, y.lesson, y.impact_score
              FROM lessons_learned AS y WHERE y.impact_score > 0
              ORDER BY y.impact_score DESC, y.lesson_id LIMIT %(limit)s) AS m),
       (SELECT s.exploration_rate FROM qlearning_state AS s WHERE s.service_id = 'default');
