-- 006_triggers: triggers: what should happen by itself
--
-- `triggers_registry` holds the rules, `trigger_events` what they are matched against, `trigger_executions`
-- what came of it. Four rules come with the schema: judge a commit, alert when errors exceed a tenth, block
-- danger, look at health each hour. An event that was not processed yet outlives its retention: it is
-- unfinished work.
-- migrate:up

CREATE TABLE triggers_registry (
    id bigserial PRIMARY KEY,
    trigger_id varchar NOT NULL UNIQUE,
    trigger_type varchar NOT NULL,
    conditions jsonb NOT NULL DEFAULT '{}',
    actions jsonb NOT NULL DEFAULT '[]',
    active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE triggers_registry IS 'orchestration: what should happen by itself, and when';

CREATE TABLE trigger_executions (
    id bigserial PRIMARY KEY,
    trigger_id varchar NOT NULL,
    task_id varchar,
    status varchar NOT NULL CHECK (status IN ('success', 'failure')),
    result jsonb,
    executed_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_trigger_executions_trigger ON trigger_executions (trigger_id, executed_at DESC);
CREATE INDEX idx_trigger_executions_executed ON trigger_executions (executed_at);

COMMENT ON TABLE trigger_executions IS 'orchestration: each time a trigger fired, and how it went';

CREATE TABLE trigger_events (
    id bigserial PRIMARY KEY,
    event_type varchar NOT NULL,
    event_data jsonb NOT NULL DEFAULT '{}',
    triggered_at timestamptz NOT NULL DEFAULT now(),
    processed_at timestamptz
);

CREATE INDEX idx_trigger_events_type ON trigger_events (event_type);
CREATE INDEX idx_trigger_events_triggered ON trigger_events (triggered_at);

COMMENT ON TABLE trigger_events IS 'orchestration: events that triggers are matched against';
COMMENT ON COLUMN trigger_events.processed_at IS 'when the rules were matched against it; NULL is unfinished work, which retention leaves alone';

INSERT INTO triggers_registry (trigger_id, trigger_type, conditions, actions) VALUES
    ('trg_git_commit', 'event', '{"event_type": "commit"}', '[{"action": "judge", "priority": 60}]'),
    ('trg_error_rate', 'threshold', '{"metric": "error_rate", "operator": "gt", "value": 0.1, "window_minutes": 5}', '[{"action": "alert", "priority": 80}]'),
    ('trg_danger_pattern', 'pattern', '{"pattern": "danger", "occurrences": 1, "window_minutes": 13}', '[{"action": "block", "priority": 90}]'),
    ('trg_health_check', 'periodic', '{"interval_minutes": 60}', '[{"action": "review", "priority": 30}, {"action": "notify", "priority": 30}]');

CREATE FUNCTION cleanup_trigger_events(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM trigger_events AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM trigger_events AS y
        WHERE y.triggered_at < v_before AND y.processed_at IS NOT NULL
        ORDER BY y.triggered_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_trigger_events(integer, integer) IS 'Deletes processed trigger events older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';
CREATE FUNCTION cleanup_trigger_executions(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM trigger_executions AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM trigger_executions AS y
        WHERE y.executed_at < v_before
        ORDER BY y.executed_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_trigger_executions(integer, integer) IS 'Deletes trigger executions older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE trigger_events;
DROP TABLE trigger_executions;
DROP TABLE triggers_registry;
DROP FUNCTION cleanup_trigger_executions;
DROP FUNCTION cleanup_trigger_events;
