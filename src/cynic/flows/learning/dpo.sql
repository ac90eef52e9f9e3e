-- Preferences. Each statement is part of one transaction that flows/learn.py opens.

-- name: optimizer
-- The settings, the last loss, which answers there are preferences of, and how many pairs stand.
SELECT o.beta, o.regularization, o.last_loss, l.weights -> 'seen', (l.weights ->> 'pairs')::bigint
FROM dpo_optimizer_state AS o
LEFT JOIN loop_persistence_state AS l ON l.loop_name = 'dpo-optimizer' AND l.state_type = 'default'
WHERE o.service_id = 'default';

-- name: standing
-- How many pairs stand in all contexts: a pair is twenty units, some of which may speak the other way. Read once, where an
-- older version kept no number.
SELECT coalesce(sum(u.units::bigint), 0)::bigint / 20
FROM loop_persistence_state AS l
CROSS JOIN LATERAL jsonb_each(l.weights -> 'wins') AS w (dog, others)
CROSS JOIN LATERAL jsonb_each_text(w.others) AS u (dog, units)
WHERE l.loop_name = 'dpo';

-- name: contexts
-- What is kept of some contexts.
SELECT l.state_type, l.weights
FROM loop_persistence_state AS l
WHERE l.loop_name = 'dpo' AND l.state_type = ANY (%(contexts)s::text[]);

-- name: weights
-- The weights of some contexts as they are. Looked up one by one: statistics from before there were so many contexts make the
-- planner read them all.
SELECT w.context_type, w.dog_name, w.weight, w.base_weight, w.fisher_score
FROM unnest(%(contexts)s::text[]) AS g (context)
CROSS JOIN LATERAL (
    SELECT x.context_type, x.dog_name, x.weight, x.base_weight, x.fisher_score
    FROM routing_weights AS x
    WHERE x.service_id = 'default' AND x.context_type = g.context
    OFFSET 0
) AS w;

-- name: take_back
-- The pairs that answers were part of, out of the table. Each of the two places has its own index, and each answer is looked up
-- alone: of them together the planner believes that they are in most pairs. A pair that somebody else wrote may be of another
-- context than its answers; one that was not processed, or without a batch, was never counted.
DELETE FROM preference_pairs AS p
WHERE p.processed AND p.batch_id IS NOT NULL
  AND p.id = ANY (ARRAY(
    SELECT f.id
    FROM unnest(%(ids)s::uuid[]) AS g (id)
    CROSS JOIN LATERAL (
        (SELECT x.id FROM preference_pairs AS x WHERE x.feedback_ids[1] = g.id OFFSET 0)
        UNION ALL
        (SELECT y.id FROM preference_pairs AS y WHERE y.feedback_ids[2] = g.id AND y.feedback_ids[2] IS NOT NULL OFFSET 0)
    ) AS f
  ))
RETURNING p.context_type, p.chosen ->> 'dog', p.rejected ->> 'dog', p.confidence;

-- name: given
-- Pairs that somebody else wrote, oldest first.
SELECT p.id, p.context_type, p.chosen ->> 'dog', p.rejected ->> 'dog', p.confidence
FROM preference_pairs AS p
WHERE NOT p.processed
ORDER BY p.created_at, p.id
LIMIT %(limit)s::bigint;

-- name: processed
-- They are looked at once: those that nothing can be learned from are in no batch.
UPDATE preference_pairs AS p
SET processed = true, batch_id = CASE WHEN p.id = ANY (%(learned)s::uuid[]) THEN %(batch)s::text END
WHERE p.id = ANY (%(ids)s::uuid[]);

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
-- What a cycle used: `total_pairs_processed` counts every pair once, in the cycle that used it, also when no fit was due and
-- when the pair is taken back later. How many stand now is kept with the loop's state. The rest is of the fits.
UPDATE dpo_optimizer_state AS o
SET total_pairs_processed = o.total_pairs_processed + %(pairs)s::integer,
    epoch = o.epoch + (%(loss)s::numeric IS NOT NULL)::integer,
    last_loss = coalesce(%(loss)s::numeric, o.last_loss),
    best_loss = least(o.best_loss, %(loss)s::numeric),
    last_run = CASE WHEN %(loss)s::numeric IS NULL THEN o.last_run ELSE %(now)s::timestamptz END
WHERE o.service_id = 'default';
