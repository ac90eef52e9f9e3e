-- Storing facts of coding agents. Rows come as one JSON document a statement; all of one chunk is one transaction.

-- name: sessions
-- Bounds only grow, and of what is said of a session the later word counts; the folder it began in stays its project.
INSERT INTO sessions AS s (session_id, context, created_at, last_active_at, expires_at)
SELECT g.session_id, g.context, g.first_at, g.last_at, g.last_at + interval '61803 seconds'
FROM json_to_recordset(%(rows)s::json) AS g (session_id text, context jsonb, first_at timestamptz, last_at timestamptz)
ORDER BY g.session_id
ON CONFLICT (session_id) DO UPDATE
SET created_at = least(s.created_at, excluded.created_at),
    last_active_at = greatest(s.last_active_at, excluded.last_active_at),
    expires_at = greatest(s.expires_at, excluded.expires_at),
    context = CASE WHEN excluded.last_active_at >= s.last_active_at
                   THEN s.context || excluded.context
                        || CASE WHEN s.context ? 'project' THEN jsonb_build_object('project', s.context -> 'project') ELSE '{}' END
                   ELSE excluded.context || s.context END
WHERE s.created_at > excluded.created_at OR s.last_active_at < excluded.last_active_at
   OR CASE WHEN excluded.last_active_at = s.last_active_at THEN NOT s.context @> (excluded.context - 'project')
           ELSE NOT s.context ?& ARRAY(SELECT jsonb_object_keys(excluded.context)) END
RETURNING s.xmax = 0;

-- name: adopt
-- Turns that a hook told of before the transcript was read get the transcript's id, so that they are not stored again:
-- by the agent's id of the prompt, else by the same words at about the same time, one to one.
WITH given AS MATERIALIZED (
    SELECT g.*
    FROM json_to_recordset(%(rows)s::json) AS g (entry_id text, prompt_id text, session_id text, prompt text, at timestamptz)
    WHERE NOT EXISTS (SELECT FROM session_state AS s WHERE s.entry_id = g.entry_id)
), nearest AS (
    SELECT DISTINCT ON (s.id) s.id, g.entry_id, g.at
    FROM given AS g
    JOIN session_state AS s ON s.session_id = g.session_id AND starts_with(s.entry_id, 'hook:')
        AND s.timestamp BETWEEN g.at - interval '10 minutes' AND g.at + interval '10 minutes'
        AND (s.entry_id = 'hook:' || g.prompt_id
             OR s.last_user_message = g.prompt AND s.timestamp BETWEEN g.at - interval '2 minutes' AND g.at + interval '2 minutes')
    ORDER BY s.id, s.entry_id = 'hook:' || g.prompt_id DESC NULLS LAST, abs(extract(epoch FROM s.timestamp - g.at))
), one AS (
    SELECT DISTINCT ON (n.entry_id) n.id, n.entry_id, n.at FROM nearest AS n ORDER BY n.entry_id, n.id
)
UPDATE session_state AS s SET entry_id = o.entry_id, timestamp = o.at FROM one AS o WHERE s.id = o.id;

-- name: turns
-- A turn's answer is its last word so far, so it may come again longer; a copy in another session says nothing new. What
-- a hook tells after the transcript was read is left out.
WITH given AS MATERIALIZED (
    SELECT g.*, row_number() OVER (PARTITION BY g.session_id ORDER BY g.at, g.place) AS number
    FROM json_to_recordset(%(rows)s::json) AS g (
        place integer, entry_id text, session_id text, prompt text, answer text, cwd text, branch text, at timestamptz,
        ended boolean)
    WHERE NOT starts_with(g.entry_id, 'hook:') OR NOT EXISTS (
        SELECT FROM session_state AS s
        WHERE s.session_id = g.session_id AND NOT starts_with(s.entry_id, 'hook:') AND s.last_user_message = g.prompt
          AND s.timestamp BETWEEN g.at - interval '2 minutes' AND g.at + interval '2 minutes')
), latest AS (
    SELECT s.session_id, max(s.turn_number) AS number
    FROM session_state AS s
    WHERE s.session_id IN (SELECT g.session_id FROM given AS g) AND s.entry_id IS NOT NULL
    GROUP BY s.session_id
)
INSERT INTO session_state AS s (session_id, turn_number, last_user_message, last_assistant_message, working_directory,
                                git_branch, timestamp, clean_shutdown, entry_id)
