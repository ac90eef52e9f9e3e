-- What all that deals with patterns asks for.

-- name: locked
-- Patterns that are kept for ever, and since when, in seconds.
SELECT p.pattern_id, extract(epoch FROM p.locked_at)::float8 FROM patterns AS p WHERE p.consolidation_locked;

-- name: share
-- The surest patterns that are live, with what each weighs; those that changed come in the place of what they were.
UPDATE shared_memory_patterns AS m
SET (patterns, weights, pattern_count) = (
    SELECT coalesce(jsonb_agg(x.pattern ORDER BY x.confidence DESC, x.id), '[]'),
           coalesce(jsonb_object_agg(x.id, x.confidence), '{}'), count(*)
    FROM (
        SELECT p.pattern, p.pattern ->> 'id' AS id, (p.pattern ->> 'confidence')::numeric AS confidence
        FROM (
            SELECT o.pattern FROM jsonb_array_elements(m.patterns) AS o (pattern)
            WHERE NOT %(whole)s::boolean AND o.pattern ->> 'id' <> ALL (%(left)s::text[])
            UNION ALL
            SELECT n.pattern FROM jsonb_array_elements(%(rows)s::jsonb) AS n (pattern)
        ) AS p
        ORDER BY 3 DESC, 2
        LIMIT %(most)s::bigint
    ) AS x)
WHERE m.memory_id = 'default';
