-- 053_otlp: what OpenTelemetry brings: facts beside the raw span, and a place for what cannot be stored
--
-- A span keeps what it said, whole: its attributes as they came, everything else in `envelope` (times in nanoseconds,
-- events, links, scope, resource). The other columns are facts derived from that by the alias table, whose version
-- `derived_version` names; `cynic telemetry rederive` derives them again when the table grows.
--
-- One call of a model is one row of `llm_usage`, whoever reports it. `call_key` says what makes it one: provider and
-- response id, else trace and span. Some servers (proxies that cache, stand-ins for tests) give one id to several
-- calls: two reports are one call only if they were under way at the same time, so a later call of the same id gets a
-- key that also names its span. Usage on any span that is no model call is a claim: it stays on the span.
--
-- A trace's row is derived from its root, whenever that comes; until then from the spans that are there.
--
-- `ops_rollup_queue` names the hours whose sums are out of date. Each writer leaves rows of its own, so that nobody
-- waits; whoever sums up takes the rows whose writers have ended.
-- migrate:up

ALTER TABLE traces ADD COLUMN session_id varchar;
ALTER TABLE traces ADD COLUMN service_name varchar;
ALTER TABLE traces ADD COLUMN root_span_id varchar;
ALTER TABLE traces ADD COLUMN span_count integer NOT NULL DEFAULT 0;
ALTER TABLE traces ADD COLUMN error_count integer NOT NULL DEFAULT 0;
ALTER TABLE traces ADD COLUMN tokens_input bigint;
ALTER TABLE traces ADD COLUMN tokens_output bigint;
ALTER TABLE traces ADD COLUMN cost_usd numeric;
ALTER TABLE traces ADD CONSTRAINT traces_span_count_check CHECK (span_count >= 0);
ALTER TABLE traces ADD CONSTRAINT traces_error_count_check CHECK (error_count >= 0);
ALTER TABLE traces ADD CONSTRAINT traces_tokens_input_check CHECK (tokens_input >= 0);
ALTER TABLE traces ADD CONSTRAINT traces_tokens_output_check CHECK (tokens_output >= 0);
ALTER TABLE traces ADD CONSTRAINT traces_cost_usd_check CHECK (cost_usd >= 0 AND cost_usd < 'Infinity');
COMMENT ON COLUMN traces.operation IS 'the name of the root span; of the earliest span that is there until the root comes';
COMMENT ON COLUMN traces.session_id IS 'the session that the root names, else the first by name that any span does; NULL when none does';
COMMENT ON COLUMN traces.service_name IS 'the service of the root span; NULL when not told';
COMMENT ON COLUMN traces.root_span_id IS 'the span without a parent, the earliest if there are several; NULL until it comes: then times and status are of the spans that are there';
COMMENT ON COLUMN traces.span_count IS 'how many spans of the trace are stored';
COMMENT ON COLUMN traces.error_count IS 'how many of them ended in an error';
COMMENT ON COLUMN traces.tokens_input IS 'input tokens of the model calls counted in this trace, cached ones included; NULL when no call told any';
COMMENT ON COLUMN traces.tokens_output IS 'output tokens of the model calls counted in this trace, reasoning included; NULL when no call told any';
COMMENT ON COLUMN traces.cost_usd IS 'our price of the model calls counted in this trace; NULL while none is known';

ALTER TABLE spans ADD COLUMN kind varchar NOT NULL DEFAULT 'other';
ALTER TABLE spans ADD COLUMN status varchar NOT NULL DEFAULT 'unset';
ALTER TABLE spans ADD COLUMN session_id varchar;
ALTER TABLE spans ADD COLUMN tokens_input bigint;
ALTER TABLE spans ADD COLUMN tokens_output bigint;
ALTER TABLE spans ADD COLUMN envelope jsonb NOT NULL DEFAULT '{}';
ALTER TABLE spans ADD COLUMN derived_version integer NOT NULL DEFAULT 0;
ALTER TABLE spans ADD CONSTRAINT spans_kind_check CHECK (
    kind IN ('model', 'embedding', 'tool', 'agent', 'chain', 'retrieval', 'memory', 'evaluation', 'other'));
