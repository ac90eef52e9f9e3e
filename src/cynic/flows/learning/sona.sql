-- Weights of dimensions. Each statement is part of one transaction that flows/learn.py opens.

-- name: calibrated
-- The weights as they are used, and what is biased.
UPDATE learning_state AS s
SET dimension_weights = %(weights)s, detected_biases = %(biases)s, total_calibrations = s.total_calibrations + 1,
    last_calibration_at = %(now)s
WHERE s.state_key = 'global';

-- name: sides
-- How often judgments were right on either side, over all kinds: once, and after a turn that failed.
SELECT e.side, sum((e.counts ->> 'right')::bigint)::bigint, sum((e.counts ->> 'wrong')::bigint)::bigint
FROM loop_persistence_state AS l
CROSS JOIN LATERAL jsonb_each(l.weights) AS e (side, counts)
WHERE l.loop_name = 'calibration'
GROUP BY e.side;

-- name: added
-- The dimensions that the dogs added: where they belong, what they weigh, and whether they may still be judged.
SELECT d.name, d.category, d.weight, d.metadata ->> 'status' = 'active'
FROM discovered_dimensions AS d
WHERE d.metadata ? 'status';

-- name: no_folder
-- Profiles are written by the folder of counters too; held to the end of the transaction, so that neither waits for the other.
SELECT pg_advisory_xact_lock(hashtextextended('cynic counters of ' || current_schema(), 0));

-- name: people
-- What is known of some people; those who were erased have no row.
SELECT u.id, d.sums
FROM users AS u
LEFT JOIN ops_user_dimensions AS d ON d.user_id = u.id
WHERE u.id = ANY (%(ids)s::uuid[]) AND u.erased_at IS NULL
ORDER BY u.id
FOR SHARE OF u;

-- name: save_sums
INSERT INTO ops_user_dimensions AS d (user_id, sums)
SELECT g.user_id, g.sums FROM jsonb_to_recordset(%(people)s) AS g (user_id uuid, sums jsonb) ORDER BY g.user_id
ON CONFLICT (user_id) DO UPDATE SET sums = excluded.sums;

-- name: save_profiles
INSERT INTO user_learning_profiles AS p (user_id, preferred_dimensions, feedback_bias, learning_rate)
SELECT g.user_id, g.preferred, g.bias, g.rate
FROM jsonb_to_recordset(%(people)s) AS g (user_id uuid, preferred jsonb, bias numeric, rate numeric)
ORDER BY g.user_id
ON CONFLICT (user_id) DO UPDATE
SET preferred_dimensions = excluded.preferred_dimensions, feedback_bias = excluded.feedback_bias, learning_rate = excluded.learning_rate;
