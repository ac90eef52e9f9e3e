-- What the reference tells about a schema that the connection's search_path names first, for people to read.

-- name: tables
SELECT c.relname, coalesce(obj_description(c.oid, 'pg_class'), '')
FROM pg_class AS c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
  AND NOT EXISTS (SELECT FROM pg_depend AS d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY c.relname;

-- name: columns
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       pg_get_expr(d.adbin, d.adrelid), a.attgenerated <> '', col_description(c.oid, a.attnum)
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
  AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum;

-- name: constraints
-- NOT NULL, which PostgreSQL 18 lists here as well, is told by the columns.
SELECT r.relname, k.conname, k.contype::text, pg_get_constraintdef(k.oid, true), f.relname,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS n (attnum, place)
             JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = n.attnum ORDER BY n.place)
FROM pg_constraint AS k
JOIN pg_class AS r ON r.oid = k.conrelid
LEFT JOIN pg_class AS f ON f.oid = k.confrelid
WHERE k.connamespace = current_schema()::regnamespace AND k.contype IN ('p', 'u', 'f', 'c', 'x')
ORDER BY r.relname, array_position(ARRAY['p', 'u', 'x', 'f', 'c'], k.contype::text), k.conname;

-- name: indexes
-- Without those that only stand behind a key.
SELECT t.relname, c.relname, pg_get_indexdef(i.indexrelid, 0, true), obj_description(c.oid, 'pg_class')
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_class AS t ON t.oid = i.indrelid
WHERE t.relnamespace = current_schema()::regnamespace
  AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
ORDER BY t.relname, c.relname;

-- name: triggers
SELECT r.relname, t.tgname, pg_get_triggerdef(t.oid, true), t.tgenabled = 'A', p.proname,
       obj_description(t.oid, 'pg_trigger')
FROM pg_trigger AS t
JOIN pg_class AS r ON r.oid = t.tgrelid
JOIN pg_proc AS p ON p.oid = t.tgfoid
WHERE r.relnamespace = current_schema()::regnamespace AND NOT t.tgisinternal
ORDER BY r.relname, t.tgname;

-- name: functions
SELECT p.proname, pg_get_function_arguments(p.oid), coalesce(pg_get_function_result(p.oid), ''),
       coalesce(obj_description(p.oid, 'pg_proc'), ''),
       CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
       p.prosecdef, coalesce(pg_get_function_sqlbody(p.oid), p.prosrc)
FROM pg_proc AS p
WHERE p.pronamespace = current_schema()::regnamespace
  AND NOT EXISTS (SELECT FROM pg_depend AS d
                  WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
ORDER BY p.proname, pg_get_function_arguments(p.oid);