ALTER TABLE spans ADD CONSTRAINT spans_status_check CHECK (status IN ('unset', 'ok', 'error'));
ALTER TABLE spans ADD CONSTRAINT spans_tokens_input_check CHECK (tokens_input >= 0);
ALTER TABLE spans ADD CONSTRAINT spans_tokens_output_check CHECK (tokens_output >= 0);
ALTER TABLE spans ADD CONSTRAINT spans_derived_version_check CHECK (derived_version >= 0);
COMMENT ON COLUMN spans.kind IS 'what the span stands for; only model and embedding are calls of a model whose tokens count';
COMMENT ON COLUMN spans.status IS 'as the span says; error also when it names an error type';
COMMENT ON COLUMN spans.session_id IS 'the session or conversation that the span itself names; NULL when none';
COMMENT ON COLUMN spans.tokens_input IS 'input tokens that the span tells, cached ones included: a claim unless it is a model call; NULL when not told';
COMMENT ON COLUMN spans.tokens_output IS 'output tokens that the span tells, reasoning included: a claim unless it is a model call; NULL when not told';
COMMENT ON COLUMN spans.attributes IS 'the attributes of the span as they came, without loss';
COMMENT ON COLUMN spans.envelope IS 'the rest of the span without loss: nanoseconds, kind, status, events, links, scope, resource';
COMMENT ON COLUMN spans.derived_version IS 'the version of the alias table that the facts were derived with; 0 when they were not derived';

ALTER TABLE llm_usage ADD COLUMN call_key varchar;
ALTER TABLE llm_usage ADD COLUMN trace_id varchar;
ALTER TABLE llm_usage ADD COLUMN span_id varchar;
ALTER TABLE llm_usage ADD COLUMN operation varchar;
ALTER TABLE llm_usage ADD COLUMN status varchar;
ALTER TABLE llm_usage ADD COLUMN started_at timestamptz;
ALTER TABLE llm_usage ADD COLUMN reported_by varchar;
ALTER TABLE llm_usage ADD COLUMN tokens_reasoning integer;
ALTER TABLE llm_usage ADD COLUMN claimed_cost_usd numeric;
ALTER TABLE llm_usage ADD COLUMN is_usage_told boolean NOT NULL DEFAULT true;
ALTER TABLE llm_usage ADD COLUMN is_input_exclusive boolean NOT NULL DEFAULT false;
ALTER TABLE llm_usage ADD CONSTRAINT llm_usage_status_check CHECK (status IN ('unset', 'ok', 'error'));
ALTER TABLE llm_usage ADD CONSTRAINT llm_usage_tokens_reasoning_check CHECK (tokens_reasoning >= 0);
ALTER TABLE llm_usage ADD CONSTRAINT llm_usage_claimed_cost_usd_check CHECK (claimed_cost_usd >= 0 AND claimed_cost_usd < 'Infinity');
UPDATE llm_usage SET call_key = adapter || ' ' || response_id WHERE response_id IS NOT NULL;
DROP INDEX idx_llm_usage_response;
CREATE INDEX idx_llm_usage_response ON llm_usage (response_id, created_at);
CREATE UNIQUE INDEX idx_llm_usage_call ON llm_usage (call_key);
CREATE INDEX idx_llm_usage_trace ON llm_usage (trace_id);
COMMENT ON COLUMN llm_usage.adapter IS 'the provider, in the spelling of the alias table; unknown when not told';
COMMENT ON COLUMN llm_usage.model IS 'the model that answered, else the one asked for; unknown when not told';
COMMENT ON COLUMN llm_usage.call_key IS 'what makes the call one: provider and response id, else trace and span; NULL when nothing does';
COMMENT ON COLUMN llm_usage.response_id IS 'the providers id of the response; NULL when it has none';
COMMENT ON COLUMN llm_usage.trace_id IS 'the trace of the span that is counted for this call; NULL when it came without one';
COMMENT ON COLUMN llm_usage.span_id IS 'the span that is counted for this call; NULL when it came without one';
COMMENT ON COLUMN llm_usage.operation IS 'chat, embeddings and so on, as the conventions name it; NULL when not told';
COMMENT ON COLUMN llm_usage.status IS 'whether the call failed; NULL when not told';
COMMENT ON COLUMN llm_usage.started_at IS 'when the call began; created_at is when it ended. NULL when not told';
COMMENT ON COLUMN llm_usage.reported_by IS 'the instrumentation whose report is counted; NULL for transcripts and hooks';
COMMENT ON COLUMN llm_usage.tokens_reasoning IS 'the part of tokens_output that was reasoning; NULL when not told';
COMMENT ON COLUMN llm_usage.claimed_cost_usd IS 'what the client says the call cost; never booked by itself. NULL when not told';
COMMENT ON COLUMN llm_usage.is_usage_told IS 'false: the report tells no tokens, and the zeros mean nothing';
COMMENT ON COLUMN llm_usage.is_input_exclusive IS 'true: the client told input without the cached parts, which were added';

