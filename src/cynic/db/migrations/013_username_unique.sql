-- 013_username_unique: a username is one user
--
-- Users are matched by username, so it is unique; erased users have none. Names that were doubled before are
-- told apart by the beginning of the user's id, the oldest keeps its name.
-- migrate:up

UPDATE users AS u
SET username = u.username || '-' || left(u.id::text, 8)
WHERE EXISTS (
    SELECT FROM users AS o
    WHERE o.username = u.username AND (o.created_at, o.id) < (u.created_at, u.id));
CREATE UNIQUE INDEX idx_users_username ON users (username);

-- migrate:down

-- Names that were told apart stay as they are.
DROP INDEX idx_users_username;
