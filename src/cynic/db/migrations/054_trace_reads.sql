-- 054_trace_reads: hourly roll-ups that are exact, and retention that lets imports live
--
-- `telemetry_hourly` holds one row for each metric, hour, operation, adapter and model: `value` is the sum, beside it the
-- count and three percentiles. Whatever statement changes a source row leaves its hour in `ops_rollup_queue`, in the same
-- transaction; one roller at a time takes an hour out and computes it anew from the rows. So in every snapshot an hour is
-- either in the queue, and its rows tell, or its roll-up is exact. The queue is only appended to: no writer waits for
-- another, and a late row corrects its hour.
--
-- Tokens by model and day are asked for all the time, and of the hour that runs as well. Sums can be kept up without their
-- rows: each statement appends what it adds to or takes from a day and a model to `ops_llm_days`, in its transaction, and the
-- sum of these rows is exact in every snapshot; now and then somebody folds many rows into one.
--
-- Retention takes rows away and leaves roll-ups alone. What it takes is added to `pruned_count` and `pruned_sum` of its
-- hour, so that an hour of which rows are gone can still be corrected by a late one: its sum and count stay exact, its
-- percentiles are not known any more and become NULL.
--
-- Traces and calls age from when cynic received them: what was imported today is kept from today on, however old it is.
-- A trace that still receives spans is kept whole. Rows without `received_at`, written by hand, age by their own time.
-- migrate:up

ALTER TABLE telemetry_hourly ADD COLUMN operation varchar;
ALTER TABLE telemetry_hourly ADD COLUMN adapter varchar;
ALTER TABLE telemetry_hourly ADD COLUMN model varchar;
ALTER TABLE telemetry_hourly ADD COLUMN sample_count bigint;
ALTER TABLE telemetry_hourly ADD COLUMN p50 numeric;
ALTER TABLE telemetry_hourly ADD COLUMN p95 numeric;
ALTER TABLE telemetry_hourly ADD COLUMN p99 numeric;
ALTER TABLE telemetry_hourly ADD COLUMN pruned_count bigint NOT NULL DEFAULT 0;
ALTER TABLE telemetry_hourly ADD COLUMN pruned_sum numeric NOT NULL DEFAULT 0;
ALTER TABLE telemetry_hourly ADD COLUMN rolled_at timestamptz;
ALTER TABLE telemetry_hourly ADD CONSTRAINT telemetry_hourly_sample_count_check CHECK (sample_count >= 0);
ALTER TABLE telemetry_hourly ADD CONSTRAINT telemetry_hourly_p50_check CHECK (p50 >= 0 AND p50 < 'Infinity');
ALTER TABLE telemetry_hourly ADD CONSTRAINT telemetry_hourly_p95_check CHECK (p95 >= 0 AND p95 < 'Infinity');
ALTER TABLE telemetry_hourly ADD CONSTRAINT telemetry_hourly_p99_check CHECK (p99 >= 0 AND p99 < 'Infinity');
ALTER TABLE telemetry_hourly ADD CONSTRAINT telemetry_hourly_pruned_count_check CHECK (pruned_count >= 0);
ALTER TABLE telemetry_hourly ADD CONSTRAINT telemetry_hourly_pruned_sum_check CHECK (pruned_sum >= 0 AND pruned_sum < 'Infinity');
ALTER TABLE telemetry_hourly DROP CONSTRAINT telemetry_hourly_key;
-- squawk-ignore disallowed-unique-constraint
ALTER TABLE telemetry_hourly ADD CONSTRAINT telemetry_hourly_key
    UNIQUE NULLS NOT DISTINCT (metric_name, hour_bucket, operation, adapter, model);
