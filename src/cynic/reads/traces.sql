-- Traces: pages of them in two orders, and one with its spans. A list that asks for one thing walks along the index that
-- begins with it, so there is a statement for each.
--
-- Money is added up from the model calls of the traces that are shown, and from no other: where no price is known there is
-- no sum, and beside every sum stands how many calls it does not hold.

-- name: newest
-- One page, newest start first.
WITH shown AS MATERIALIZED (
    SELECT t.id, t.trace_id, t.operation, t.service_name, t.session_id, t.root_span_id, t.started_at, t.ended_at, t.duration_ms,
           t.status, t.span_count, t.error_count, t.tokens_input, t.tokens_output, t.cost_usd AS order_usd
    FROM traces AS t
    WHERE t.started_at <= %(before_at)s::timestamptz
      AND t.started_at >= coalesce(%(since)s::timestamptz, '-infinity')
      AND t.started_at < coalesce(%(until)s::timestamptz, 'infinity')
      AND (%(service)s::text IS NULL OR t.service_name = %(service)s)
      AND (%(operation)s::text IS NULL OR t.operation = %(operation)s)
      AND (t.started_at, t.id) < (%(before_at)s::timestamptz, %(before_id)s::bigint)
    ORDER BY t.started_at DESC, t.id DESC
    LIMIT %(limit)s
)
SELECT s.*, calls.model_calls, calls.cost_usd, calls.unpriced_calls
FROM shown AS s
CROSS JOIN LATERAL (
    SELECT count(*) AS model_calls, sum(l.cost_usd) AS cost_usd, count(*) FILTER (WHERE l.cost_usd IS NULL) AS unpriced_calls
    FROM llm_usage AS l
    WHERE l.trace_id = s.trace_id
) AS calls
ORDER BY s.started_at DESC, s.id DESC;

-- name: failed
-- Only those in which a span ended in an error, newest start first.
WITH shown AS MATERIALIZED (
    SELECT t.id, t.trace_id, t.operation, t.service_name, t.session_id, t.root_span_id, t.started_at, t.ended_at, t.duration_ms,
           t.status, t.span_count, t.error_count, t.tokens_input, t.tokens_output, t.cost_usd AS order_usd
    FROM traces AS t
    WHERE t.error_count > 0
      AND t.started_at >= coalesce(%(since)s::timestamptz, '-infinity')
      AND t.started_at < coalesce(%(until)s::timestamptz, 'infinity')
      AND (%(service)s::text IS NULL OR t.service_name = %(service)s)
      AND (%(operation)s::text IS NULL OR t.operation = %(operation)s)
      AND (t.started_at, t.id) < (%(before_at)s::timestamptz, %(before_id)s::bigint)
    ORDER BY t.started_at DESC, t.id DESC
    LIMIT %(limit)s
)
SELECT s.*, calls.model_calls, calls.cost_usd, calls.unpriced_calls
FROM shown AS s
CROSS JOIN LATERAL (
    SELECT count(*) AS model_calls, sum(l.cost_usd) AS cost_usd, count(*) FILTER (WHERE l.cost_usd IS NULL) AS unpriced_calls
    FROM llm_usage AS l
    WHERE l.trace_id = s.trace_id
) AS calls
ORDER BY s.started_at DESC, s.id DESC;

-- name: of_session
-- Those of one session, newest start first.
WITH shown AS MATERIALIZED (
    SELECT t.id, t.trace_id, t.operation, t.service_name, t.session_id, t.root_span_id, t.started_at, t.ended_at, t.duration_ms,
           t.status, t.span_count, t.error_count, t.tokens_input, t.tokens_output, t.cost_usd AS order_usd
    FROM traces AS t
    WHERE t.session_id = %(session_id)s::text AND (NOT %(failed)s::boolean OR t.error_count > 0)
      AND t.started_at >= coalesce(%(since)s::timestamptz, '-infinity')
      AND t.started_at < coalesce(%(until)s::timestamptz, 'infinity')
      AND (%(service)s::text IS NULL OR t.service_name = %(service)s)
      AND (%(operation)s::text IS NULL OR t.operation = %(operation)s)
      AND (t.started_at, t.id) < (%(before_at)s::timestamptz, %(before_id)s::bigint)
    ORDER BY t.started_at DESC, t.id DESC
    LIMIT %(limit)s
)
SELECT s.*, calls.model_calls, calls.cost_usd, calls.unpriced_calls
FROM shown AS s
CROSS JOIN LATERAL (
    SELECT count(*) AS model_calls, sum(l.cost_usd) AS cost_usd, count(*) FILTER (WHERE l.cost_usd IS NULL) AS unpriced_calls
    FROM llm_usage AS l
    WHERE l.trace_id = s.trace_id
) AS calls
ORDER BY s.started_at DESC, s.id DESC;

