-- What the generic reader asks the catalogue before it builds a query out of checked names.

-- name: columns
-- A table's columns in order, with the type each compares as.
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relname = %(table)s
  AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum;

-- name: key
-- The primary key's columns in order: the last word of every sort, so that pages are stable.
SELECT a.attname
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indrelid
CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, position)
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum
WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relname = %(table)s AND i.indisprimary
ORDER BY k.position;

-- name: relations
-- Every table that may be read with its comment and the planner's estimate of its rows (NULL: never counted).
SELECT c.relname, obj_description(c.oid, 'pg_class'), nullif(c.reltuples, -1)::bigint
FROM pg_class AS c
WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relkind IN ('r', 'p')
  AND has_table_privilege(c.oid, 'SELECT')
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY c.relname;

-- name: limits
SELECT set_config('statement_timeout', '15s', false), set_config('default_transaction_read_only', 'on', false);