SELECT g.session_id, coalesce(l.number, 0) + g.number, g.prompt, g.answer, g.cwd, g.branch, g.at, g.ended, g.entry_id
FROM given AS g
LEFT JOIN latest AS l USING (session_id)
ORDER BY g.at, g.place
ON CONFLICT (entry_id) DO UPDATE
SET last_assistant_message = coalesce(excluded.last_assistant_message, s.last_assistant_message),
    clean_shutdown = excluded.clean_shutdown OR s.clean_shutdown AND excluded.last_assistant_message IS NULL
WHERE s.session_id = excluded.session_id
  AND (coalesce(excluded.last_assistant_message, s.last_assistant_message),
       excluded.clean_shutdown OR s.clean_shutdown AND excluded.last_assistant_message IS NULL)
      IS DISTINCT FROM (s.last_assistant_message, s.clean_shutdown)
RETURNING s.xmax = 0;

-- name: answers
-- Ends of turns whose prompt was stored before: each belongs to the latest prompt before it.
WITH given AS MATERIALIZED (
    SELECT g.*
    FROM json_to_recordset(%(rows)s::json) AS g (session_id text, answer text, ended boolean, at timestamptz)
)
UPDATE session_state AS s
SET last_assistant_message = coalesce(g.answer, s.last_assistant_message), clean_shutdown = g.ended
FROM given AS g
CROSS JOIN LATERAL (
    SELECT t.id FROM session_state AS t
    WHERE t.session_id = g.session_id AND t.entry_id IS NOT NULL AND t.timestamp <= g.at
    ORDER BY t.timestamp DESC, t.id DESC
    LIMIT 1) AS l
WHERE s.id = l.id
  AND (coalesce(g.answer, s.last_assistant_message), g.ended) IS DISTINCT FROM (s.last_assistant_message, s.clean_shutdown);

-- name: number_turns
-- Turns may come out of their order, from several files or from hooks; a number is a turn's place in its session.
UPDATE session_state AS s
SET turn_number = n.number
FROM (SELECT t.id, row_number() OVER (PARTITION BY t.session_id ORDER BY t.timestamp, t.id) AS number
      FROM session_state AS t
      WHERE t.session_id = ANY (%(ids)s::text[]) AND t.entry_id IS NOT NULL) AS n
WHERE s.id = n.id AND s.turn_number <> n.number;

-- name: summaries
INSERT INTO session_summary AS m (session_id, total_prompts)
SELECT g.id, (SELECT count(*) FROM session_state AS s WHERE s.session_id = g.id AND s.entry_id IS NOT NULL)
FROM unnest(%(ids)s::text[]) AS g (id)
ORDER BY g.id
ON CONFLICT (session_id) DO UPDATE SET total_prompts = excluded.total_prompts
WHERE m.total_prompts <> excluded.total_prompts;

-- name: calls
-- A call is completed by its end. A hook may not know how long it took; the transcript does.
INSERT INTO tool_usage AS t (tool_name, parameters, result, duration_ms, status, used_at, session_id, call_id, received_at)
SELECT g.tool_name, g.parameters, g.result, g.duration_ms, g.status, g.used_at, g.session_id, g.call_id, now()
FROM json_to_recordset(%(rows)s::json) AS g (
    call_id text, session_id text, tool_name text, parameters jsonb, result jsonb, duration_ms integer, status text,
    used_at timestamptz)
ON CONFLICT (call_id) DO UPDATE
SET result = excluded.result, duration_ms = excluded.duration_ms, status = excluded.status,
    used_at = least(t.used_at, excluded.used_at)
