-- The bell that wakes the worker. Nothing rests on it.

-- name: ring
-- Every schema of a database shares the bell; a worker that is woken for another's finds nothing, and sleeps on.
SELECT pg_notify('cynic_written', '');

-- name: listen
LISTEN cynic_written;
