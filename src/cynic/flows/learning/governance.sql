-- Governance. All statements but `due` are part of the one transaction of a run.

-- name: due
-- When a run was made last, whether a ripe candidate waits for one, and whether there is anything to look at.
SELECT (SELECT max(t.started_at) FROM background_tasks AS t WHERE t.task_name = 'governance'),
       EXISTS (
           SELECT FROM residual_candidates AS c
           JOIN loop_persistence_state AS l ON l.loop_name = 'residual' AND l.state_type = c.dimension_name
           WHERE jsonb_array_length(l.weights -> 'sources') >= %(samples)s::integer
             AND NOT EXISTS (SELECT FROM dimension_governance_log AS g
                             WHERE g.vote_result ->> 'candidate' = c.dimension_name AND g.action_type <> 'propose')),
       EXISTS (SELECT FROM residual_candidates)
           OR EXISTS (SELECT FROM discovered_dimensions AS d WHERE d.metadata ->> 'status' = 'active');

-- name: one_run_at_a_time
-- Held to the end of the transaction. One key for each schema.
SELECT pg_advisory_xact_lock(hashtextextended('cynic governance of ' || current_schema(), 0));

-- name: usually
SELECT l.weights FROM loop_persistence_state AS l WHERE l.loop_name = 'dog-votes' AND l.state_type = 'default';

-- name: added
-- The dimensions that were added and may be judged.
SELECT d.name, d.metadata ->> 'candidate', d.discovered_at
FROM discovered_dimensions AS d
WHERE d.metadata ->> 'status' = 'active'
ORDER BY d.id;

-- name: candidates
-- Each candidate with its anomalies, and what was decided of it last.
SELECT c.proposed_at, l.weights, l.episode_count, g.action_type, (g.vote_result ->> 'anomalies')::integer
FROM residual_candidates AS c
JOIN loop_persistence_state AS l ON l.loop_name = 'residual' AND l.state_type = c.dimension_name
LEFT JOIN LATERAL (
    SELECT x.action_type, x.vote_result FROM dimension_governance_log AS x
    WHERE x.vote_result ->> 'candidate' = c.dimension_name
    ORDER BY x.logged_at DESC, x.id DESC
    LIMIT 1
) AS g ON true
ORDER BY c.id;

-- name: promotions
-- When dimensions were added within a day.
SELECT g.logged_at FROM dimension_governance_log AS g
WHERE g.action_type = 'approve' AND g.logged_at > %(now)s::timestamptz - interval '1 day'
ORDER BY g.logged_at;

-- name: voted
-- The answers that count of those that showed anomalies, with the votes on their judgments.
SELECT f.outcome, j.verdict,
       (SELECT jsonb_agg(jsonb_build_array(v.dog_name, v.vote_score) ORDER BY v.id) FROM dog_votes AS v WHERE v.item_id = j.judgment_id)
FROM feedback AS f
JOIN judgments AS j ON j.judgment_id = f.judgment_id
WHERE f.id = ANY (%(ids)s::uuid[]) AND f.applied AND f.outcome <> 'partial'
ORDER BY f.learned_as;

-- name: names
-- Those that are taken, also by what was retired.
SELECT d.name FROM discovered_dimensions AS d ORDER BY d.id;

-- name: promote
-- A dimension that may be judged from now on.
INSERT INTO discovered_dimensions (dimension_id, name, description, category, weight, metadata, discovered_at)
VALUES (%(name)s::text, %(name)s::text, %(description)s::text, %(axiom)s::text, 1, %(metadata)s::jsonb, %(now)s::timestamptz);

-- name: retire
-- It may not be judged any more; its name stays taken.
UPDATE discovered_dimensions AS d
SET metadata = d.metadata || jsonb_build_object('status', 'retired', 'retired_at', %(now)s::timestamptz)
WHERE d.name = %(name)s::text AND d.metadata ->> 'status' = 'active';

-- name: judged
-- Of the newest answers those on judgments that judged a dimension since it was added. So many are looked at, and their
-- judgments one by one, however many there are in all and however few are from since then.
SELECT j.created_at, j.score, x.outcome, j.verdict, j.votes
FROM (
    SELECT f.judgment_id, f.outcome, f.applied, f.created_at, f.learned_as FROM feedback AS f
    WHERE f.learned_as IS NOT NULL
    ORDER BY f.learned_as DESC
    LIMIT %(limit)s::bigint
) AS x
CROSS JOIN LATERAL (
    SELECT y.created_at, (y.dimension_scores ->> %(name)s::text)::float8 AS score, y.verdict,
           (SELECT jsonb_agg(jsonb_build_array(v.dog_name, v.vote_score) ORDER BY v.id) FROM dog_votes AS v WHERE v.item_id = y.judgment_id) AS votes
    FROM judgments AS y
    WHERE y.judgment_id = x.judgment_id AND y.dimension_scores ? %(name)s::text
    OFFSET 0
) AS j
WHERE x.applied AND x.outcome <> 'partial' AND x.created_at >= %(since)s::timestamptz
ORDER BY x.learned_as;

-- name: anomalies
-- How many anomalies a candidate has had in all.
SELECT l.episode_count FROM loop_persistence_state AS l WHERE l.loop_name = 'residual' AND l.state_type = %(name)s::text;

-- name: log
INSERT INTO dimension_governance_log (action_type, dimension_name, vote_result, logged_at)
VALUES (%(action)s::text, %(name)s::text, %(result)s::jsonb, %(now)s::timestamptz);

-- name: task
-- That a run was made, and how many decisions it took.
INSERT INTO background_tasks (task_id, task_type, task_name, status, success_count, started_at, completed_at)
VALUES (%(id)s::text, 'learning', 'governance', 'completed', %(decisions)s::integer, %(started)s::timestamptz, %(now)s::timestamptz);
