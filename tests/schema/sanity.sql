-- Questions to the catalogue whose right answer is no row. Each asks about the schema that the search_path names
-- first; members of extensions do not count.

-- name: foreign_keys_without_an_index
-- Deleting a parent would read the whole child table: the index must begin with the key's column and have no condition.
SELECT k.conrelid::regclass || '.' || k.conname
FROM pg_constraint AS k
WHERE k.contype = 'f' AND k.connamespace = current_schema()::regnamespace
  AND NOT EXISTS (
      SELECT FROM pg_index AS i
      WHERE i.indrelid = k.conrelid AND i.indkey[0] = k.conkey[1] AND i.indpred IS NULL AND i.indisvalid);

-- name: tables_without_a_domain
SELECT c.relname || ': ' || coalesce(obj_description(c.oid, 'pg_class'), 'no comment')
FROM pg_class AS c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
  AND coalesce(obj_description(c.oid, 'pg_class'), '') !~
      '^(core|learning|dogs|users|system|cost|anchoring|social|discovery|orchestration|telemetry|memory): \S';

-- name: tables_without_a_primary_key
SELECT c.relname
FROM pg_class AS c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
  AND NOT EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary);

-- name: numbers_without_a_check
-- NaN is a value of these types and sorts above every other: only a CHECK keeps it out. A generated column is as good
-- as the columns that it is made of.
SELECT c.relname || '.' || a.attname
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0
  AND NOT a.attisdropped AND a.attgenerated = ''
  AND a.atttypid IN ('numeric'::regtype, 'real'::regtype, 'double precision'::regtype)
  AND NOT EXISTS (
      SELECT FROM pg_constraint AS k
      WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum]);

-- name: bounds_of_phi_without_a_comment
-- Whoever meets the bound 0.618 in an error must find in the column's comment what it is.
SELECT k.conrelid::regclass || '.' || a.attname
FROM pg_constraint AS k
JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
WHERE k.connamespace = current_schema()::regnamespace AND k.contype = 'c'
  AND pg_get_constraintdef(k.oid) ~ '<= \(?''?0\.618\D'
  AND coalesce(col_description(k.conrelid, k.conkey[1]), '') !~ 'φ-bounded';

-- name: bounds_of_phi_with_another_constant
-- 0.618 exactly, never 0.62 or 0.6180339887.
SELECT k.conrelid::regclass || '.' || k.conname || ': ' || pg_get_constraintdef(k.oid)
FROM pg_constraint AS k
WHERE k.connamespace = current_schema()::regnamespace AND k.contype = 'c'
  AND pg_get_constraintdef(k.oid) ~ '0\.6(1[0-79]|180*[1-9]|2)';

-- name: checks_on_one_column_not_named_after_it
-- The name is what an error shows.
SELECT c.relname || '.' || k.conname
FROM pg_constraint AS k
JOIN pg_class AS c ON c.oid = k.conrelid
JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
WHERE k.connamespace = current_schema()::regnamespace AND k.contype = 'c' AND cardinality(k.conkey) = 1
  AND k.conname <> left(c.relname || '_' || a.attname || '_check', 63);

-- name: checks_on_several_columns_without_a_name_of_their_own
SELECT c.relname || '.' || k.conname
FROM pg_constraint AS k
JOIN pg_class AS c ON c.oid = k.conrelid
WHERE k.connamespace = current_schema()::regnamespace AND k.contype = 'c' AND cardinality(k.conkey) > 1
  AND k.conname ~ '_check\d*$';

-- name: constraints_not_validated
SELECT k.conrelid::regclass || '.' || k.conname
FROM pg_constraint AS k
WHERE k.connamespace = current_schema()::regnamespace AND NOT k.convalidated;

-- name: small_sequences
-- Every attempt to insert burns a value, also one that a key refuses: two thousand million are few.
SELECT c.relname || ' ' || format_type(s.seqtypid, NULL)
FROM pg_sequence AS s
JOIN pg_class AS c ON c.oid = s.seqrelid
WHERE c.relnamespace = current_schema()::regnamespace AND s.seqtypid <> 'bigint'::regtype;

-- name: identifiers_too_small_for_their_sequence
SELECT c.relname || '.' || a.attname
FROM pg_attrdef AS d
JOIN pg_class AS c ON c.oid = d.adrelid
JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE c.relnamespace = current_schema()::regnamespace AND pg_get_expr(d.adbin, d.adrelid) ~ '^nextval'
  AND a.atttypid <> 'bigint'::regtype;

-- name: types_that_the_schema_does_not_use
-- timestamp without a zone, char(n), bounded varchar, numeric with a scale (it would round on the way to a CHECK or
-- a sum), money, json, xml.
SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0
  AND NOT a.attisdropped
  AND (a.atttypid IN ('timestamp'::regtype, 'bpchar'::regtype, 'money'::regtype, 'json'::regtype, 'xml'::regtype)
       OR (a.atttypid IN ('varchar'::regtype, 'numeric'::regtype) AND a.atttypmod <> -1));

