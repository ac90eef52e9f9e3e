-- Residual detection. Each statement is part of one transaction that flows/learn.py opens.

-- name: clusters
-- What anomalies of some kinds have in common.
SELECT l.state_type, l.weights FROM loop_persistence_state AS l
WHERE l.loop_name = 'residual' AND l.state_type = ANY (%(names)s::text[]);

-- name: anomalies
-- Judgments that their dimensions do not explain; the serious ones are also for people to acknowledge.
WITH found AS (
    SELECT g.place, g.judgment_id, g.anomaly_id, g.residual, g.severity, g.serious, g.description
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS g (place bigint, judgment_id text, anomaly_id text, residual numeric, severity text,
                                                   serious boolean, description text)
), told AS (
    INSERT INTO anomalies AS a (anomaly_id, source_type, source_id, severity, description, residual, created_at)
    SELECT f.anomaly_id, 'judgment', f.judgment_id, f.severity, f.description, f.residual, %(now)s::timestamptz
    FROM found AS f
    WHERE f.serious
    ORDER BY f.place
    ON CONFLICT (anomaly_id) DO UPDATE
    SET severity = excluded.severity, description = excluded.description, residual = excluded.residual, resolved = false
)
INSERT INTO residual_anomalies (source_type, source_id, residual, severity, detected_at)
SELECT 'judgment', f.judgment_id, f.residual, f.severity, %(now)s::timestamptz
FROM found AS f
ORDER BY f.place
ON CONFLICT (source_type, source_id) DO UPDATE SET residual = excluded.residual, severity = excluded.severity;

-- name: withdraw
-- Of judgments whose answers were taken back: the row of the detector goes, what people were told is resolved.
WITH gone AS (
    DELETE FROM residual_anomalies AS r WHERE r.source_type = 'judgment' AND r.source_id = ANY (%(ids)s::text[])
)
UPDATE anomalies AS a SET resolved = true WHERE a.anomaly_id = ANY (%(anomaly_ids)s::text[]) AND NOT a.resolved;

-- name: candidates
-- What clusters of at least three judgments propose; those of clusters that have fewer now go. Returns the new ones.
WITH poor AS (
    DELETE FROM residual_candidates AS c WHERE c.dimension_name = ANY (%(poor)s::text[])
), given AS (
    SELECT g.name, g.description, g.score, g.axiom
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS g (name text, description text, score numeric, axiom text)
), known AS (
    UPDATE residual_candidates AS c SET description = g.description, score = g.score, category = g.axiom
    FROM given AS g
    WHERE c.dimension_name = g.name
    RETURNING c.dimension_name
)
INSERT INTO residual_candidates (dimension_name, description, score, category, proposed_at)
SELECT g.name, g.description, g.score, g.axiom, %(now)s::timestamptz
FROM given AS g
WHERE NOT EXISTS (SELECT FROM known AS k WHERE k.dimension_name = g.name)
ORDER BY g.name
RETURNING dimension_name, description;

-- name: bound
-- The clusters that were added to last are kept, and the candidates with them.
WITH old AS (
    DELETE FROM loop_persistence_state AS l
    WHERE l.id = ANY (ARRAY(
        SELECT o.id FROM loop_persistence_state AS o
        WHERE o.loop_name = 'residual' AND o.state_type <> 'default'
        ORDER BY (o.weights ->> 'last')::bigint DESC, o.state_type
        OFFSET %(clusters)s::bigint))
    RETURNING l.state_type
)
DELETE FROM residual_candidates AS c WHERE c.dimension_name IN (SELECT o.state_type FROM old AS o);