COMMENT ON TABLE telemetry_hourly IS 'telemetry: a metric in one hour, by operation, adapter and model: sum, count and percentiles, kept';
COMMENT ON COLUMN telemetry_hourly.value IS 'the sum over the hour, in the unit that the name of the metric ends with';
COMMENT ON COLUMN telemetry_hourly.operation IS 'what was done: the operation of a span or trace, the tool, the kind of model call; its first 200 characters';
COMMENT ON COLUMN telemetry_hourly.adapter IS 'the provider of the model: two may have a model of the same name; NULL where no model was called';
COMMENT ON COLUMN telemetry_hourly.model IS 'the model that was called; NULL where none was';
COMMENT ON COLUMN telemetry_hourly.sample_count IS 'how many measurements value is the sum of; NULL for a value that was written as one number';
COMMENT ON COLUMN telemetry_hourly.p50 IS 'the smallest measurement that half of them do not exceed; NULL once rows of the hour are gone and others came late';
COMMENT ON COLUMN telemetry_hourly.p95 IS 'the smallest measurement that 95 in 100 do not exceed; NULL as p50';
COMMENT ON COLUMN telemetry_hourly.p99 IS 'the smallest measurement that 99 in 100 do not exceed; NULL as p50';
COMMENT ON COLUMN telemetry_hourly.pruned_count IS 'the part of sample_count whose rows retention took away';
COMMENT ON COLUMN telemetry_hourly.pruned_sum IS 'the part of value whose rows retention took away: with the rows still kept it gives the whole again';
COMMENT ON COLUMN telemetry_hourly.rolled_at IS 'when it was last computed from rows; NULL for a value that was written as one number';

-- A row of a writer that names no source stands for all of them.
ALTER TABLE ops_rollup_queue ADD COLUMN source varchar;
ALTER TABLE ops_rollup_queue ADD CONSTRAINT ops_rollup_queue_source_check CHECK (source IN ('llm', 'tool', 'span', 'trace'));
CREATE INDEX idx_ops_rollup_queue_hour ON ops_rollup_queue (source, hour_bucket, id);
COMMENT ON TABLE ops_rollup_queue IS 'telemetry: hours whose roll-up does not hold all of their rows; a roller takes them out and computes them anew';
COMMENT ON COLUMN ops_rollup_queue.source IS 'which rows changed: the first word of the metrics that are made of them; NULL when any may have';

-- What is there already ages from now on. What comes later is received when the setting of its transaction says, so that
-- COPY needs no column for it; who sets nothing leaves NULL.
ALTER TABLE traces ADD COLUMN received_at timestamptz DEFAULT now();
ALTER TABLE traces ALTER COLUMN received_at SET DEFAULT nullif(current_setting('cynic.received_at', true), '')::timestamptz;
ALTER TABLE llm_usage ADD COLUMN received_at timestamptz DEFAULT now();
ALTER TABLE llm_usage ALTER COLUMN received_at SET DEFAULT nullif(current_setting('cynic.received_at', true), '')::timestamptz;
ALTER TABLE tool_usage ADD COLUMN received_at timestamptz DEFAULT now();
ALTER TABLE tool_usage ALTER COLUMN received_at SET DEFAULT nullif(current_setting('cynic.received_at', true), '')::timestamptz;
ALTER TABLE ops_log_records ADD COLUMN received_at timestamptz DEFAULT now();
ALTER TABLE ops_log_records ALTER COLUMN received_at SET DEFAULT nullif(current_setting('cynic.received_at', true), '')::timestamptz;
CREATE INDEX idx_traces_received ON traces ((coalesce(received_at, started_at)));
CREATE INDEX idx_llm_usage_received ON llm_usage ((coalesce(received_at, created_at)));
CREATE INDEX idx_tool_usage_received ON tool_usage ((coalesce(received_at, used_at)));
CREATE INDEX idx_ops_log_records_received ON ops_log_records ((coalesce(received_at, occurred_at)));
COMMENT ON COLUMN traces.received_at IS 'when the newest of its spans was stored here: retention counts from then; NULL counts from started_at';
COMMENT ON COLUMN llm_usage.received_at IS 'when it was stored here: retention counts from then, so that an import is kept; NULL counts from created_at';
COMMENT ON COLUMN tool_usage.received_at IS 'when it was stored here: retention counts from then, so that an import is kept; NULL counts from used_at';
COMMENT ON COLUMN ops_log_records.received_at IS 'when it was stored here: retention counts from then, so that an import is kept; NULL counts from occurred_at';

