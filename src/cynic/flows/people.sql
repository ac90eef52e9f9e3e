-- Users by their names.

-- name: make_users
-- Those of the names that nobody has yet.
INSERT INTO users (username) SELECT DISTINCT n FROM unnest(%(names)s::text[]) AS n ORDER BY n ON CONFLICT (username) DO NOTHING;

-- name: user_of
SELECT id FROM users WHERE username = %(name)s AND erased_at IS NULL FOR SHARE;
