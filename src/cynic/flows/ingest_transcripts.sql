-- Importing files: one importer at a time, and how far each file was read.

-- name: only_importer
-- Held to the end of the session, over its transactions; false while another imports. One key for each schema.
SELECT pg_try_advisory_lock(hashtextextended('cynic import into ' || current_schema(), 0));

-- name: let_others_import
SELECT pg_advisory_unlock(hashtextextended('cynic import into ' || current_schema(), 0));

-- name: progress
SELECT path, size_bytes, modified_at, read_bytes FROM ops_imports WHERE source = %(source)s AND path = ANY (%(paths)s::text[]);

-- name: note_progress
-- In the transaction that stores what was read, so that neither is there without the other.
INSERT INTO ops_imports AS i (source, path, size_bytes, modified_at, read_bytes, imported_at)
SELECT %(source)s, g.path, g.size_bytes, g.modified_at, g.read_bytes, %(now)s
FROM json_to_recordset(%(rows)s::json) AS g (path text, size_bytes bigint, modified_at timestamptz, read_bytes bigint)
ORDER BY g.path
ON CONFLICT (source, path) DO UPDATE
SET size_bytes = excluded.size_bytes, modified_at = excluded.modified_at, read_bytes = excluded.read_bytes,
    imported_at = excluded.imported_at
WHERE (i.size_bytes, i.modified_at, i.read_bytes) IS DISTINCT FROM (excluded.size_bytes, excluded.modified_at, excluded.read_bytes);