CREATE TABLE ops_llm_days (
    id bigserial PRIMARY KEY,
    day_bucket timestamptz NOT NULL,
    adapter varchar NOT NULL,
    model varchar NOT NULL,
    calls bigint NOT NULL,
    told_calls bigint NOT NULL,
    tokens_input bigint NOT NULL,
    tokens_output bigint NOT NULL,
    cache_read_calls bigint NOT NULL,
    tokens_cache_read bigint NOT NULL,
    cache_write_calls bigint NOT NULL,
    tokens_cache_write bigint NOT NULL,
    reasoning_calls bigint NOT NULL,
    tokens_reasoning bigint NOT NULL,
    priced_calls bigint NOT NULL,
    cost_usd numeric NOT NULL CHECK (cost_usd > '-Infinity' AND cost_usd < 'Infinity')
);
CREATE INDEX idx_ops_llm_days_day ON ops_llm_days (day_bucket, adapter, model, id);
COMMENT ON TABLE ops_llm_days IS 'telemetry: what was added to and taken from the model calls of a day (UTC): the sum of its rows is what was counted, rows that retention took included';
COMMENT ON COLUMN ops_llm_days.told_calls IS 'calls that told tokens_input and tokens_output; the others told none';
COMMENT ON COLUMN ops_llm_days.cache_read_calls IS 'calls that told tokens_cache_read: where there are none the sum is not known; so for cache_write and reasoning';
COMMENT ON COLUMN ops_llm_days.priced_calls IS 'calls whose price is known, which cost_usd is the sum of';

-- An hour of spans is a few stretches of the table: small ranges find them, and cost a writer next to nothing.
CREATE INDEX idx_spans_started ON spans USING brin (started_at) WITH (pages_per_range = 32, autosummarize = on);

-- Lists of traces: newest first, with errors, of a session, dearest first; each a walk along its index.
DROP INDEX idx_traces_started;
CREATE INDEX idx_traces_started ON traces (started_at DESC, id DESC);
CREATE INDEX idx_traces_failed ON traces (started_at DESC, id DESC) WHERE error_count > 0;
CREATE INDEX idx_traces_session ON traces (session_id, started_at DESC, id DESC) WHERE session_id IS NOT NULL;
CREATE INDEX idx_traces_cost ON traces (cost_usd DESC, id DESC) WHERE cost_usd IS NOT NULL;

CREATE FUNCTION measures_of_model_call(
        p_adapter text, p_model text, p_operation text, p_is_usage_told boolean, p_tokens_input bigint, p_tokens_output bigint,
        p_cache_read bigint, p_cache_write bigint, p_reasoning bigint, p_cost_usd numeric, p_latency_ms bigint)
    RETURNS TABLE (metric text, operation text, adapter text, model text, measure numeric)
    LANGUAGE sql IMMUTABLE AS $$
    SELECT v.name, left(p_operation, 200), left(p_adapter, 200), left(p_model, 200), v.amount
    FROM (VALUES ('llm.count', 1::numeric),
                 ('llm.tokens_input', CASE WHEN p_is_usage_told THEN p_tokens_input END),
                 ('llm.tokens_output', CASE WHEN p_is_usage_told THEN p_tokens_output END),
                 ('llm.tokens_cache_read', p_cache_read), ('llm.tokens_cache_write', p_cache_write),
                 ('llm.tokens_reasoning', p_reasoning), ('llm.cost_usd', p_cost_usd), ('llm.latency_ms', p_latency_ms)) AS v (name, amount)
    WHERE v.amount IS NOT NULL
$$;
COMMENT ON FUNCTION measures_of_model_call(text, text, text, boolean, bigint, bigint, bigint, bigint, bigint, numeric, bigint) IS 'What one model call adds to the hourly metrics; what was not measured adds nothing.';

CREATE FUNCTION measures_of_operation(p_source text, p_operation text, p_failed boolean, p_duration_ms bigint)
    RETURNS TABLE (metric text, operation text, adapter text, model text, measure numeric)
    LANGUAGE sql IMMUTABLE AS $$
    SELECT p_source || v.name, left(p_operation, 200), NULL::text, NULL::text, v.amount
    FROM (VALUES ('.count', 1::numeric), ('.errors', CASE WHEN p_failed THEN 1 END), ('.duration_ms', p_duration_ms)) AS v (name, amount)
    WHERE v.amount IS NOT NULL
$$;
COMMENT ON FUNCTION measures_of_operation(text, text, boolean, bigint) IS 'What one tool call, span or trace adds to the hourly metrics; what was not measured adds nothing.';