ALTER TABLE tool_usage ADD COLUMN trace_id varchar;
ALTER TABLE tool_usage ADD COLUMN span_id varchar;
CREATE INDEX idx_tool_usage_trace ON tool_usage (trace_id);
COMMENT ON COLUMN tool_usage.call_id IS 'the id of the call: the same call reported twice is one row. From a trace it begins with the trace id, since ids of calls repeat. NULL when it has none';
COMMENT ON COLUMN tool_usage.trace_id IS 'the trace of the span that stands for this call; NULL when it came without one';
COMMENT ON COLUMN tool_usage.span_id IS 'the span that stands for this call; NULL when it came without one';

CREATE TABLE ops_log_records (
    id bigserial PRIMARY KEY,
    digest bytea NOT NULL UNIQUE,
    event_name varchar,
    trace_id varchar,
    span_id varchar,
    session_id varchar,
    occurred_at timestamptz NOT NULL,
    severity smallint CHECK (severity >= 0),
    body jsonb,
    attributes jsonb NOT NULL DEFAULT '{}',
    envelope jsonb NOT NULL DEFAULT '{}',
    derived_version integer NOT NULL DEFAULT 0 CHECK (derived_version >= 0)
);
CREATE INDEX idx_ops_log_records_occurred ON ops_log_records (occurred_at);
CREATE INDEX idx_ops_log_records_trace ON ops_log_records (trace_id, span_id);
COMMENT ON TABLE ops_log_records IS 'telemetry: log records of agents: message content and events, joined to spans by their ids';
COMMENT ON COLUMN ops_log_records.digest IS 'SHA-256 of the record with its resource and scope: the same record sent twice is one row';
COMMENT ON COLUMN ops_log_records.envelope IS 'the rest of the record without loss: nanoseconds, flags, severity text, scope, resource';

