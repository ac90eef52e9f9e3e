-- What the migration runner itself asks and tells the server. The schema's own SQL is in migrations/.

-- name: try_lock
-- Polled, never awaited: a blocked waiter would hold a snapshot, and an index built concurrently by the holder would wait for it.
SELECT pg_try_advisory_lock(%(key)s);

-- name: unlock
SELECT pg_advisory_unlock(%(key)s);

-- name: current_schema
-- NULL when the search_path names no schema that exists.
SELECT current_schema();

-- name: extension_schema
-- Where the vector type lives, when it is installed already: that schema must be on the search_path too.
SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector';

-- name: set_search_path
SELECT set_config('search_path', %(path)s, false);

-- name: has_ledger
SELECT to_regclass(quote_ident(current_schema()) || '._migrations') IS NOT NULL;

-- name: ledger
-- Files run by hand have no checksum: sha256 is NULL and cannot be compared.
SELECT name, sha256, applied_at FROM _migrations ORDER BY name;

-- name: record
INSERT INTO _migrations (name, sha256, duration_ms, app_version)
VALUES (%(name)s, %(sha256)s, %(duration_ms)s, %(app_version)s);

-- name: forget
DELETE FROM _migrations WHERE name = %(name)s;

-- name: session_limits
-- A migration may take its time, but it never queues for long behind a reader: everybody else would queue behind it.
SELECT set_config('statement_timeout', '0', false),
       set_config('lock_timeout', %(lock_timeout)s, false),
       set_config('idle_in_transaction_session_timeout', '60s', false),
       set_config('client_min_messages', 'warning', false);

-- name: become_owner
-- For this transaction, act as the role that owns the tables: the ledger's owner once there is one, else cynic_owner
-- where the session may. Without such a role (none may be made here) the session's own user is the owner.
SELECT set_config('role', owner.rolname, true)
FROM pg_roles AS owner
WHERE owner.rolname <> current_user
  AND pg_has_role(owner.oid, 'SET')
  AND owner.oid = coalesce(
      (SELECT c.relowner FROM pg_class AS c
       WHERE c.relname = '_migrations' AND c.relnamespace = quote_ident(current_schema())::regnamespace),
      (SELECT r.oid FROM pg_roles AS r WHERE r.rolname = 'cynic_owner'));

-- name: may_be
-- Whether this session may act as a role; false as well where the role was never made.
SELECT EXISTS (
    SELECT FROM pg_roles AS r WHERE r.rolname = %(role)s AND pg_has_role(current_user, r.oid, 'SET')
);

-- name: tables
SELECT c.relname FROM pg_class AS c
WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relkind IN ('r', 'p')
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e');

-- name: app_limits
-- A request that takes longer than these is lost anyway; it must not hold others up.
SELECT set_config('statement_timeout', '15s', false),
       set_config('lock_timeout', '2s', false),
       set_config('idle_in_transaction_session_timeout', '10s', false);
