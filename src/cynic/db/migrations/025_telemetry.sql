-- 025_telemetry: telemetry: what was used and what it cost in time, tokens and nerves
--
-- Single calls of models and tools, snapshots of metrics, frictions, and one value for each metric and hour.
-- Raw rows go after 30 days; hourly values stay.
-- migrate:up

CREATE TABLE telemetry_snapshots (
    id bigserial PRIMARY KEY,
    snapshot_type varchar NOT NULL,
    metrics jsonb NOT NULL DEFAULT '{}',
    captured_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_telemetry_snapshots_captured ON telemetry_snapshots (captured_at);

COMMENT ON TABLE telemetry_snapshots IS 'telemetry: metrics as they were at one moment';

CREATE TABLE frictions (
    id bigserial PRIMARY KEY,
    friction_type varchar NOT NULL,
    description text NOT NULL,
    severity numeric NOT NULL CHECK (severity >= 0 AND severity <= 1),
    resolved boolean NOT NULL DEFAULT false,
    detected_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_frictions_detected ON frictions (detected_at DESC);

COMMENT ON TABLE frictions IS 'memory: what got in the way, until resolved';

CREATE TABLE telemetry_hourly (
    id bigserial PRIMARY KEY,
    metric_name varchar NOT NULL,
    value numeric NOT NULL CHECK (value > '-Infinity' AND value < 'Infinity'),
    hour_bucket timestamptz NOT NULL,
    CONSTRAINT telemetry_hourly_key UNIQUE (metric_name, hour_bucket)
);

COMMENT ON TABLE telemetry_hourly IS 'telemetry: one value for each metric and hour, kept';

CREATE TABLE llm_usage (
    id bigserial PRIMARY KEY,
    adapter varchar NOT NULL,
    model varchar NOT NULL,
    tokens_input integer NOT NULL DEFAULT 0 CHECK (tokens_input >= 0),
    tokens_output integer NOT NULL DEFAULT 0 CHECK (tokens_output >= 0),
    cost_usd numeric CHECK (cost_usd >= 0 AND cost_usd < 'Infinity'),
    latency_ms integer CHECK (latency_ms >= 0),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_llm_usage_adapter ON llm_usage (adapter, created_at DESC);
CREATE INDEX idx_llm_usage_created ON llm_usage (created_at);

COMMENT ON TABLE llm_usage IS 'telemetry: calls of language models: tokens, cost, latency';

CREATE TABLE judgment_metrics (
    id bigserial PRIMARY KEY,
    metric_type varchar NOT NULL,
    value numeric NOT NULL CHECK (value > '-Infinity' AND value < 'Infinity'),
    measured_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_judgment_metrics_measured ON judgment_metrics (measured_at);

COMMENT ON TABLE judgment_metrics IS 'memory: measurements over judgments';

CREATE TABLE tool_usage (
    id bigserial PRIMARY KEY,
    tool_name varchar NOT NULL,
    parameters jsonb NOT NULL DEFAULT '{}',
    result jsonb,
    duration_ms integer CHECK (duration_ms >= 0),
    status varchar NOT NULL,
    used_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_tool_usage_tool ON tool_usage (tool_name, used_at DESC);
CREATE INDEX idx_tool_usage_used ON tool_usage (used_at);

COMMENT ON TABLE tool_usage IS 'telemetry: calls of tools and how they went';

CREATE TABLE session_summary (
    id bigserial PRIMARY KEY,
    session_id varchar NOT NULL UNIQUE,
    total_prompts integer NOT NULL DEFAULT 0 CHECK (total_prompts >= 0),
    total_judgments integer NOT NULL DEFAULT 0 CHECK (total_judgments >= 0),
    avg_confidence numeric CHECK (avg_confidence >= 0 AND avg_confidence <= 0.618),
    top_patterns jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_session_summary_session ON session_summary (session_id);

COMMENT ON TABLE session_summary IS 'memory: a session in numbers, once it ended';
COMMENT ON COLUMN session_summary.avg_confidence IS 'φ-bounded: 0.618 times a probability';

CREATE FUNCTION cleanup_llm_usage(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM llm_usage AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM llm_usage AS y
        WHERE y.created_at < v_before
        ORDER BY y.created_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_llm_usage(integer, integer) IS 'Deletes model calls older than p_days (their cost stays in the ledger); at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';
CREATE FUNCTION cleanup_tool_usage(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM tool_usage AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM tool_usage AS y
        WHERE y.used_at < v_before
        ORDER BY y.used_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_tool_usage(integer, integer) IS 'Deletes tool calls older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';
CREATE FUNCTION cleanup_telemetry_snapshots(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM telemetry_snapshots AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM telemetry_snapshots AS y
        WHERE y.captured_at < v_before
        ORDER BY y.captured_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_telemetry_snapshots(integer, integer) IS 'Deletes metric snapshots older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';
CREATE FUNCTION cleanup_judgment_metrics(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM judgment_metrics AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM judgment_metrics AS y
        WHERE y.measured_at < v_before
        ORDER BY y.measured_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_judgment_metrics(integer, integer) IS 'Deletes measurements over judgments older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';
CREATE FUNCTION cleanup_frictions(p_days integer DEFAULT 90, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM frictions AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM frictions AS y
        WHERE y.detected_at < v_before AND y.resolved
        ORDER BY y.detected_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_frictions(integer, integer) IS 'Deletes resolved frictions older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE session_summary;
DROP TABLE tool_usage;
DROP TABLE judgment_metrics;
DROP TABLE llm_usage;
DROP TABLE telemetry_hourly;
DROP TABLE frictions;
DROP TABLE telemetry_snapshots;
DROP FUNCTION cleanup_frictions;
DROP FUNCTION cleanup_judgment_metrics;
DROP FUNCTION cleanup_telemetry_snapshots;
DROP FUNCTION cleanup_tool_usage;
DROP FUNCTION cleanup_llm_usage;
