-- Storing what OpenTelemetry brings. One writer at a time in a schema, so that what a batch finds stored stays so until
-- it commits; everything new then goes in by COPY.

-- name: only_writer
-- One schema, one writer, whichever process it is in; given back with the transaction. Everything is looked up by keys:
-- a plan that was made while the tables were empty must not read them whole ever after. What goes in from here on was
-- received now: retention counts from it.
SELECT set_config('enable_seqscan', 'off', true), set_config('cynic.received_at', now()::text, true),
       pg_advisory_xact_lock(hashtextextended('cynic telemetry of ' || current_schema(), 0));

-- name: stored_traces
-- The traces that the batch adds to; locked, so that retention waits.
SELECT t.trace_id, t.operation, t.started_at, t.ended_at, t.status, t.root_span_id, t.session_id, t.service_name,
       t.span_count, t.error_count, t.tokens_input, t.tokens_output, t.metadata ->> 'session', t.cost_usd
FROM traces AS t
WHERE t.trace_id = ANY (%(ids)s::text[])
ORDER BY t.trace_id
FOR NO KEY UPDATE;

-- name: stored_ends
-- Which of the batch's spans are there already, and when they ended.
SELECT s.trace_id, s.span_id, s.ended_at
FROM spans AS s
JOIN unnest(%(traces)s::text[], %(spans)s::text[]) AS g (trace_id, span_id)
    ON s.trace_id = g.trace_id AND s.span_id = g.span_id;

-- name: stored_calls
-- The calls that the batch may report again: those of the same response id that were under way at the time, those of
-- the same spans, and those that have a key which a new call would get. An id that thousands of calls share (a stand-in
-- for a provider) must not bring them all.
SELECT u.id, u.call_key, u.adapter, u.model, u.response_id, u.trace_id, u.span_id, u.session_id, u.operation, u.status,
       u.reported_by, u.started_at, u.created_at, u.latency_ms, u.tokens_input, u.tokens_output, u.tokens_cache_read,
       u.tokens_cache_write, u.tokens_reasoning, u.claimed_cost_usd, u.is_usage_told, u.is_input_exclusive,
       u.ledger_id
FROM llm_usage AS u
WHERE u.id IN (
    SELECT x.id
    FROM unnest(%(responses)s::text[], %(froms)s::timestamptz[], %(tos)s::timestamptz[]) AS g (response_id, begins, ends)
    JOIN llm_usage AS x ON x.response_id = g.response_id AND x.created_at >= g.begins AND x.started_at <= g.ends
    UNION ALL
    SELECT x.id FROM llm_usage AS x WHERE x.trace_id = ANY (%(traces)s::text[])
    UNION ALL
    SELECT x.id FROM llm_usage AS x WHERE x.call_key = ANY (%(keys)s::text[]));

-- name: stored_tools
-- The tool calls that the batch may report again.
SELECT t.id, t.call_id, t.tool_name, t.parameters::text, t.result::text, t.duration_ms, t.status, t.used_at, t.session_id,
       t.trace_id, t.span_id
FROM tool_usage AS t
WHERE t.call_id = ANY (%(ids)s::text[]);

-- name: copy_traces
COPY traces (trace_id, operation, started_at, ended_at, duration_ms, status, metadata, session_id, service_name,
             root_span_id, span_count, error_count, tokens_input, tokens_output, cost_usd)
FROM STDIN (FORMAT binary);

-- name: copy_spans
COPY spans (trace_id, span_id, parent_span_id, operation, started_at, ended_at, duration_ms, attributes, kind, status,
            session_id, tokens_input, tokens_output, envelope, derived_version)
FROM STDIN (FORMAT binary);

-- name: copy_calls
COPY llm_usage (adapter, model, tokens_input, tokens_output, latency_ms, created_at, session_id, response_id,
                tokens_cache_read, tokens_cache_write, call_key, trace_id, span_id, operation, status, started_at,
                reported_by, tokens_reasoning, claimed_cost_usd, is_usage_told, is_input_exclusive, cost_usd,
                ledger_id)
