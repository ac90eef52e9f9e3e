-- Emergence. Each statement is part of one transaction that flows/learn.py opens.

-- name: categories
-- What was counted in some categories.
SELECT l.state_type, l.weights FROM loop_persistence_state AS l
WHERE l.loop_name = 'emergence' AND l.state_type = ANY (%(names)s::text[]);

-- name: patterns
-- Patterns that are new or have moved, with their evolution. A locked one keeps what it says; it is counted further.
WITH given AS (
    SELECT g.id, g.key, g.category, g.name, g.tags, g.confidence, g.frequency, g.judgments, g.first_seen, g.last_seen, g.strength,
           g.direction, g.velocity
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS g (id text, key text, category text, name text, tags jsonb, confidence numeric,
        frequency integer, judgments jsonb, first_seen float8, last_seen float8, strength numeric, direction text, velocity numeric)
), evolved AS (
    INSERT INTO pattern_evolution AS e (pattern_type, pattern_key, occurrence_count, confidence, strength, trend_direction,
                                        trend_velocity, first_seen, last_seen)
    SELECT g.category, g.key, g.frequency, g.confidence, g.strength, g.direction, g.velocity, to_timestamp(g.first_seen),
           to_timestamp(g.last_seen)
    FROM given AS g
    ORDER BY g.key
    ON CONFLICT (pattern_type, pattern_key) DO UPDATE
    SET occurrence_count = excluded.occurrence_count, confidence = excluded.confidence, strength = excluded.strength,
        trend_direction = excluded.trend_direction, trend_velocity = excluded.trend_velocity,
        first_seen = least(e.first_seen, excluded.first_seen), last_seen = excluded.last_seen, merged_at = NULL
)
INSERT INTO patterns AS p (pattern_id, category, name, confidence, frequency, source_judgments, tags, created_at)
SELECT g.id, g.category, g.name, g.confidence, g.frequency, g.judgments, ARRAY(SELECT jsonb_array_elements_text(g.tags)),
       %(now)s::timestamptz
FROM given AS g
ORDER BY g.id
ON CONFLICT (pattern_id) DO UPDATE
SET frequency = excluded.frequency,
    confidence = CASE WHEN p.consolidation_locked THEN p.confidence ELSE excluded.confidence END,
    source_judgments = CASE WHEN p.consolidation_locked THEN p.source_judgments ELSE excluded.source_judgments END;

-- name: merged
-- Which patterns others took in: those are their parents from now on.
WITH given AS (
    SELECT g.category, g.key, g.child
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS g (category text, key text, child text)
), parents AS (
    UPDATE pattern_evolution AS e SET merged_at = %(now)s::timestamptz
    FROM given AS g
    WHERE e.pattern_type = g.category AND e.pattern_key = g.key
    RETURNING e.id, g.category, g.child
), children AS (
    SELECT p.category, p.child, array_agg(p.id ORDER BY p.id) AS ids FROM parents AS p GROUP BY p.category, p.child
)
UPDATE pattern_evolution AS e
SET parent_ids = ARRAY(SELECT DISTINCT x.id FROM unnest(e.parent_ids || c.ids) AS x (id) ORDER BY x.id)
FROM children AS c
WHERE e.pattern_type = c.category AND e.pattern_key = c.child;

-- name: gone
-- What patterns are left with that are none any more.
UPDATE patterns AS p SET confidence = g.confidence
FROM jsonb_to_recordset(%(rows)s::jsonb) AS g (id text, confidence numeric)
WHERE p.pattern_id = g.id AND NOT p.consolidation_locked;