-- name: dearest
-- Those with a known price, the dearest first.
WITH shown AS MATERIALIZED (
    SELECT t.id, t.trace_id, t.operation, t.service_name, t.session_id, t.root_span_id, t.started_at, t.ended_at, t.duration_ms,
           t.status, t.span_count, t.error_count, t.tokens_input, t.tokens_output, t.cost_usd AS order_usd
    FROM traces AS t
    WHERE t.cost_usd IS NOT NULL AND (NOT %(failed)s::boolean OR t.error_count > 0)
      AND (%(session_id)s::text IS NULL OR t.session_id = %(session_id)s)
      AND t.started_at >= coalesce(%(since)s::timestamptz, '-infinity')
      AND t.started_at < coalesce(%(until)s::timestamptz, 'infinity')
      AND (%(service)s::text IS NULL OR t.service_name = %(service)s)
      AND (%(operation)s::text IS NULL OR t.operation = %(operation)s)
      AND (t.cost_usd, t.id) < (%(before_usd)s::numeric, %(before_id)s::bigint)
    ORDER BY t.cost_usd DESC, t.id DESC
    LIMIT %(limit)s
)
SELECT s.*, calls.model_calls, calls.cost_usd, calls.unpriced_calls
FROM shown AS s
CROSS JOIN LATERAL (
    SELECT count(*) AS model_calls, sum(l.cost_usd) AS cost_usd, count(*) FILTER (WHERE l.cost_usd IS NULL) AS unpriced_calls
    FROM llm_usage AS l
    WHERE l.trace_id = s.trace_id
) AS calls
ORDER BY s.order_usd DESC, s.id DESC;

-- name: one
-- The line of one trace.
SELECT t.id, t.trace_id, t.operation, t.service_name, t.session_id, t.root_span_id, t.started_at, t.ended_at, t.duration_ms,
       t.status, t.span_count, t.error_count, t.tokens_input, t.tokens_output, t.cost_usd AS order_usd,
       calls.model_calls, calls.cost_usd, calls.unpriced_calls
FROM traces AS t
CROSS JOIN LATERAL (
    SELECT count(*) AS model_calls, sum(l.cost_usd) AS cost_usd, count(*) FILTER (WHERE l.cost_usd IS NULL) AS unpriced_calls
    FROM llm_usage AS l
    WHERE l.trace_id = t.trace_id
) AS calls
WHERE t.trace_id = %(trace_id)s;

-- name: spans
-- The spans of a trace in the order of their begin, without their attributes: those can be large. Tokens that a span tells
-- are a claim; what is counted stands in the call that the span stands for.
SELECT s.span_id, s.parent_span_id, s.operation, s.kind, s.status, s.started_at, s.ended_at, s.duration_ms,
       CASE WHEN s.status = 'error' THEN coalesce(
           nullif(s.envelope #>> '{status,message}', ''),
           jsonb_path_query_first(s.envelope, '$.events[*] ? (@.name == "exception").attributes."exception.message"') #>> '{}',
           s.attributes ->> 'error.type') END AS error,
       s.tokens_input AS claimed_input, s.tokens_output AS claimed_output
FROM spans AS s
WHERE s.trace_id = %(trace_id)s
ORDER BY s.started_at, s.id
LIMIT %(limit)s;

-- name: model_calls
-- The model calls that are counted in a trace, each with the span that stands for it.
SELECT l.span_id, l.adapter, l.model, l.is_usage_told, l.tokens_input, l.tokens_output, l.tokens_cache_read, l.tokens_cache_write,
       l.tokens_reasoning, l.cost_usd
FROM llm_usage AS l
WHERE l.trace_id = %(trace_id)s AND l.span_id IS NOT NULL
ORDER BY l.id
LIMIT %(limit)s;

-- name: tool_calls
-- The tool calls of a trace, each with the span that stands for it.
SELECT t.span_id, t.tool_name, t.status
FROM tool_usage AS t
WHERE t.trace_id = %(trace_id)s AND t.span_id IS NOT NULL
ORDER BY t.id
LIMIT %(limit)s;

-- name: span
-- Everything that one span said.
SELECT s.attributes, s.envelope
FROM spans AS s
WHERE s.trace_id = %(trace_id)s AND s.span_id = %(span_id)s;
