-- Behaviour. Each statement is part of one transaction that flows/learn.py opens.

-- name: rules
-- Of the answers of a cycle those whose judgment's confidence is neither its writer's nor calibrated.
SELECT f.learned_as
FROM feedback AS f
JOIN judgments AS j ON j.judgment_id = f.judgment_id
WHERE f.applied AND f.learned_as > %(since)s AND f.learned_as <= %(until)s
  AND j.basis ->> 'confidence_rule' IN ('votes', 'distance');