CREATE FUNCTION measures_of_hour(p_source text, p_hour timestamptz)
    RETURNS TABLE (metric text, operation text, adapter text, model text, measure numeric)
    LANGUAGE sql STABLE AS $$
    SELECT m.metric, m.operation, m.adapter, m.model, m.measure
    FROM llm_usage AS u
    CROSS JOIN LATERAL measures_of_model_call(u.adapter, u.model, u.operation, u.is_usage_told, u.tokens_input, u.tokens_output,
        u.tokens_cache_read, u.tokens_cache_write, u.tokens_reasoning, u.cost_usd, u.latency_ms) AS m
    WHERE p_source = 'llm' AND u.created_at >= p_hour AND u.created_at < p_hour + interval '1 hour'
    UNION ALL
    SELECT m.metric, m.operation, m.adapter, m.model, m.measure
    FROM tool_usage AS t
    CROSS JOIN LATERAL measures_of_operation('tool', t.tool_name, t.status = 'error', t.duration_ms) AS m
    WHERE p_source = 'tool' AND t.used_at >= p_hour AND t.used_at < p_hour + interval '1 hour'
    UNION ALL
    SELECT m.metric, m.operation, m.adapter, m.model, m.measure
    FROM spans AS s
    CROSS JOIN LATERAL measures_of_operation('span', s.operation, s.status = 'error', s.duration_ms) AS m
    WHERE p_source = 'span' AND s.started_at >= p_hour AND s.started_at < p_hour + interval '1 hour'
    UNION ALL
    SELECT m.metric, m.operation, m.adapter, m.model, m.measure
    FROM traces AS t
    CROSS JOIN LATERAL measures_of_operation('trace', t.operation, t.status = 'error', t.duration_ms) AS m
    WHERE p_source = 'trace' AND t.started_at >= p_hour AND t.started_at < p_hour + interval '1 hour'
$$;
COMMENT ON FUNCTION measures_of_hour(text, timestamptz) IS 'Every measurement of the rows of one source (llm, tool, span, trace) that belong to the hour that begins at p_hour.';

CREATE FUNCTION roll_up_of_hour(p_source text, p_hour timestamptz, p_operations integer DEFAULT 200)
    RETURNS TABLE (metric text, operation text, adapter text, model text, sample_count bigint, total numeric, percentiles numeric[])
    LANGUAGE sql STABLE AS $$
    WITH named AS MATERIALIZED (
        SELECT m.operation
        FROM measures_of_hour(p_source, p_hour) AS m
        WHERE m.metric = p_source || '.count' AND m.operation IS NOT NULL
        GROUP BY m.operation
        ORDER BY count(*) DESC, m.operation
        LIMIT p_operations
    )
    SELECT m.metric, CASE WHEN m.operation IS NULL OR n.operation IS NOT NULL THEN m.operation ELSE '(others)' END AS name,
           m.adapter, m.model, count(*), sum(m.measure),
           percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY m.measure)
               FILTER (WHERE m.metric NOT IN (p_source || '.count', p_source || '.errors'))
    FROM measures_of_hour(p_source, p_hour) AS m
    LEFT JOIN named AS n ON n.operation = m.operation
    GROUP BY m.metric, name, m.adapter, m.model
$$;
COMMENT ON FUNCTION roll_up_of_hour(text, timestamptz, integer) IS 'Count, sum and percentiles (50, 95, 99, each a measured value) of one source in one hour, from its rows. The p_operations most frequent operations have rows of their own, the others share one, so that names without end cannot fill what is kept for ever.';

CREATE FUNCTION kept_operation(p_metric text, p_hour timestamptz, p_operation text, p_adapter text, p_model text) RETURNS text
    LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p_operation IS NULL OR bool_or(h.operation = p_operation) OR NOT coalesce(bool_or(h.operation = '(others)'), false)
                THEN p_operation ELSE '(others)' END
    FROM telemetry_hourly AS h
    WHERE h.metric_name = p_metric AND h.hour_bucket = p_hour AND h.operation IN (p_operation, '(others)')
      AND (h.adapter, h.model) IS NOT DISTINCT FROM (p_adapter, p_model)
$$;
COMMENT ON FUNCTION kept_operation(text, timestamptz, text, text, text) IS 'Under which operation the roll-up of an hour holds a row of this one: its own, or the one that many share.';