WHERE excluded.status <> 'pending' AND (t.status = 'pending' OR t.duration_ms IS NULL AND excluded.duration_ms IS NOT NULL)
RETURNING t.xmax = 0;

-- name: results
-- Ends of calls that were stored before. Returns how many have no call at all.
WITH given AS MATERIALIZED (
    SELECT g.*
    FROM json_to_recordset(%(rows)s::json) AS g (
        call_id text, status text, result jsonb, duration_ms integer, ended_at timestamptz)
), ended AS (
    UPDATE tool_usage AS t
    SET status = g.status, result = g.result,
        duration_ms = coalesce(g.duration_ms, (
            SELECT d.ms::integer
            FROM (SELECT round(extract(epoch FROM g.ended_at - t.used_at) * 1000) AS ms) AS d
            WHERE d.ms BETWEEN 0 AND 2147483647))
    FROM given AS g
    WHERE t.call_id = g.call_id AND t.status = 'pending'
)
SELECT count(*) FROM given AS g WHERE NOT EXISTS (SELECT FROM tool_usage AS t WHERE t.call_id = g.call_id);

-- name: models
-- The last record of a response counts, in whatever order its records come. Returns the tokens that are new.
WITH given AS MATERIALIZED (
    SELECT g.*
    FROM json_to_recordset(%(rows)s::json) AS g (
        response_id text, session_id text, model text, tokens_input integer, tokens_output integer, cache_read integer,
        cache_write integer, latency_ms integer, at timestamptz)
), former AS MATERIALIZED (
    SELECT u.response_id, u.tokens_input, u.tokens_output, u.tokens_cache_read, u.tokens_cache_write
    FROM llm_usage AS u
    WHERE u.call_key IN (SELECT 'anthropic ' || g.response_id FROM given AS g)
), stored AS (
    INSERT INTO llm_usage AS u (adapter, model, tokens_input, tokens_output, latency_ms, created_at, session_id,
                                response_id, call_key, tokens_cache_read, tokens_cache_write, received_at)
    SELECT 'anthropic', g.model, g.tokens_input, g.tokens_output, g.latency_ms, g.at, g.session_id, g.response_id,
           'anthropic ' || g.response_id, g.cache_read, g.cache_write, now()
    FROM given AS g
    ON CONFLICT (call_key) DO UPDATE
    SET model = excluded.model, tokens_input = excluded.tokens_input, tokens_output = excluded.tokens_output,
        latency_ms = excluded.latency_ms, created_at = excluded.created_at,
        tokens_cache_read = excluded.tokens_cache_read, tokens_cache_write = excluded.tokens_cache_write,
        ledger_id = NULL -- what it costs now is to be booked
    WHERE excluded.created_at >= u.created_at
      AND (u.created_at, u.model, u.tokens_input, u.tokens_output, u.latency_ms, u.tokens_cache_read, u.tokens_cache_write)
          IS DISTINCT FROM (excluded.created_at, excluded.model, excluded.tokens_input, excluded.tokens_output,
                            excluded.latency_ms, excluded.tokens_cache_read, excluded.tokens_cache_write)
    RETURNING response_id, tokens_input, tokens_output, tokens_cache_read, tokens_cache_write
)
SELECT count(*) FILTER (WHERE f.response_id IS NULL),
       coalesce(sum(s.tokens_input - coalesce(f.tokens_input, 0)), 0)::bigint,
       coalesce(sum(s.tokens_output - coalesce(f.tokens_output, 0)), 0)::bigint,
       coalesce(sum(coalesce(s.tokens_cache_read, 0) - coalesce(f.tokens_cache_read, 0)), 0)::bigint,
       coalesce(sum(coalesce(s.tokens_cache_write, 0) - coalesce(f.tokens_cache_write, 0)), 0)::bigint
FROM stored AS s
LEFT JOIN former AS f USING (response_id);
