-- Learning cycles. Each statement is part of one transaction that flows/learn.py opens.

-- name: answered
-- The answers that count, in the order of learning, each with its judgment and votes.
SELECT f.learned_as, f.id, f.judgment_id, f.outcome, f.actual_score, j.q_score, j.verdict, j.query_type, j.task_type, j.item_type,
       j.session_id, f.user_id, j.dimension_scores,
       (SELECT jsonb_agg(jsonb_build_array(v.dog_name, v.vote_score) ORDER BY v.id)
        FROM dog_votes AS v WHERE v.item_id = j.judgment_id),
       j.created_at, f.created_at, j.confidence
FROM feedback AS f
JOIN judgments AS j ON j.judgment_id = f.judgment_id
WHERE f.applied AND f.learned_as > %(since)s AND f.learned_as <= %(until)s
ORDER BY f.learned_as;

-- name: taken_back
-- The same of answers that counted until this cycle, and in whose place others of the same person were learned in it. Looked up one by
-- one, by their judgments: statistics from before the answers were learned make the planner believe that hardly any are, and read
-- them all for each.
SELECT o.learned_as, o.id, o.judgment_id, o.outcome, o.actual_score, j.q_score, j.verdict, j.query_type, j.task_type, j.item_type,
       j.session_id, o.user_id, j.dimension_scores,
       (SELECT jsonb_agg(jsonb_build_array(v.dog_name, v.vote_score) ORDER BY v.id)
        FROM dog_votes AS v WHERE v.item_id = j.judgment_id),
       j.created_at, o.created_at, j.confidence
FROM feedback AS f
CROSS JOIN LATERAL (
    SELECT n.*
    FROM (SELECT x.* FROM feedback AS x WHERE x.judgment_id = f.judgment_id AND x.user_id IS NOT DISTINCT FROM f.user_id OFFSET 0) AS n
    WHERE n.learned_as <= %(since)s
    ORDER BY n.learned_as DESC
    LIMIT 1
) AS o
JOIN judgments AS j ON j.judgment_id = o.judgment_id
WHERE f.learned_as > %(since)s AND f.learned_as <= %(until)s
ORDER BY o.learned_as;

-- name: kept
SELECT l.weights FROM loop_persistence_state AS l WHERE l.loop_name = %(loop)s AND l.state_type = %(state)s;

-- name: cycle
-- What a cycle did.
INSERT INTO learning_cycles (cycle_id, feedback_processed, patterns_updated, patterns_merged, weights_adjusted, thresholds_adjusted,
                             avg_weight_delta, avg_threshold_delta, state_before, state_after, duration_ms, completed_at)
VALUES (%(cycle_id)s, %(answers)s, %(patterns_updated)s, %(patterns_merged)s, %(weights)s, %(thresholds)s,
        %(weight_delta)s, %(threshold_delta)s, %(before)s, %(after)s, %(duration_ms)s, %(now)s);
