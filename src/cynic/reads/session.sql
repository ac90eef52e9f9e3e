-- One session: its turns, the tools, files and models of it, where it failed, and when how much was done.

-- name: turns
-- A page of prompts by their place in the session, each with its answer; both clipped, with their whole lengths.
WITH said AS (
    SELECT c.id, row_number() OVER (ORDER BY c.timestamp, c.turn_number, c.id) AS number
    FROM session_state AS c
    WHERE c.session_id = %(session_id)s AND c.entry_id IS NOT NULL
)
SELECT s.number, c.timestamp AS at, left(c.last_user_message, %(clip)s::integer) AS prompt,
       char_length(c.last_user_message) AS prompt_characters,
       left(c.last_assistant_message, %(clip)s::integer) AS answer,
       char_length(c.last_assistant_message) AS answer_characters, c.working_directory, c.git_branch
FROM said AS s
JOIN session_state AS c ON c.id = s.id
WHERE s.number >= %(from_turn)s::bigint AND s.number < %(from_turn)s::bigint + %(limit)s::integer
ORDER BY s.number;

-- name: tools_of_turns
-- What was called from one prompt to the next. Calls before the first prompt belong to no turn.
WITH said AS (
    SELECT row_number() OVER w AS number, c.timestamp AS begins_at, lead(c.timestamp, 1, 'infinity') OVER w AS ends_at
    FROM session_state AS c
    WHERE c.session_id = %(session_id)s AND c.entry_id IS NOT NULL
    WINDOW w AS (ORDER BY c.timestamp, c.turn_number, c.id)
)
SELECT s.number, t.tool_name AS tool, count(*) AS calls, count(*) FILTER (WHERE t.status = 'error') AS failed,
       sum(t.duration_ms) AS duration_ms
FROM said AS s
JOIN tool_usage AS t ON t.session_id = %(session_id)s AND t.used_at >= s.begins_at AND t.used_at < s.ends_at
WHERE s.number >= %(from_turn)s::bigint AND s.number < %(from_turn)s::bigint + %(limit)s::integer
GROUP BY s.number, t.tool_name
ORDER BY s.number, min(t.used_at), t.tool_name;

-- name: tools
SELECT t.tool_name AS tool, count(*) AS calls, count(*) FILTER (WHERE t.status = 'error') AS failed,
       count(*) FILTER (WHERE t.status = 'denied') AS denied,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY t.duration_ms) AS p50_ms, sum(t.duration_ms) AS duration_ms
FROM tool_usage AS t
WHERE t.session_id = %(session_id)s
GROUP BY t.tool_name
ORDER BY count(*) DESC, t.tool_name;

-- name: files
-- The files that calls name. Only a call that went well has read or changed its file.
SELECT f.path, count(*) AS calls, count(*) FILTER (WHERE f.status = 'ok' AND f.reads) AS reads,
       count(*) FILTER (WHERE f.status = 'ok' AND f.changes) AS changes, count(*) FILTER (WHERE f.status = 'error') AS failed,
       count(*) OVER () AS total
FROM (
    SELECT coalesce(t.parameters ->> 'file_path', t.parameters ->> 'notebook_path') AS path, t.status,
           t.tool_name IN ('Read', 'NotebookRead') AS reads,
           t.tool_name IN ('Edit', 'MultiEdit', 'Write', 'NotebookEdit') AS changes
    FROM tool_usage AS t
    WHERE t.session_id = %(session_id)s
) AS f
WHERE f.path IS NOT NULL
GROUP BY f.path
ORDER BY changes DESC, reads DESC, failed DESC, f.path
LIMIT %(limit)s;

-- name: failures
-- Calls that ended in an error: what was asked for, and the first of what came back, wherever the agent put it.
SELECT t.used_at AS at, t.tool_name AS tool,
       left(coalesce(t.parameters ->> 'command', t.parameters ->> 'file_path', t.parameters ->> 'notebook_path',
                     t.parameters ->> 'pattern', t.parameters ->> 'url', t.parameters ->> 'query',
                     t.parameters ->> 'description'), %(clip)s::integer) AS asked,
       left(coalesce(
           nullif(t.result ->> 'error', ''), nullif(t.result ->> 'stderr', ''),
           (SELECT string_agg(b.block ->> 'text', E'\n' ORDER BY b.place)
            FROM jsonb_array_elements(CASE jsonb_typeof(t.result -> 'content') WHEN 'array' THEN t.result -> 'content' END)
                 WITH ORDINALITY AS b (block, place)),
           nullif(t.result ->> 'content', ''), nullif(t.result ->> 'stdout', ''), nullif(t.result ->> 'output', ''),
           nullif(t.result ->> 'message', ''), nullif(t.result ->> 'text', '')), %(clip)s::integer) AS answer,
       t.duration_ms
FROM tool_usage AS t
WHERE t.session_id = %(session_id)s AND t.status = 'error'
ORDER BY t.used_at, t.id
LIMIT %(limit)s;

-- name: models
SELECT l.adapter, l.model, count(*) AS calls, sum(l.tokens_input) AS tokens_input, sum(l.tokens_output) AS tokens_output,
       sum(l.tokens_cache_read) AS tokens_cache_read, sum(l.tokens_cache_write) AS tokens_cache_write,
       sum(l.cost_usd) AS cost_usd, count(*) FILTER (WHERE l.cost_usd IS NULL) AS unpriced_calls,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY l.latency_ms) AS p50_ms
FROM llm_usage AS l
WHERE l.session_id = %(session_id)s
GROUP BY l.adapter, l.model
ORDER BY count(*) DESC, l.adapter, l.model;

-- name: extent
-- From the first row of the session to the last; NULLs when it has none.
SELECT min(e.at), max(e.at)
FROM (
    SELECT t.used_at AS at FROM tool_usage AS t WHERE t.session_id = %(session_id)s
    UNION ALL
    SELECT l.created_at FROM llm_usage AS l WHERE l.session_id = %(session_id)s
    UNION ALL
    SELECT c.timestamp FROM session_state AS c WHERE c.session_id = %(session_id)s AND c.entry_id IS NOT NULL
) AS e;

-- name: buckets
-- Buckets in which something happened; in the others nothing did.
SELECT date_bin(%(width)s::interval, e.at, '2000-01-01T00:00:00Z'::timestamptz) AS begins_at,
       count(*) FILTER (WHERE e.kind = 'prompt') AS prompts,
       count(*) FILTER (WHERE e.kind IN ('call', 'failure')) AS tool_calls,
       count(*) FILTER (WHERE e.kind = 'failure') AS failed_calls,
       count(*) FILTER (WHERE e.kind = 'model') AS model_calls,
       coalesce(sum(e.tokens_input), 0)::bigint AS tokens_input, coalesce(sum(e.tokens_output), 0)::bigint AS tokens_output
FROM (
    SELECT t.used_at AS at, CASE t.status WHEN 'error' THEN 'failure' ELSE 'call' END AS kind,
           NULL::integer AS tokens_input, NULL::integer AS tokens_output
    FROM tool_usage AS t WHERE t.session_id = %(session_id)s
    UNION ALL
    SELECT l.created_at, 'model', l.tokens_input, l.tokens_output FROM llm_usage AS l WHERE l.session_id = %(session_id)s
    UNION ALL
    SELECT c.timestamp, 'prompt', NULL, NULL FROM session_state AS c
    WHERE c.session_id = %(session_id)s AND c.entry_id IS NOT NULL
) AS e
GROUP BY 1
ORDER BY 1;