FROM STDIN (FORMAT binary);

-- name: copy_tools
COPY tool_usage (tool_name, parameters, result, duration_ms, status, used_at, session_id, call_id, trace_id, span_id)
FROM STDIN (FORMAT binary);

-- name: copy_events
COPY ops_log_records (digest, event_name, trace_id, span_id, session_id, occurred_at, severity, body, attributes,
                      envelope, derived_version)
FROM STDIN (FORMAT binary);

-- name: stored_events
-- Log records that came before.
SELECT r.digest FROM ops_log_records AS r WHERE r.digest = ANY (%(digests)s::bytea[]);

-- name: signals
-- What can be learned from a tool's outcome: one signal for each call; one that came before stays.
INSERT INTO unified_signals (id, source, session_id, input, outcome, telemetry, metadata, timestamp)
SELECT g.id, 'tool_execution', g.session_id, g.input::jsonb, g.outcome::jsonb, g.telemetry::jsonb, g.metadata::jsonb, g.at
FROM unnest(%(ids)s::text[], %(sessions)s::text[], %(inputs)s::text[], %(outcomes)s::text[], %(telemetries)s::text[],
            %(metadatas)s::text[], %(ats)s::timestamptz[])
    AS g (id, session_id, input, outcome, telemetry, metadata, at)
ORDER BY g.id
ON CONFLICT (id) DO UPDATE
SET outcome = excluded.outcome, telemetry = excluded.telemetry, metadata = excluded.metadata;

-- name: update_traces
-- Traces that were there before the batch.
UPDATE traces AS t
SET operation = g.operation, started_at = g.started_at, ended_at = g.ended_at, duration_ms = g.duration_ms,
    status = g.status, metadata = coalesce(g.metadata::jsonb, t.metadata), session_id = g.session_id,
    service_name = g.service_name, root_span_id = g.root_span_id, span_count = g.span_count,
    error_count = g.error_count, tokens_input = g.tokens_input, tokens_output = g.tokens_output,
    cost_usd = g.cost_usd, received_at = now()
FROM unnest(%(trace_id)s::text[], %(operation)s::text[], %(started_at)s::timestamptz[], %(ended_at)s::timestamptz[],
            %(duration_ms)s::integer[], %(status)s::text[], %(metadata)s::text[], %(session_id)s::text[],
            %(service_name)s::text[], %(root_span_id)s::text[], %(span_count)s::integer[], %(error_count)s::integer[],
            %(tokens_input)s::bigint[], %(tokens_output)s::bigint[], %(cost_usd)s::numeric[])
    AS g (trace_id, operation, started_at, ended_at, duration_ms, status, metadata, session_id, service_name,
          root_span_id, span_count, error_count, tokens_input, tokens_output, cost_usd)
WHERE t.trace_id = g.trace_id;

-- name: update_span
-- A span that came again with a later end.
UPDATE spans AS s
SET parent_span_id = %(parent_span_id)s::text, operation = %(operation)s::text, started_at = %(started_at)s::timestamptz,
    ended_at = %(ended_at)s::timestamptz, duration_ms = %(duration_ms)s::integer, attributes = %(attributes)s::jsonb,
    kind = %(kind)s::text, status = %(status)s::text, session_id = %(session_id)s::text,
    tokens_input = %(tokens_input)s::bigint, tokens_output = %(tokens_output)s::bigint, envelope = %(envelope)s::jsonb,
    derived_version = %(derived_version)s::integer
WHERE s.trace_id = %(trace_id)s::text AND s.span_id = %(span_id)s::text;

-- name: update_facts
-- What a newer table of names derives from a span.
UPDATE spans AS s
SET kind = %(kind)s::text, status = %(status)s::text, session_id = %(session_id)s::text,
    tokens_input = %(tokens_input)s::bigint, tokens_output = %(tokens_output)s::bigint,
    derived_version = %(derived_version)s::integer
