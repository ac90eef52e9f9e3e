-- Behaviour. Each statement is part of one transaction that flows/learn.py opens.

-- name: governed
-- Of the judgments that a cycle's answers are about those whose confidence is neither their writer's nor calibrated.
SELECT f.judgment_id
FROM feedback AS f
JOIN judgments AS j ON j.judgment_id = f.judgment_id
WHERE f.applied AND f.learned_as > %(since)s AND f.learned_as <= %(until)s
  AND j.basis ->> 'confidence_rule' IN ('votes', 'distance');

-- name: standing
-- The decided answers of all former cycles: in all, on a confidence that may be shifted, on what is approved, and on what is
-- blocked. Read once, where an older version counted none.
SELECT count(*), count(*) FILTER (WHERE j.basis ->> 'confidence_rule' IN ('votes', 'distance')),
       count(*) FILTER (WHERE j.q_score >= %(approve)s::numeric), count(*) FILTER (WHERE j.q_score < %(block)s::numeric)
FROM feedback AS f
JOIN judgments AS j ON j.judgment_id = f.judgment_id
WHERE f.applied AND f.outcome <> 'partial' AND f.learned_as <= %(since)s::bigint;
