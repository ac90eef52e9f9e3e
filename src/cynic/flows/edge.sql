-- What a flow asks once.

-- name: digest_key
-- The key of every digest, made by the migrations; asked once for each connection pool.
SELECT value FROM ops_secrets WHERE name = 'digest';
