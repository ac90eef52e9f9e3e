-- API keys: made, listed, revoked, and recognised by their digest.

-- name: any_key
-- One row at all, revoked or expired included, turns authentication on: the last key running out opens nothing.
SELECT EXISTS (SELECT FROM ops_api_keys);

-- name: create_key
INSERT INTO ops_api_keys (id, name, key_sha256, scope, created_at, expires_at)
VALUES (%(id)s, %(name)s, %(digest)s, %(scope)s, %(now)s, %(expires_at)s);

-- name: list_keys
-- Every key, oldest first, without its digest.
SELECT id, name, scope, created_at, expires_at, last_used_at, revoked_at FROM ops_api_keys ORDER BY created_at, id;

-- name: revoke_key
-- A second revocation keeps the time of the first.
UPDATE ops_api_keys SET revoked_at = coalesce(revoked_at, %(now)s) WHERE id = %(id)s
RETURNING id, name, scope, created_at, expires_at, last_used_at, revoked_at;

-- name: key_of_digest
SELECT id, name, scope, created_at, expires_at, last_used_at, revoked_at FROM ops_api_keys WHERE key_sha256 = %(digest)s;

-- name: note_use
-- At most once a minute, whatever the number of processes; whoever holds the row is not waited for.
UPDATE ops_api_keys AS k SET last_used_at = %(now)s
WHERE k.id = (SELECT o.id FROM ops_api_keys AS o
              WHERE o.id = %(id)s
                AND (o.last_used_at IS NULL OR o.last_used_at <= %(now)s::timestamptz - interval '1 minute')
              FOR NO KEY UPDATE SKIP LOCKED);
