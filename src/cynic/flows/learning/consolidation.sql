-- Consolidation of patterns. Each statement is part of one transaction that flows/learn.py opens.

-- name: bound
-- The categories that were answered last are kept.
DELETE FROM loop_persistence_state AS l
WHERE l.id = ANY (ARRAY(
    SELECT o.id FROM loop_persistence_state AS o
    WHERE o.loop_name = 'emergence'
    ORDER BY (o.weights ->> 'until')::bigint DESC, o.state_type
    OFFSET %(most)s::bigint));

-- name: all
-- What was counted in every category.
SELECT l.state_type, l.weights FROM loop_persistence_state AS l WHERE l.loop_name = 'emergence' ORDER BY l.state_type;

-- name: consolidate
-- How much each pattern matters, which are locked from now on, and how each evolves.
WITH given AS (
    SELECT g.id, g.key, g.category, g.confidence, g.frequency, g.locked, g.importance, g.last_seen, g.strength, g.direction, g.velocity
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS g (id text, key text, category text, confidence numeric, frequency integer,
        locked boolean, importance numeric, last_seen float8, strength numeric, direction text, velocity numeric)
), evolved AS (
    UPDATE pattern_evolution AS e
    SET occurrence_count = g.frequency, confidence = g.confidence, strength = g.strength, trend_direction = g.direction,
        trend_velocity = g.velocity, last_seen = to_timestamp(g.last_seen)
    FROM given AS g
    WHERE e.pattern_type = g.category AND e.pattern_key = g.key
)
UPDATE patterns AS p
SET frequency = g.frequency, fisher_importance = g.importance, consolidation_locked = g.locked,
    locked_at = CASE WHEN NOT g.locked THEN NULL ELSE coalesce(p.locked_at, to_timestamp(%(at_seconds)s::float8)) END
FROM given AS g
WHERE p.pattern_id = g.id
  AND (p.frequency, p.fisher_importance, p.consolidation_locked) IS DISTINCT FROM (g.frequency, g.importance, g.locked);

-- name: faded
-- What patterns are left with that have faded.
UPDATE patterns AS p SET confidence = g.confidence
FROM jsonb_to_recordset(%(rows)s::jsonb) AS g (id text, confidence numeric)
WHERE p.pattern_id = g.id;

-- name: history
-- That patterns were consolidated.
INSERT INTO ewc_consolidation_history (consolidation_id, service_id, fisher_entries, avg_fisher, created_at)
VALUES (%(id)s, 'default', %(entries)s::integer, %(average)s::numeric, %(now)s::timestamptz);