CREATE FUNCTION queue_roll_up() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    v_source CONSTANT text := TG_ARGV[0];
    v_column CONSTANT text := TG_ARGV[1];
    v_changed text;
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('cynic.pruning', true) = 'on' THEN
        EXECUTE format(
            'INSERT INTO telemetry_hourly AS h
                 (metric_name, hour_bucket, operation, adapter, model, value, sample_count, pruned_count, pruned_sum)
             SELECT p.metric, p.hour, p.operation, p.adapter, p.model, sum(p.total), sum(p.number), sum(p.number), sum(p.total)
             FROM (SELECT m.metric, m.hour, kept_operation(m.metric, m.hour, m.operation, m.adapter, m.model) AS operation,
                          m.adapter, m.model, m.total, m.number
                   FROM (SELECT m.metric, date_trunc(''hour'', o.%I, ''UTC'') AS hour, m.operation, m.adapter, m.model,
                                sum(m.measure) AS total, count(*) AS number
                         FROM old_rows AS o CROSS JOIN LATERAL %s AS m
                         GROUP BY 1, 2, 3, 4, 5) AS m) AS p
             GROUP BY 1, 2, 3, 4, 5
             ON CONFLICT ON CONSTRAINT telemetry_hourly_key DO UPDATE
             SET pruned_count = h.pruned_count + excluded.pruned_count, pruned_sum = h.pruned_sum + excluded.pruned_sum',
            v_column, CASE v_source
                WHEN 'llm' THEN 'measures_of_model_call(o.adapter, o.model, o.operation, o.is_usage_told, o.tokens_input, o.tokens_output,
                    o.tokens_cache_read, o.tokens_cache_write, o.tokens_reasoning, o.cost_usd, o.latency_ms)'
                WHEN 'tool' THEN 'measures_of_operation(''tool'', o.tool_name, o.status = ''error'', o.duration_ms)'
                ELSE format('measures_of_operation(%L, o.operation, o.status = ''error'', o.duration_ms)', v_source)
            END);
        RETURN NULL;
    END IF;
    v_changed := CASE TG_OP
        WHEN 'INSERT' THEN format('SELECT n.%I AS at FROM new_rows AS n', v_column)
        WHEN 'DELETE' THEN format('SELECT o.%I AS at FROM old_rows AS o', v_column)
        ELSE format('SELECT n.%1$I AS at FROM new_rows AS n UNION ALL SELECT o.%1$I FROM old_rows AS o', v_column)
    END;
    EXECUTE 'INSERT INTO ops_rollup_queue (source, hour_bucket) SELECT DISTINCT $1, date_trunc(''hour'', c.at, ''UTC'') FROM ('
        || v_changed || ') AS c' USING v_source;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION queue_roll_up() IS 'Statement trigger: leaves the hours of the rows that changed to the roller. Arguments: the source, and the column that says to which hour a row belongs. What retention deletes leaves no hour: it is added to what was pruned of it.';

CREATE FUNCTION count_model_calls() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    v_changed CONSTANT text := CASE TG_OP
        WHEN 'INSERT' THEN 'SELECT 1 AS way, n.* FROM new_rows AS n'
        WHEN 'DELETE' THEN 'SELECT -1 AS way, o.* FROM old_rows AS o'
        ELSE 'SELECT 1 AS way, n.* FROM new_rows AS n UNION ALL SELECT -1, o.* FROM old_rows AS o'
    END;
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('cynic.pruning', true) = 'on' THEN
        RETURN NULL;
    END IF;
    EXECUTE 'INSERT INTO ops_llm_days (day_bucket, adapter, model, calls, told_calls, tokens_input, tokens_output, cache_read_calls,
                 tokens_cache_read, cache_write_calls, tokens_cache_write, reasoning_calls, tokens_reasoning, priced_calls, cost_usd)
             SELECT s.* FROM (
                 SELECT date_trunc(''day'', g.created_at, ''UTC''), left(g.adapter, 200), left(g.model, 200),
                        sum(g.way) AS calls,
                        coalesce(sum(g.way) FILTER (WHERE g.is_usage_told), 0) AS told,
                        coalesce(sum(g.way * g.tokens_input::bigint) FILTER (WHERE g.is_usage_told), 0) AS tokens_input,
                        coalesce(sum(g.way * g.tokens_output::bigint) FILTER (WHERE g.is_usage_told), 0) AS tokens_output,
                        coalesce(sum(g.way) FILTER (WHERE g.tokens_cache_read IS NOT NULL), 0) AS cache_read_calls,
                        coalesce(sum(g.way * g.tokens_cache_read::bigint), 0) AS tokens_cache_read,
                        coalesce(sum(g.way) FILTER (WHERE g.tokens_cache_write IS NOT NULL), 0) AS cache_write_calls,
                        coalesce(sum(g.way * g.tokens_cache_write::bigint), 0) AS tokens_cache_write,
                        coalesce(sum(g.way) FILTER (WHERE g.tokens_reasoning IS NOT NULL), 0) AS reasoning_calls,
                        coalesce(sum(g.way * g.tokens_reasoning::bigint), 0) AS tokens_reasoning,
                        coalesce(sum(g.way) FILTER (WHERE g.cost_usd IS NOT NULL), 0) AS priced_calls,
                        coalesce(sum(g.way * g.cost_usd), 0) AS cost_usd
                 FROM (' || v_changed || ') AS g
                 GROUP BY 1, 2, 3) AS s
             WHERE (s.calls, s.told, s.tokens_input, s.tokens_output, s.cache_read_calls, s.tokens_cache_read, s.cache_write_calls,
                    s.tokens_cache_write, s.reasoning_calls, s.tokens_reasoning, s.priced_calls, s.cost_usd)
                   <> (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)';
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION count_model_calls() IS 'Statement trigger: appends what the statement adds to the tokens and cost of each day and model, and what it takes from them. What retention deletes stays counted.';