-- name: money_that_is_not_numeric
SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0
  AND NOT a.attisdropped AND a.attname ~ '(^|_)(usd|cost|savings)(_|$)' AND a.attname !~ '^calls_'
  AND a.atttypid <> 'numeric'::regtype;

-- name: creation_times_that_may_be_missing
SELECT c.relname || '.' || a.attname
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT a.attisdropped
  AND a.attname IN ('created_at', 'updated_at', 'timestamp') AND NOT (a.attnotnull AND a.atthasdef);

-- name: modification_times_that_nothing_sets
SELECT c.relname
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT a.attisdropped
  AND a.attname = 'updated_at'
  AND NOT EXISTS (
      SELECT FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
      WHERE t.tgrelid = c.oid AND p.proname = 'touch_updated_at' AND pg_get_triggerdef(t.oid) ~ 'BEFORE UPDATE');

-- name: kinds_of_object_that_the_schema_does_not_use
-- Views, enumerations, domains, composite types, rules, policies, inheritance, unlogged tables.
SELECT c.relname || ' ' || c.relkind::text
FROM pg_class AS c
WHERE c.relnamespace = current_schema()::regnamespace
  AND (c.relkind NOT IN ('r', 'i', 'S') OR c.relpersistence <> 'p' OR c.relhasrules OR c.relrowsecurity
       OR c.relhassubclass)
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
UNION ALL
SELECT t.typname || ' ' || t.typtype::text
FROM pg_type AS t
WHERE t.typnamespace = current_schema()::regnamespace AND t.typtype IN ('e', 'd', 'r')
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = t.oid AND d.deptype = 'e');

-- name: extensions_that_not_every_server_has
SELECT e.extname FROM pg_extension AS e WHERE e.extname NOT IN ('plpgsql', 'vector');

-- name: virtual_columns
-- PostgreSQL 16 and 17 do not know them.
SELECT a.attrelid::regclass || '.' || a.attname FROM pg_attribute AS a WHERE a.attgenerated NOT IN ('', 's');

-- name: functions_without_a_comment
SELECT p.proname
FROM pg_proc AS p
WHERE p.pronamespace = current_schema()::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e');

-- name: parameters_that_may_be_taken_for_columns
-- Five functions keep the contract's parameter names, and the live Q-table takes its service as they do; every other
-- parameter begins with p_.
SELECT p.proname || ' ' || n.name
FROM pg_proc AS p
CROSS JOIN LATERAL unnest(p.proargnames[1:p.pronargs]) AS n (name)
WHERE p.pronamespace = current_schema()::regnamespace AND n.name !~ '^p_'
  AND p.proname NOT IN ('get_qlearning_summary', 'get_calibration_curve', 'get_brier_score', 'search_x_tweets_hybrid',
                        'get_dpo_stats', 'get_live_q_table')
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e');

-- name: definer_functions_that_a_caller_can_redirect
-- Without a search_path of their own they would run the caller's functions with the owner's rights. Theirs is their
-- own schema first and pg_temp last.
SELECT p.proname || ' ' || coalesce(array_to_string(p.proconfig, ' '), 'no setting')
FROM pg_proc AS p
WHERE p.pronamespace = current_schema()::regnamespace AND p.prosecdef
  AND NOT EXISTS (
      SELECT FROM unnest(p.proconfig) AS s (setting)
      WHERE s.setting ~ ('^search_path="?' || current_schema() || '"?(,.*)?$') AND s.setting ~ 'pg_temp$');

-- name: definer_functions_for_everybody
SELECT p.proname
FROM pg_proc AS p
WHERE p.pronamespace = current_schema()::regnamespace AND p.prosecdef
  AND has_function_privilege('public', p.oid, 'EXECUTE');

-- name: bodies_that_name_a_schema
-- One tenant is one schema: the same function must work in each.
SELECT p.proname
FROM pg_proc AS p
WHERE p.pronamespace = current_schema()::regnamespace AND p.prosrc ~ '\mpublic\s*\.'
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e');

-- name: bodies_that_do_what_must_not_be_done
-- NOTIFY takes a lock over all of the cluster at commit; uuidv7 and MERGE ... RETURNING are not on every server.
SELECT p.proname
FROM pg_proc AS p
WHERE p.pronamespace = current_schema()::regnamespace
  AND regexp_replace(p.prosrc, '--[^\n]*', '', 'g') ~* '\m(notify|pg_notify|uuidv7|merge\s+into)\M'
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e');

