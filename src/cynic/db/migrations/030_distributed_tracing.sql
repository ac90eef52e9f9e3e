-- 030_distributed_tracing: traces and their spans
--
-- A span is unique within its trace, as OpenTelemetry has it; spans go with their trace, after seven days.
-- migrate:up

CREATE TABLE traces (
    id bigserial PRIMARY KEY,
    trace_id varchar NOT NULL UNIQUE,
    operation varchar NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    duration_ms integer CHECK (duration_ms >= 0),
    status varchar NOT NULL DEFAULT 'unset' CHECK (status IN ('unset', 'ok', 'error')),
    metadata jsonb NOT NULL DEFAULT '{}'
);

CREATE INDEX idx_traces_trace_id ON traces (trace_id);
CREATE INDEX idx_traces_started ON traces (started_at DESC);

COMMENT ON TABLE traces IS 'telemetry: one traced request each; spans hang on it';

CREATE TABLE spans (
    id bigserial PRIMARY KEY,
    span_id varchar NOT NULL,
    trace_id varchar NOT NULL REFERENCES traces (trace_id) ON DELETE CASCADE,
    parent_span_id varchar,
    operation varchar NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    duration_ms integer CHECK (duration_ms >= 0),
    attributes jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT spans_trace_id_span_id_key UNIQUE (trace_id, span_id)
);

CREATE INDEX idx_spans_trace ON spans (trace_id, started_at);
CREATE INDEX idx_spans_parent ON spans (parent_span_id);

COMMENT ON TABLE spans IS 'telemetry: the steps of a trace; unique within it';

CREATE FUNCTION cleanup_traces(p_days integer DEFAULT 7, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM traces AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM traces AS y
        WHERE y.started_at < v_before
        ORDER BY y.started_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_traces(integer, integer) IS 'Deletes traces older than p_days, and their spans with them; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE spans;
DROP TABLE traces;
DROP FUNCTION cleanup_traces;