CREATE TRIGGER llm_usage_roll_up_insert AFTER INSERT ON llm_usage
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION queue_roll_up('llm', 'created_at');
CREATE TRIGGER llm_usage_roll_up_update AFTER UPDATE ON llm_usage
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION queue_roll_up('llm', 'created_at');
CREATE TRIGGER llm_usage_roll_up_delete AFTER DELETE ON llm_usage
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION queue_roll_up('llm', 'created_at');
CREATE TRIGGER llm_usage_count_insert AFTER INSERT ON llm_usage
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_model_calls();
CREATE TRIGGER llm_usage_count_update AFTER UPDATE ON llm_usage
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_model_calls();
CREATE TRIGGER llm_usage_count_delete AFTER DELETE ON llm_usage
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_model_calls();
CREATE TRIGGER tool_usage_roll_up_insert AFTER INSERT ON tool_usage
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION queue_roll_up('tool', 'used_at');
CREATE TRIGGER tool_usage_roll_up_update AFTER UPDATE ON tool_usage
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION queue_roll_up('tool', 'used_at');
CREATE TRIGGER tool_usage_roll_up_delete AFTER DELETE ON tool_usage
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION queue_roll_up('tool', 'used_at');
CREATE TRIGGER spans_roll_up_insert AFTER INSERT ON spans
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION queue_roll_up('span', 'started_at');
CREATE TRIGGER spans_roll_up_update AFTER UPDATE ON spans
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION queue_roll_up('span', 'started_at');
CREATE TRIGGER spans_roll_up_delete AFTER DELETE ON spans
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION queue_roll_up('span', 'started_at');
CREATE TRIGGER traces_roll_up_insert AFTER INSERT ON traces
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION queue_roll_up('trace', 'started_at');
CREATE TRIGGER traces_roll_up_update AFTER UPDATE ON traces
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION queue_roll_up('trace', 'started_at');
CREATE TRIGGER traces_roll_up_delete AFTER DELETE ON traces
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION queue_roll_up('trace', 'started_at');

-- What is there already.
INSERT INTO ops_rollup_queue (source, hour_bucket)
SELECT DISTINCT 'llm', date_trunc('hour', u.created_at, 'UTC') FROM llm_usage AS u
UNION ALL
SELECT DISTINCT 'tool', date_trunc('hour', t.used_at, 'UTC') FROM tool_usage AS t
UNION ALL
SELECT DISTINCT 'span', date_trunc('hour', s.started_at, 'UTC') FROM spans AS s
UNION ALL
SELECT DISTINCT 'trace', date_trunc('hour', t.started_at, 'UTC') FROM traces AS t;

INSERT INTO ops_llm_days (day_bucket, adapter, model, calls, told_calls, tokens_input, tokens_output, cache_read_calls, tokens_cache_read,
                          cache_write_calls, tokens_cache_write, reasoning_calls, tokens_reasoning, priced_calls, cost_usd)
SELECT date_trunc('day', u.created_at, 'UTC'), left(u.adapter, 200), left(u.model, 200), count(*),
       count(*) FILTER (WHERE u.is_usage_told), coalesce(sum(u.tokens_input) FILTER (WHERE u.is_usage_told), 0),
       coalesce(sum(u.tokens_output) FILTER (WHERE u.is_usage_told), 0), count(u.tokens_cache_read),
       coalesce(sum(u.tokens_cache_read), 0), count(u.tokens_cache_write), coalesce(sum(u.tokens_cache_write), 0),
       count(u.tokens_reasoning), coalesce(sum(u.tokens_reasoning), 0), count(u.cost_usd), coalesce(sum(u.cost_usd), 0)
FROM llm_usage AS u
GROUP BY 1, 2, 3;

