-- Meta-cognition. Each statement is part of one transaction that flows/learn.py opens.

-- name: rates
SELECT s.exploration_rate FROM qlearning_state AS s WHERE s.service_id = 'default';

-- name: explore
UPDATE qlearning_state AS s SET exploration_rate = %(rate)s WHERE s.service_id = 'default';

-- name: frictions
-- What hinders sessions, in the order given.
INSERT INTO frictions (friction_type, description, severity, detected_at)
SELECT g.type, g.description, g.severity, %(now)s::timestamptz
FROM ROWS FROM (jsonb_to_recordset(%(rows)s::jsonb) AS (type text, description text, severity numeric)) WITH ORDINALITY
    AS g (type, description, severity, place)
ORDER BY g.place
RETURNING id;

-- name: resolve
UPDATE frictions AS f SET resolved = true WHERE f.id = ANY (%(ids)s::bigint[]) AND NOT f.resolved;

-- name: forget_patterns
-- A session's patterns are those of its newest actions: found anew, they replace the former.
DELETE FROM session_patterns AS p
WHERE p.session_id = ANY (%(sessions)s::text[]) AND p.pattern_data ->> 'source' = %(source)s;

-- name: patterns
INSERT INTO session_patterns (session_id, pattern_type, pattern_data, detected_at)
SELECT g.session_id, g.type, g.data, %(now)s
FROM jsonb_to_recordset(%(rows)s) AS g (session_id text, type text, data jsonb)
ORDER BY g.session_id, g.type;

-- name: kinds
-- How judgments of some kinds turned out so far, by side.
SELECT l.state_type, e.side, (e.counts ->> 'right')::integer, (e.counts ->> 'wrong')::integer
FROM loop_persistence_state AS l
CROSS JOIN LATERAL jsonb_each(l.weights) AS e (side, counts)
WHERE l.loop_name = 'calibration' AND l.state_type = ANY (%(kinds)s::text[])
ORDER BY l.state_type, e.side;

-- name: lessons
-- A lesson that was learned before gets its new numbers, and names what was wrong last; returns those that are new.
INSERT INTO lessons_learned AS l (lesson_id, category, lesson, context, impact_score, learned_at)
SELECT g.lesson_id, 'judgment', g.lesson, g.context, g.impact, %(now)s
FROM jsonb_to_recordset(%(rows)s) AS g (lesson_id text, lesson text, context text, impact integer)
ORDER BY g.lesson_id
ON CONFLICT (lesson_id) DO UPDATE
SET lesson = excluded.lesson, impact_score = excluded.impact_score,
    context = CASE WHEN excluded.context::jsonb ->> 'outcome' = 'incorrect' THEN excluded.context ELSE coalesce(l.context, excluded.context) END
RETURNING l.lesson_id, l.xmax = 0;

-- name: outgrown
-- Lessons of kinds that do better now: what they were stays, their impact is gone.
UPDATE lessons_learned AS l SET impact_score = 0 WHERE l.lesson_id = ANY (%(ids)s::text[]) AND l.impact_score <> 0;

-- name: trajectories
INSERT INTO reasoning_trajectories (trajectory_id, reasoning, intermediate_steps, final_output, created_at)
SELECT g.trajectory_id, g.reasoning, g.steps, g.output, %(now)s
FROM jsonb_to_recordset(%(rows)s) AS g (trajectory_id text, reasoning text, steps jsonb, output text)
ORDER BY g.trajectory_id
ON CONFLICT (trajectory_id) DO NOTHING;

-- name: judged
-- What the steps of a trajectory show besides the answer.
SELECT j.judgment_id, j.basis, j.verdict, j.q_score, j.confidence,
       (SELECT jsonb_agg(jsonb_build_object('dog', v.dog_name, 'score', v.vote_score, 'weight', v.metadata -> 'weight') ORDER BY v.id)
        FROM dog_votes AS v WHERE v.item_id = j.judgment_id)
FROM judgments AS j
WHERE j.judgment_id = ANY (%(ids)s::text[]);

-- name: drop_trajectories
-- Of answers that were taken back.
DELETE FROM reasoning_trajectories AS t WHERE t.trajectory_id = ANY (%(ids)s::text[]);
