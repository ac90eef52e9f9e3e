-- The next batch of the queue. Each statement is part of one transaction that flows/learn.py opens.

-- name: take
-- The next rows in the order of their writers, out of the queue. Only rows that nothing can come before any more:
-- every transaction as old as their writer has ended, or their writer was one of another cluster. Nobody else deletes
-- here, so no row is skipped for being locked.
WITH restored AS MATERIALIZED (
    SELECT o.id FROM ops_learning_queue AS o
    WHERE o.written_by >= pg_snapshot_xmax(pg_current_snapshot())
    ORDER BY o.written_by, o.id
    LIMIT %(limit)s::bigint
), ours AS MATERIALIZED (
    SELECT o.id FROM ops_learning_queue AS o
    WHERE o.written_by < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY o.written_by, o.id
    LIMIT %(limit)s::bigint - (SELECT count(*) FROM restored)
)
DELETE FROM ops_learning_queue AS q
WHERE q.id = ANY (ARRAY(SELECT r.id FROM restored AS r UNION ALL SELECT o.id FROM ours AS o))
RETURNING q.signal_id, q.written_by >= pg_snapshot_xmax(pg_current_snapshot()), q.written_by::text::bigint, q.id;

-- name: events
-- What the signals are about, in the order given, with the answer of the same person that was learned and still counts.
-- The feedback may be gone with an erased user: then there is no row for its signal. A signal that somebody else wrote
-- has no feedback either.
SELECT s.id, f.id, f.outcome, f.applied, j.judgment_id, j.verdict, j.query_type, j.task_type, j.item_type,
       f.user_id, f.superseded_at, f.created_at,
       CASE WHEN s.metadata ->> 'supersedes' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN (s.metadata ->> 'supersedes')::uuid END,
       standing.id, standing.outcome, standing.superseded_at, standing.created_at, standing.root,
       (SELECT jsonb_agg(jsonb_build_array(v.dog_name, v.vote_score) ORDER BY v.id)
        FROM dog_votes AS v WHERE v.item_id = j.judgment_id)
FROM unnest(%(ids)s::text[]) WITH ORDINALITY AS g (id, place)
JOIN unified_signals AS s ON s.id = g.id
JOIN feedback AS f
  ON f.id = CASE WHEN s.id ~ '^feedback:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN substr(s.id, 10)::uuid END
JOIN judgments AS j ON j.judgment_id = f.judgment_id
LEFT JOIN LATERAL (
    SELECT o.id, o.outcome, o.superseded_at, o.created_at, o.root
    FROM (SELECT x.*, min(x.learned_as) OVER () AS root FROM feedback AS x
          WHERE x.judgment_id = f.judgment_id AND x.user_id IS NOT DISTINCT FROM f.user_id OFFSET 0) AS o
    WHERE o.applied
    LIMIT 1
) AS standing ON true
ORDER BY g.place;
