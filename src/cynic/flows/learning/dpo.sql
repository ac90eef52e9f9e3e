-- Preferences. Each statement is part of one transaction that flows/learn.py opens.

-- name: optimizer
-- The settings, the last loss, and which answers there are preferences of.
SELECT o.beta, o.regularization, o.last_loss, l.weights -> 'seen'
FROM dpo_optimizer_state AS o
LEFT JOIN loop_persistence_state AS l ON l.loop_name = 'dpo-optimizer' AND l.state_type = 'default'
WHERE o.service_id = 'default';

-- name: contexts
-- What is kept of some contexts.
SELECT l.state_type, l.weights
FROM loop_persistence_state AS l
WHERE l.loop_name = 'dpo' AND l.state_type = ANY (%(contexts)s::text[]);

-- name: weights
-- The weights of some contexts as they are.
SELECT w.context_type, w.dog_name, w.weight, w.base_weight, w.fisher_score
FROM routing_weights AS w
WHERE w.service_id = 'default' AND w.context_type = ANY (%(contexts)s::text[]);

-- name: take_back
-- The pairs that answers were part of, out of the table. Each of the two places has its own index. A pair that somebody
-- else wrote may be of another context than its answers; one without a batch was never counted.
DELETE FROM preference_pairs AS p
WHERE p.batch_id IS NOT NULL AND (p.feedback_ids[1] = ANY (%(ids)s::uuid[]) OR p.feedback_ids[2] = ANY (%(ids)s::uuid[]))
RETURNING p.context_type, p.chosen ->> 'dog', p.rejected ->> 'dog', p.confidence;

-- name: given
-- Pairs that somebody else wrote, oldest first: only those that name two dogs and a context can be learned from.
SELECT p.id, p.context_type, p.chosen ->> 'dog', p.rejected ->> 'dog', p.confidence
FROM preference_pairs AS p
WHERE NOT p.processed AND p.context_type IS NOT NULL AND p.chosen ->> 'dog' <> p.rejected ->> 'dog'
  AND p.chosen ->> 'dog' = ANY (%(dogs)s::text[]) AND p.rejected ->> 'dog' = ANY (%(dogs)s::text[])
ORDER BY p.created_at, p.id
LIMIT %(limit)s;

-- name: processed
UPDATE preference_pairs AS p SET processed = true, batch_id = %(batch)s WHERE p.id = ANY (%(ids)s::uuid[]);

-- name: pairs
COPY preference_pairs (id, chosen, rejected, context, context_type, feedback_ids, confidence, processed, batch_id, created_at) FROM STDIN;

-- name: save_weights
-- A context that was never seen gets its rows here.
INSERT INTO routing_weights AS w (service_id, dog_name, context_type, weight, base_weight, confidence, episode_count, positive_count,
                                  negative_count, fisher_score, last_update)
SELECT 'default', g.dog, g.context, g.weight, g.base, g.confidence, g.episodes, g.positive, g.negative,
       g.fisher, %(now)s
FROM jsonb_to_recordset(%(rows)s) AS g (
    dog text, context text, weight numeric, base numeric, confidence numeric, episodes integer, positive integer, negative integer,
    fisher numeric)
ORDER BY g.context, g.dog
ON CONFLICT (service_id, dog_name, context_type) DO UPDATE
SET weight = excluded.weight, confidence = excluded.confidence, episode_count = excluded.episode_count,
    positive_count = excluded.positive_count, negative_count = excluded.negative_count, fisher_score = excluded.fisher_score,
    last_update = excluded.last_update;

-- name: ran
UPDATE dpo_optimizer_state AS o
SET epoch = o.epoch + 1, total_pairs_processed = o.total_pairs_processed + %(pairs)s, last_loss = %(loss)s,
    best_loss = least(o.best_loss, %(loss)s), last_run = %(now)s
WHERE o.service_id = 'default';