CREATE FUNCTION begin_pruning() RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('cynic roll-up of ' || current_schema(), 0));
    PERFORM set_config('cynic.pruning', 'on', true);
    PERFORM set_config('cynic.lock_timeout', current_setting('lock_timeout'), true);
    PERFORM set_config('lock_timeout', '100ms', true);
END;
$$;
COMMENT ON FUNCTION begin_pruning() IS 'From here to end_pruning() no hour is rolled up, what is deleted is added to what was pruned of its hour, and no row is waited for longer than a tenth of a second: a writer that needs what is held here is never in a deadlock with it.';

CREATE FUNCTION end_pruning() RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('cynic.pruning', 'off', true);
    PERFORM set_config('lock_timeout', current_setting('cynic.lock_timeout'), true);
END;
$$;
COMMENT ON FUNCTION end_pruning() IS 'What is deleted from here on leaves its hour to the roller again, and locks are waited for as before.';

CREATE OR REPLACE FUNCTION cleanup_llm_usage(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_batch CONSTANT integer := require_batch(p_batch);
    v_rows bigint;
BEGIN
    PERFORM begin_pruning();
    DELETE FROM llm_usage AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM llm_usage AS y
        WHERE coalesce(y.received_at, y.created_at) < v_before
        ORDER BY coalesce(y.received_at, y.created_at)
        LIMIT v_batch
        FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    PERFORM end_pruning();
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_llm_usage(integer, integer) IS 'Deletes model calls that were received more than p_days ago (their cost stays in the ledger, their sums in telemetry_hourly); at most p_batch rows a call, oldest first, none that somebody else holds. Returns how many; repeat until none.';

CREATE OR REPLACE FUNCTION cleanup_tool_usage(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_batch CONSTANT integer := require_batch(p_batch);
    v_rows bigint;
BEGIN
    PERFORM begin_pruning();
    DELETE FROM tool_usage AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM tool_usage AS y
        WHERE coalesce(y.received_at, y.used_at) < v_before
        ORDER BY coalesce(y.received_at, y.used_at)
        LIMIT v_batch
        FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    PERFORM end_pruning();
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_tool_usage(integer, integer) IS 'Deletes tool calls that were received more than p_days ago (their sums stay in telemetry_hourly); at most p_batch rows a call, oldest first, none that somebody else holds. Returns how many; repeat until none.';

CREATE OR REPLACE FUNCTION cleanup_traces(p_days integer DEFAULT 7, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_batch CONSTANT integer := require_batch(p_batch);
    v_ids varchar[];
    v_rows bigint;
BEGIN
    PERFORM begin_pruning();
    -- As many traces as have a batch of spans together, and at least one.
    v_ids := ARRAY(
        SELECT c.trace_id
        FROM (SELECT o.trace_id, row_number() OVER (ORDER BY o.aged_from, o.id) AS place,
                     sum(greatest(o.span_count, 1)) OVER (ORDER BY o.aged_from, o.id) AS spans
              FROM (SELECT t.id, t.trace_id, t.span_count, coalesce(t.received_at, t.started_at) AS aged_from
                    FROM traces AS t
                    WHERE coalesce(t.received_at, t.started_at) < v_before
                    ORDER BY coalesce(t.received_at, t.started_at)
                    LIMIT v_batch) AS o) AS c
        WHERE c.place = 1 OR c.spans <= v_batch);
    -- Once a trace is held, no span can come in; one that came in before made the trace young again.
    v_ids := ARRAY(
        SELECT t.trace_id FROM traces AS t
        WHERE t.trace_id = ANY (v_ids) AND coalesce(t.received_at, t.started_at) < v_before
        FOR UPDATE SKIP LOCKED);
    DELETE FROM spans AS s WHERE s.trace_id = ANY (v_ids);
    DELETE FROM traces AS t WHERE t.trace_id = ANY (v_ids);
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    PERFORM end_pruning();
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_traces(integer, integer) IS 'Deletes traces whose newest span was received more than p_days ago, with their spans (their sums stay in telemetry_hourly); a call takes at most p_batch traces with p_batch spans together, or one larger trace, oldest first, none that somebody else holds. Returns how many traces; repeat until none.';

CREATE OR REPLACE FUNCTION cleanup_log_records(p_days integer DEFAULT 7, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM ops_log_records AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM ops_log_records AS y
        WHERE coalesce(y.received_at, y.occurred_at) < v_before
        ORDER BY coalesce(y.received_at, y.occurred_at)
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_log_records(integer, integer) IS 'Deletes log records that were received more than p_days ago; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- Roll-ups by operation and model are lost: one value for a metric and an hour has no place for them.
CREATE OR REPLACE FUNCTION cleanup_log_records(p_days integer DEFAULT 7, p_batch integer DEFAULT 10000) RETURNS bigint
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
CREATE OR REPLACE FUNCTION cleanup_traces(p_days integer DEFAULT 7, p_batch integer DEFAULT 10000) RETURNS bigint
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
CREATE OR REPLACE FUNCTION cleanup_tool_usage(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
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
CREATE OR REPLACE FUNCTION cleanup_llm_usage(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
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
DROP FUNCTION end_pruning;
DROP FUNCTION begin_pruning;
DROP TRIGGER traces_roll_up_delete ON traces;
DROP TRIGGER traces_roll_up_update ON traces;
DROP TRIGGER traces_roll_up_insert ON traces;
DROP TRIGGER spans_roll_up_delete ON spans;
DROP TRIGGER spans_roll_up_update ON spans;
DROP TRIGGER spans_roll_up_insert ON spans;
DROP TRIGGER tool_usage_roll_up_delete ON tool_usage;
DROP TRIGGER tool_usage_roll_up_update ON tool_usage;
DROP TRIGGER tool_usage_roll_up_insert ON tool_usage;
DROP TRIGGER llm_usage_roll_up_delete ON llm_usage;
DROP TRIGGER llm_usage_roll_up_update ON llm_usage;
DROP TRIGGER llm_usage_roll_up_insert ON llm_usage;
DROP TRIGGER llm_usage_count_delete ON llm_usage;
DROP TRIGGER llm_usage_count_update ON llm_usage;
DROP TRIGGER llm_usage_count_insert ON llm_usage;
DROP FUNCTION count_model_calls;
DROP FUNCTION queue_roll_up;
DROP FUNCTION kept_operation;
DROP FUNCTION roll_up_of_hour;
DROP FUNCTION measures_of_hour;
DROP FUNCTION measures_of_operation;
DROP FUNCTION measures_of_model_call;
DROP INDEX idx_traces_cost;
DROP INDEX idx_traces_session;
DROP INDEX idx_traces_failed;
DROP INDEX idx_traces_started;
CREATE INDEX idx_traces_started ON traces (started_at DESC);
DROP INDEX idx_spans_started;
DROP TABLE ops_llm_days;
DROP INDEX idx_ops_log_records_received;
DROP INDEX idx_tool_usage_received;
DROP INDEX idx_llm_usage_received;
DROP INDEX idx_traces_received;
ALTER TABLE ops_log_records DROP COLUMN received_at;
ALTER TABLE tool_usage DROP COLUMN received_at;
ALTER TABLE llm_usage DROP COLUMN received_at;
ALTER TABLE traces DROP COLUMN received_at;
DROP INDEX idx_ops_rollup_queue_hour;
DELETE FROM ops_rollup_queue;
ALTER TABLE ops_rollup_queue DROP COLUMN source;
COMMENT ON TABLE ops_rollup_queue IS 'telemetry: hours whose sums are out of date; whoever sums up takes rows out';
ALTER TABLE telemetry_hourly DROP CONSTRAINT telemetry_hourly_key;
DELETE FROM telemetry_hourly WHERE sample_count IS NOT NULL;
ALTER TABLE telemetry_hourly DROP COLUMN rolled_at;
ALTER TABLE telemetry_hourly DROP COLUMN pruned_sum;
ALTER TABLE telemetry_hourly DROP COLUMN pruned_count;
ALTER TABLE telemetry_hourly DROP COLUMN p99;
ALTER TABLE telemetry_hourly DROP COLUMN p95;
ALTER TABLE telemetry_hourly DROP COLUMN p50;
ALTER TABLE telemetry_hourly DROP COLUMN sample_count;
ALTER TABLE telemetry_hourly DROP COLUMN model;
ALTER TABLE telemetry_hourly DROP COLUMN adapter;
ALTER TABLE telemetry_hourly DROP COLUMN operation;
-- squawk-ignore disallowed-unique-constraint
ALTER TABLE telemetry_hourly ADD CONSTRAINT telemetry_hourly_key UNIQUE (metric_name, hour_bucket);
COMMENT ON COLUMN telemetry_hourly.value IS NULL;
COMMENT ON TABLE telemetry_hourly IS 'telemetry: one value for each metric and hour, kept';
