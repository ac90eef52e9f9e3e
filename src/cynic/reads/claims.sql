-- What agents and chains claim to have used, beside what is counted below them.

-- name: claims
-- One row for each span that claims usage without being a call: in one trace, or in the newest traces.
WITH RECURSIVE trace AS (
    SELECT t.trace_id
    FROM traces AS t
    WHERE %(trace_id)s::text IS NULL OR t.trace_id = %(trace_id)s::text
    ORDER BY t.started_at DESC
    LIMIT %(traces)s::integer
), claim AS (
    SELECT s.trace_id, s.span_id, s.operation, s.kind, s.started_at, s.tokens_input, s.tokens_output
    FROM trace AS t
    JOIN spans AS s ON s.trace_id = t.trace_id
    WHERE s.kind NOT IN ('model', 'embedding') AND (s.tokens_input IS NOT NULL OR s.tokens_output IS NOT NULL)
), below AS (
    SELECT c.trace_id, c.span_id AS claimant, c.span_id FROM claim AS c
    UNION
    SELECT b.trace_id, b.claimant, s.span_id
    FROM below AS b
    JOIN spans AS s ON s.trace_id = b.trace_id AND s.parent_span_id = b.span_id
)
SELECT c.trace_id, c.span_id, c.operation, c.kind, c.started_at, c.tokens_input AS claimed_input,
       c.tokens_output AS claimed_output, u.tokens_input AS counted_input, u.tokens_output AS counted_output, u.calls
FROM claim AS c
CROSS JOIN LATERAL (
    SELECT sum(x.tokens_input) AS tokens_input, sum(x.tokens_output) AS tokens_output, count(*) AS calls
    FROM below AS b
    JOIN llm_usage AS x ON x.trace_id = b.trace_id AND x.span_id = b.span_id AND x.is_usage_told
    WHERE b.trace_id = c.trace_id AND b.claimant = c.span_id) AS u
ORDER BY c.started_at DESC, c.span_id;

-- name: duplicates
-- Calls of a model that a span reports, but that are counted for another span: one call, reported twice.
WITH trace AS (
    SELECT t.trace_id
    FROM traces AS t
    WHERE %(trace_id)s::text IS NULL OR t.trace_id = %(trace_id)s::text
    ORDER BY t.started_at DESC
    LIMIT %(traces)s::integer
)
SELECT s.trace_id, s.span_id, s.operation, s.started_at, s.tokens_input, s.tokens_output
FROM trace AS t
JOIN spans AS s ON s.trace_id = t.trace_id
WHERE s.kind IN ('model', 'embedding')
  AND NOT EXISTS (SELECT FROM llm_usage AS u WHERE u.trace_id = s.trace_id AND u.span_id = s.span_id)
ORDER BY s.started_at DESC, s.span_id;