WHERE s.trace_id = %(trace_id)s::text AND s.span_id = %(span_id)s::text;

-- name: update_call
-- A call that one more report, or a later one, tells more about.
UPDATE llm_usage AS u
SET adapter = %(adapter)s::text, model = %(model)s::text, tokens_input = %(tokens_input)s::integer,
    tokens_output = %(tokens_output)s::integer, latency_ms = %(latency_ms)s::integer,
    created_at = %(created_at)s::timestamptz, session_id = %(session_id)s::text, response_id = %(response_id)s::text,
    tokens_cache_read = %(tokens_cache_read)s::integer, tokens_cache_write = %(tokens_cache_write)s::integer,
    call_key = %(call_key)s::text, trace_id = %(trace_id)s::text, span_id = %(span_id)s::text,
    operation = %(operation)s::text, status = %(status)s::text, started_at = %(started_at)s::timestamptz,
    reported_by = %(reported_by)s::text, tokens_reasoning = %(tokens_reasoning)s::integer,
    claimed_cost_usd = %(claimed_cost_usd)s::numeric, is_usage_told = %(is_usage_told)s::boolean,
    is_input_exclusive = %(is_input_exclusive)s::boolean, cost_usd = %(cost_usd)s::numeric,
    ledger_id = %(ledger_id)s::bigint
WHERE u.id = %(id)s::bigint;

-- name: drop_calls
-- Calls whose span turned out to be something else.
DELETE FROM llm_usage AS u WHERE u.id = ANY (%(ids)s::bigint[]);

-- name: update_tool
-- A tool call that one more report, or a later one, tells more about.
UPDATE tool_usage AS t
SET tool_name = %(tool_name)s::text, parameters = coalesce(%(parameters)s::jsonb, t.parameters),
    result = coalesce(%(result)s::jsonb, t.result), duration_ms = %(duration_ms)s::integer, status = %(status)s::text,
    used_at = %(used_at)s::timestamptz, session_id = %(session_id)s::text, trace_id = %(trace_id)s::text,
    span_id = %(span_id)s::text
WHERE t.id = %(id)s::bigint;

-- name: recount
-- Counts and tokens of traces in which something stored has changed, from their rows.
UPDATE traces AS t
SET span_count = s.spans, error_count = s.errors, tokens_input = u.tokens_input, tokens_output = u.tokens_output,
    cost_usd = u.cost_usd
FROM unnest(%(ids)s::text[]) AS g (trace_id)
CROSS JOIN LATERAL (
    SELECT count(*)::integer AS spans, count(*) FILTER (WHERE x.status = 'error')::integer AS errors
    FROM spans AS x
    WHERE x.trace_id = g.trace_id) AS s
CROSS JOIN LATERAL (
    SELECT sum(y.tokens_input) FILTER (WHERE y.is_usage_told) AS tokens_input,
           sum(y.tokens_output) FILTER (WHERE y.is_usage_told) AS tokens_output, sum(y.cost_usd) AS cost_usd
    FROM llm_usage AS y
    WHERE y.trace_id = g.trace_id) AS u
WHERE t.trace_id = g.trace_id;

-- name: dead_letters
-- What cannot be stored. The same letter again is one more attempt.
INSERT INTO ops_dead_letters AS d (digest, signal, encoding, content, reason, detail, received_at, attempted_at)
SELECT g.digest, g.signal, g.encoding, g.content, g.reason, g.detail, %(now)s::timestamptz, %(now)s::timestamptz
FROM unnest(%(digests)s::bytea[], %(signals)s::text[], %(encodings)s::text[], %(contents)s::bytea[], %(reasons)s::text[],
            %(details)s::text[]) AS g (digest, signal, encoding, content, reason, detail)
ORDER BY g.digest
ON CONFLICT (digest) DO UPDATE
SET attempts = d.attempts + 1, attempted_at = excluded.attempted_at, reason = excluded.reason, detail = excluded.detail;