-- name: cleanups_without_a_limit
-- A deletion of unknown size holds locks and writes the log for as long as it takes.
SELECT p.proname
FROM pg_proc AS p
WHERE p.pronamespace = current_schema()::regnamespace AND p.proname LIKE 'cleanup\_%'
  AND NOT ('p_batch' = ANY (p.proargnames) AND p.prosrc ~ 'require_batch');

-- name: cleanups_without_an_index_on_their_time
-- Found by the ORDER BY of the batches: its first column must lead an index of the table that is cleaned. What is only
-- asked for (EXISTS) is not cleaned.
SELECT p.proname || ' ' || o.found[1] || '.' || o.found[2]
FROM pg_proc AS p
CROSS JOIN LATERAL regexp_matches(
    p.prosrc, '(?<!EXISTS \(SELECT )FROM\s+(\w+)\s+AS\s+\w+\s+WHERE(?:EXISTS \(SELECT FROM|(?!FROM).)*?ORDER\s+BY\s+\w+\.(\w+)',
    'gi') AS o (found)
WHERE p.pronamespace = current_schema()::regnamespace AND p.proname LIKE 'cleanup\_%'
  AND EXISTS (SELECT FROM pg_class AS c
              WHERE c.relname = o.found[1] AND c.relnamespace = current_schema()::regnamespace)
  AND NOT EXISTS (
      SELECT FROM pg_index AS i
      JOIN pg_class AS c ON c.oid = i.indrelid AND c.relnamespace = current_schema()::regnamespace
      JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey::int2[])
      WHERE c.relname = o.found[1] AND a.attname = o.found[2]);

-- name: append_only_tables_that_can_be_rewritten
-- Each needs a trigger against DELETE, UPDATE and TRUNCATE that also fires under replication.
SELECT t.name || ' ' || e.event
FROM unnest(ARRAY['judgments', 'dog_votes', 'cost_ledger']) AS t (name)
CROSS JOIN (VALUES ('DELETE', 8), ('UPDATE', 16), ('TRUNCATE', 32)) AS e (event, bit)
WHERE NOT EXISTS (
    SELECT FROM pg_trigger AS g
    WHERE g.tgrelid = to_regclass(t.name) AND NOT g.tgisinternal AND g.tgenabled = 'A' AND g.tgtype & 2 = 2
      AND g.tgtype::integer & e.bit = e.bit);

-- name: disabled_triggers
SELECT t.tgrelid::regclass || '.' || t.tgname
FROM pg_trigger AS t
JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE c.relnamespace = current_schema()::regnamespace AND t.tgenabled IN ('D', 'R');

-- name: invalid_indexes
SELECT i.indexrelid::regclass FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indrelid
WHERE c.relnamespace = current_schema()::regnamespace AND NOT (i.indisvalid AND i.indisready);

-- name: indexes_that_do_the_same
SELECT a.indexrelid::regclass || ' = ' || b.indexrelid::regclass
FROM pg_index AS a
JOIN pg_index AS b ON b.indrelid = a.indrelid AND b.indexrelid > a.indexrelid
    AND b.indkey::text = a.indkey::text AND b.indoption::text = a.indoption::text
    AND b.indclass::text = a.indclass::text AND b.indisunique = a.indisunique
    AND coalesce(pg_get_expr(b.indexprs, b.indrelid), '') = coalesce(pg_get_expr(a.indexprs, a.indrelid), '')
    AND coalesce(pg_get_expr(b.indpred, b.indrelid), '') = coalesce(pg_get_expr(a.indpred, a.indrelid), '')
JOIN pg_class AS c ON c.oid = a.indrelid
WHERE c.relnamespace = current_schema()::regnamespace;

-- name: rights_that_the_reader_must_not_have
SELECT c.relname || ' ' || r.privilege
FROM pg_class AS c
CROSS JOIN unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES']) AS r (privilege)
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
  AND has_table_privilege('cynic_reader', c.oid, r.privilege);

-- name: rights_that_the_application_must_not_have
-- The append-only tables, the ledger of migrations, and TRUNCATE anywhere.
SELECT c.relname || ' ' || r.privilege
FROM pg_class AS c
CROSS JOIN unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS r (privilege)
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
  AND has_table_privilege('cynic_app', c.oid, r.privilege)
  AND (r.privilege = 'TRUNCATE' OR c.relname = '_migrations'
       OR (c.relname IN ('judgments', 'dog_votes', 'cost_ledger') AND r.privilege <> 'INSERT'));

-- name: tables_that_the_application_cannot_write
SELECT c.relname
FROM pg_class AS c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND c.relname NOT IN ('_migrations', 'ops_secrets')
  AND NOT (has_table_privilege('cynic_app', c.oid, 'INSERT') AND has_table_privilege('cynic_app', c.oid, 'SELECT'));