CREATE TABLE ops_dead_letters (
    id bigserial PRIMARY KEY,
    digest bytea NOT NULL UNIQUE,
    signal varchar NOT NULL CHECK (signal IN ('traces', 'logs')),
    encoding varchar NOT NULL CHECK (encoding IN ('protobuf', 'json')),
    content bytea NOT NULL,
    reason varchar NOT NULL,
    detail text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 1 CHECK (attempts >= 0),
    attempted_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_ops_dead_letters_received ON ops_dead_letters (received_at);
COMMENT ON TABLE ops_dead_letters IS 'telemetry: what was received and cannot be stored, as it came, until it is driven again or 30 days old';
COMMENT ON COLUMN ops_dead_letters.digest IS 'SHA-256 of the content: the same letter sent twice is one row';
COMMENT ON COLUMN ops_dead_letters.content IS 'an export request that holds this one item, with its resource and scope';
COMMENT ON COLUMN ops_dead_letters.reason IS 'a stable word for why: bad-trace-id, nul, own-parent and so on';
COMMENT ON COLUMN ops_dead_letters.attempts IS 'how often storing it was tried';

CREATE TABLE ops_rollup_queue (
    id bigserial PRIMARY KEY,
    hour_bucket timestamptz NOT NULL,
    written_by xid8 NOT NULL DEFAULT pg_current_xact_id()
);
COMMENT ON TABLE ops_rollup_queue IS 'telemetry: hours whose sums are out of date; whoever sums up takes rows out';
COMMENT ON COLUMN ops_rollup_queue.written_by IS 'the transaction that wrote the row; taken once all as old as it have ended';

CREATE FUNCTION cleanup_log_records(p_days integer DEFAULT 7, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM ops_log_records AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM ops_log_records AS y
        WHERE y.occurred_at < v_before
        ORDER BY y.occurred_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_log_records(integer, integer) IS 'Deletes log records older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

CREATE FUNCTION cleanup_dead_letters(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM ops_dead_letters AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM ops_dead_letters AS y
        WHERE y.received_at < v_before
        ORDER BY y.received_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_dead_letters(integer, integer) IS 'Deletes dead letters older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- The facts beside the spans, log records and dead letters are lost; of several calls with one response id only the
-- first keeps the id.
DROP FUNCTION cleanup_dead_letters;
DROP FUNCTION cleanup_log_records;
DROP TABLE ops_rollup_queue;
DROP TABLE ops_dead_letters;
DROP TABLE ops_log_records;
COMMENT ON COLUMN tool_usage.call_id IS 'the agents own id of the call: the same call reported twice is one row; NULL when it has none';
DROP INDEX idx_tool_usage_trace;
ALTER TABLE tool_usage DROP COLUMN span_id;
ALTER TABLE tool_usage DROP COLUMN trace_id;
UPDATE llm_usage AS u SET response_id = NULL
WHERE u.response_id IS NOT NULL
  AND EXISTS (SELECT FROM llm_usage AS o WHERE o.response_id = u.response_id AND o.id < u.id);
DROP INDEX idx_llm_usage_trace;
DROP INDEX idx_llm_usage_call;
DROP INDEX idx_llm_usage_response;
CREATE UNIQUE INDEX idx_llm_usage_response ON llm_usage (response_id);
COMMENT ON COLUMN llm_usage.response_id IS 'the providers id of the response: the same call reported twice is one row; NULL when it has none';
COMMENT ON COLUMN llm_usage.model IS NULL;
COMMENT ON COLUMN llm_usage.adapter IS NULL;
ALTER TABLE llm_usage DROP COLUMN is_input_exclusive;
ALTER TABLE llm_usage DROP COLUMN is_usage_told;
ALTER TABLE llm_usage DROP COLUMN claimed_cost_usd;
ALTER TABLE llm_usage DROP COLUMN tokens_reasoning;
ALTER TABLE llm_usage DROP COLUMN reported_by;
ALTER TABLE llm_usage DROP COLUMN started_at;
ALTER TABLE llm_usage DROP COLUMN status;
ALTER TABLE llm_usage DROP COLUMN operation;
ALTER TABLE llm_usage DROP COLUMN span_id;
ALTER TABLE llm_usage DROP COLUMN trace_id;
ALTER TABLE llm_usage DROP COLUMN call_key;
COMMENT ON COLUMN spans.attributes IS NULL;
ALTER TABLE spans DROP COLUMN derived_version;
ALTER TABLE spans DROP COLUMN envelope;
ALTER TABLE spans DROP COLUMN tokens_output;
ALTER TABLE spans DROP COLUMN tokens_input;
ALTER TABLE spans DROP COLUMN session_id;
ALTER TABLE spans DROP COLUMN status;
ALTER TABLE spans DROP COLUMN kind;
COMMENT ON COLUMN traces.operation IS NULL;
ALTER TABLE traces DROP COLUMN cost_usd;
ALTER TABLE traces DROP COLUMN tokens_output;
ALTER TABLE traces DROP COLUMN tokens_input;
ALTER TABLE traces DROP COLUMN error_count;
ALTER TABLE traces DROP COLUMN span_count;
ALTER TABLE traces DROP COLUMN root_span_id;
ALTER TABLE traces DROP COLUMN service_name;
ALTER TABLE traces DROP COLUMN session_id;
