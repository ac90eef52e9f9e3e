-- 038_metrics_infrastructure: signs of life, routing, snapshots, background work
--
-- Watchers beat; a routing decision is right, wrong or not known yet (NULL); a snapshot holds the whole system
-- in a row; work in the background says how it went. What was not measured is NULL: the accuracy of routing
-- without any feedback is unknown, not 0.
--
-- Metrics are kept for 30 days. A task that has not ended outlives that.
-- migrate:up

CREATE TABLE watcher_heartbeats (
    id bigserial PRIMARY KEY,
    watcher_name varchar NOT NULL CHECK (watcher_name IN ('FileWatcher', 'SolanaWatcher', 'MachineHealthWatcher', 'MarketWatcher')),
    events_polled integer NOT NULL DEFAULT 0 CHECK (events_polled >= 0),
    status varchar NOT NULL CHECK (status IN ('active', 'idle', 'error', 'stopped')),
    error_message text,
    metadata jsonb NOT NULL DEFAULT '{}',
    timestamp timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_watcher_heartbeats_name ON watcher_heartbeats (watcher_name, timestamp DESC);
CREATE INDEX idx_watcher_heartbeats_timestamp ON watcher_heartbeats (timestamp DESC);
CREATE INDEX idx_watcher_heartbeats_status ON watcher_heartbeats (status);

COMMENT ON TABLE watcher_heartbeats IS 'system: signs of life of the watchers';

CREATE TABLE routing_accuracy (
    id bigserial PRIMARY KEY,
    router_type varchar NOT NULL CHECK (router_type IN ('kabbalistic', 'fast', 'unified', 'llm')),
    event_type varchar NOT NULL,
    dogs_selected text[] NOT NULL DEFAULT '{}',
    confidence numeric CHECK (confidence >= 0 AND confidence <= 0.618),
    correct boolean,
    should_have_been text[],
    budget_level varchar CHECK (budget_level IN ('abundant', 'cautious', 'critical', 'exhausted')),
    timestamp timestamptz NOT NULL DEFAULT now(),
    decision_id varchar UNIQUE
);

CREATE INDEX idx_routing_accuracy_router ON routing_accuracy (router_type);
CREATE INDEX idx_routing_accuracy_timestamp ON routing_accuracy (timestamp DESC);
CREATE INDEX idx_routing_accuracy_correct ON routing_accuracy (correct);

COMMENT ON TABLE routing_accuracy IS 'system: which dogs were chosen, and whether that was right once it is known';
COMMENT ON COLUMN routing_accuracy.confidence IS 'φ-bounded: 0.618 times a probability';
COMMENT ON COLUMN routing_accuracy.correct IS 'NULL until feedback';
COMMENT ON COLUMN routing_accuracy.decision_id IS 'by which the outcome is reported later; NULL for decisions nobody will report on';

CREATE TABLE consciousness_snapshots (
    id bigserial PRIMARY KEY,
    active_watchers integer NOT NULL DEFAULT 0 CHECK (active_watchers >= 0),
    active_loops integer NOT NULL DEFAULT 0 CHECK (active_loops >= 0),
    budget_consumed numeric CHECK (budget_consumed >= 0 AND budget_consumed < 'Infinity'),
    q_updates_today integer NOT NULL DEFAULT 0 CHECK (q_updates_today >= 0),
    patterns_count integer NOT NULL DEFAULT 0 CHECK (patterns_count >= 0),
    calibration_ece numeric CHECK (calibration_ece >= 0 AND calibration_ece <= 1),
    routing_accuracy_24h numeric CHECK (routing_accuracy_24h >= 0 AND routing_accuracy_24h <= 1),
    dogs_active_24h text[] NOT NULL DEFAULT '{}',
    snapshot_type varchar NOT NULL DEFAULT 'periodic' CHECK (snapshot_type IN ('periodic', 'triggered', 'manual')),
    timestamp timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_consciousness_snapshots_timestamp ON consciousness_snapshots (timestamp DESC);
CREATE INDEX idx_consciousness_snapshots_type ON consciousness_snapshots (snapshot_type);

COMMENT ON TABLE consciousness_snapshots IS 'system: the whole system in a row, periodically';
COMMENT ON COLUMN consciousness_snapshots.budget_consumed IS 'ratio of the budget consumed; above 1 when overrun';

CREATE TABLE background_tasks (
    id bigserial PRIMARY KEY,
    task_id varchar NOT NULL UNIQUE,
    task_type varchar NOT NULL CHECK (task_type IN ('watcher', 'learning', 'meta', 'emergence', 'cleanup')),
    task_name varchar NOT NULL,
    status varchar NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
    success_count integer NOT NULL DEFAULT 0 CHECK (success_count >= 0),
    error_count integer NOT NULL DEFAULT 0 CHECK (error_count >= 0),
    tokens_used integer NOT NULL DEFAULT 0 CHECK (tokens_used >= 0),
    cost_usd numeric NOT NULL DEFAULT 0 CHECK (cost_usd >= 0 AND cost_usd < 'Infinity'),
    started_at timestamptz,
    completed_at timestamptz
);

CREATE INDEX idx_background_tasks_started ON background_tasks (started_at DESC);

COMMENT ON TABLE background_tasks IS 'system: work done in the background, with its result and cost';

CREATE FUNCTION get_active_watchers_count() RETURNS integer
    LANGUAGE sql STABLE AS $$
    SELECT count(DISTINCT h.watcher_name)::integer
    FROM watcher_heartbeats AS h
    WHERE h.status = 'active' AND h.timestamp >= now() - interval '5 minutes'
$$;
COMMENT ON FUNCTION get_active_watchers_count() IS 'Watchers that beat as active within the last five minutes.';

CREATE FUNCTION get_routing_accuracy_24h() RETURNS numeric
    LANGUAGE sql STABLE AS $$
    SELECT round(avg(r.correct::integer), 4)
    FROM routing_accuracy AS r
    WHERE r.correct IS NOT NULL AND r.timestamp >= now() - interval '24 hours'
$$;
COMMENT ON FUNCTION get_routing_accuracy_24h() IS 'Share of right routing decisions of the last 24 hours, to four places; NULL when none has feedback.';

CREATE FUNCTION cleanup_old_metrics(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000)
    RETURNS TABLE (heartbeats_deleted bigint, routing_deleted bigint, snapshots_deleted bigint, tasks_deleted bigint)
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_batch CONSTANT integer := require_batch(p_batch);
BEGIN
    DELETE FROM watcher_heartbeats AS x WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM watcher_heartbeats AS y WHERE y.timestamp < v_before ORDER BY y.timestamp LIMIT v_batch));
    GET DIAGNOSTICS heartbeats_deleted = ROW_COUNT;
    DELETE FROM routing_accuracy AS x WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM routing_accuracy AS y WHERE y.timestamp < v_before ORDER BY y.timestamp LIMIT v_batch));
    GET DIAGNOSTICS routing_deleted = ROW_COUNT;
    DELETE FROM consciousness_snapshots AS x WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM consciousness_snapshots AS y WHERE y.timestamp < v_before ORDER BY y.timestamp LIMIT v_batch));
    GET DIAGNOSTICS snapshots_deleted = ROW_COUNT;
    DELETE FROM background_tasks AS x WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM background_tasks AS y
        WHERE y.status IN ('completed', 'failed', 'cancelled') AND coalesce(y.completed_at, y.started_at) < v_before
        ORDER BY coalesce(y.completed_at, y.started_at) LIMIT v_batch));
    GET DIAGNOSTICS tasks_deleted = ROW_COUNT;
    RETURN NEXT;
END;
$$;
COMMENT ON FUNCTION cleanup_old_metrics(integer, integer) IS 'Deletes heartbeats, routing decisions, snapshots and ended tasks older than p_days; at most p_batch a table and call. Returns how many of each; repeat until all are fewer.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE background_tasks;
DROP TABLE consciousness_snapshots;
DROP TABLE routing_accuracy;
DROP TABLE watcher_heartbeats;
DROP FUNCTION cleanup_old_metrics;
DROP FUNCTION get_routing_accuracy_24h;
DROP FUNCTION get_active_watchers_count;
