-- What agents did: sessions, newest activity first, in pages by value; and the same line for one of them.
--
-- The numbers of a session are added up for the sessions that are shown and for no other: each LATERAL goes through
-- the index that begins with session_id. Where no row is kept there is no number: the sum over nothing is NULL, not 0.

-- name: page
-- A session counts for a span of time when it was active in it. Its directory is the one it began in, while an agent may
-- have moved on to another. NULLs in a filter ask for nothing.
WITH shown AS MATERIALIZED (
    SELECT s.id, s.session_id, s.user_id, s.context, s.created_at, s.last_active_at
    FROM sessions AS s
    WHERE s.last_active_at >= coalesce(%(since)s::timestamptz, '-infinity')
      AND s.created_at < coalesce(%(until)s::timestamptz, 'infinity')
      AND (%(directory)s::text IS NULL OR position(lower(%(directory)s) IN lower(coalesce(s.context ->> 'project', s.context ->> 'cwd'))) > 0)
      AND (%(agent)s::text IS NULL OR s.context ->> 'agent' = %(agent)s)
      AND (NOT %(failed)s::boolean
           OR EXISTS (SELECT FROM tool_usage AS t WHERE t.session_id = s.session_id AND t.status = 'error'))
      AND s.last_active_at <= %(before_at)s AND (s.last_active_at, s.id) < (%(before_at)s, %(before_id)s::uuid)
    ORDER BY s.last_active_at DESC, s.id DESC
    LIMIT %(limit)s
)
SELECT s.id, s.session_id, u.username AS "user", s.context ->> 'agent' AS agent, s.context ->> 'version' AS agent_version,
       coalesce(s.context ->> 'project', s.context ->> 'cwd') AS working_directory, s.context ->> 'git_branch' AS git_branch,
       s.created_at AS begun_at, s.last_active_at, said.first_prompt, said.prompts,
       tools.tool_calls, tools.failed_calls, tools.denied_calls,
       models.model_calls, models.tokens_input, models.tokens_output, models.tokens_cache_read, models.tokens_cache_write,
       models.cost_usd, models.unpriced_calls, judged.judgment_count
FROM shown AS s
LEFT JOIN users AS u ON u.id = s.user_id
CROSS JOIN LATERAL (
    -- The summary outlives the turns; while turns are still coming, they know better. Its 0 says nothing: it has one too
    -- when only judgments were counted.
    SELECT greatest(
               nullif((SELECT count(*) FROM session_state AS c WHERE c.session_id = s.session_id AND c.entry_id IS NOT NULL), 0),
               (SELECT nullif(m.total_prompts, 0) FROM session_summary AS m WHERE m.session_id = s.session_id)) AS prompts,
           (SELECT left(f.last_user_message, %(clip)s::integer) FROM session_state AS f
            WHERE f.session_id = s.session_id AND f.entry_id IS NOT NULL AND f.last_user_message <> ''
            ORDER BY f.timestamp, f.turn_number, f.id LIMIT 1) AS first_prompt
) AS said
CROSS JOIN LATERAL (
    SELECT nullif(count(*), 0) AS tool_calls,
           CASE WHEN count(*) > 0 THEN count(*) FILTER (WHERE t.status = 'error') END AS failed_calls,
           CASE WHEN count(*) > 0 THEN count(*) FILTER (WHERE t.status = 'denied') END AS denied_calls
    FROM tool_usage AS t
    WHERE t.session_id = s.session_id
) AS tools
CROSS JOIN LATERAL (
    SELECT nullif(count(*), 0) AS model_calls, sum(l.tokens_input) AS tokens_input, sum(l.tokens_output) AS tokens_output,
           sum(l.tokens_cache_read) AS tokens_cache_read, sum(l.tokens_cache_write) AS tokens_cache_write,
           sum(l.cost_usd) AS cost_usd,
           CASE WHEN count(*) > 0 THEN count(*) FILTER (WHERE l.cost_usd IS NULL) END AS unpriced_calls
    FROM llm_usage AS l
    WHERE l.session_id = s.session_id
) AS models
CROSS JOIN LATERAL (
    SELECT count(*) AS judgment_count FROM judgments AS j WHERE j.session_id = s.session_id
) AS judged
ORDER BY s.last_active_at DESC, s.id DESC;

-- name: one
-- The columns of `page` for one session.
SELECT s.id, s.session_id, u.username AS "user", s.context ->> 'agent' AS agent, s.context ->> 'version' AS agent_version,
       coalesce(s.context ->> 'project', s.context ->> 'cwd') AS working_directory, s.context ->> 'git_branch' AS git_branch,
       s.created_at AS begun_at, s.last_active_at, said.first_prompt, said.prompts,
       tools.tool_calls, tools.failed_calls, tools.denied_calls,
       models.model_calls, models.tokens_input, models.tokens_output, models.tokens_cache_read, models.tokens_cache_write,
       models.cost_usd, models.unpriced_calls, judged.judgment_count
FROM sessions AS s
LEFT JOIN users AS u ON u.id = s.user_id
CROSS JOIN LATERAL (
    SELECT greatest(
               nullif((SELECT count(*) FROM session_state AS c WHERE c.session_id = s.session_id AND c.entry_id IS NOT NULL), 0),
               (SELECT nullif(m.total_prompts, 0) FROM session_summary AS m WHERE m.session_id = s.session_id)) AS prompts,
           (SELECT left(f.last_user_message, %(clip)s::integer) FROM session_state AS f
            WHERE f.session_id = s.session_id AND f.entry_id IS NOT NULL AND f.last_user_message <> ''
            ORDER BY f.timestamp, f.turn_number, f.id LIMIT 1) AS first_prompt
) AS said
CROSS JOIN LATERAL (
    SELECT nullif(count(*), 0) AS tool_calls,
           CASE WHEN count(*) > 0 THEN count(*) FILTER (WHERE t.status = 'error') END AS failed_calls,
           CASE WHEN count(*) > 0 THEN count(*) FILTER (WHERE t.status = 'denied') END AS denied_calls
    FROM tool_usage AS t
    WHERE t.session_id = s.session_id
) AS tools
CROSS JOIN LATERAL (
    SELECT nullif(count(*), 0) AS model_calls, sum(l.tokens_input) AS tokens_input, sum(l.tokens_output) AS tokens_output,
           sum(l.tokens_cache_read) AS tokens_cache_read, sum(l.tokens_cache_write) AS tokens_cache_write,
           sum(l.cost_usd) AS cost_usd,
           CASE WHEN count(*) > 0 THEN count(*) FILTER (WHERE l.cost_usd IS NULL) END AS unpriced_calls
    FROM llm_usage AS l
    WHERE l.session_id = s.session_id
) AS models
CROSS JOIN LATERAL (
    SELECT count(*) AS judgment_count FROM judgments AS j WHERE j.session_id = s.session_id
) AS judged
WHERE s.session_id = %(session_id)s;
