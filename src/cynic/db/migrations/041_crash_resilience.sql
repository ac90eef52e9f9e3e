-- 041_crash_resilience: coming back after a crash
--
-- Sessions beat into `session_state`; a clean end leaves a last row that says so. `check_crash_detected` looks
-- at the latest session other than the running one: it crashed when it stopped beating and left no such row.
-- Watchers, judgments under way and the weights of the learning loops are kept so that all go on where they
-- were. A crash is only forgotten once recovery has a result, a pipeline only once no dog is pending.
-- migrate:up

CREATE TABLE session_state (
    id bigserial PRIMARY KEY,
    session_id varchar NOT NULL,
    turn_number integer NOT NULL DEFAULT 0 CHECK (turn_number >= 0),
    last_user_message text,
    last_assistant_message text,
    working_directory text,
    git_branch varchar,
    timestamp timestamptz NOT NULL DEFAULT now(),
    clean_shutdown boolean NOT NULL DEFAULT false
);

CREATE INDEX idx_session_state_session ON session_state (session_id, timestamp DESC);
CREATE INDEX idx_session_state_timestamp ON session_state (timestamp DESC);

COMMENT ON TABLE session_state IS 'system: heartbeats of a session, to recover after a crash';
COMMENT ON COLUMN session_state.clean_shutdown IS 'true on the last row of a session that ended in order; without it every stop would look like a crash';

CREATE TABLE watcher_state (
    id bigserial PRIMARY KEY,
    watcher_name varchar NOT NULL UNIQUE,
    last_polled_signature varchar,
    last_polled_slot bigint CHECK (last_polled_slot >= 0),
    file_checksums jsonb NOT NULL DEFAULT '{}',
    state_snapshot jsonb NOT NULL DEFAULT '{}',
    timestamp timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE watcher_state IS 'system: where each watcher stood, to go on after a restart';

CREATE TABLE dog_pipeline_state (
    id bigserial PRIMARY KEY,
    judgment_id varchar NOT NULL,
    current_dog varchar CHECK (current_dog IN ('CYNIC', 'Analyst', 'Sage', 'Scholar', 'Guardian', 'Oracle', 'Architect', 'Deployer', 'Janitor', 'Scout', 'Cartographer')),
    completed_dogs text[] NOT NULL DEFAULT '{}',
    pending_dogs text[] NOT NULL DEFAULT '{}',
    partial_verdict jsonb NOT NULL DEFAULT '{}',
    partial_dimensions jsonb NOT NULL DEFAULT '{}',
    timestamp timestamptz NOT NULL DEFAULT now(),
    metadata jsonb NOT NULL DEFAULT '{}'
);

CREATE INDEX idx_dog_pipeline_state_judgment ON dog_pipeline_state (judgment_id);
CREATE INDEX idx_dog_pipeline_state_timestamp ON dog_pipeline_state (timestamp);

COMMENT ON TABLE dog_pipeline_state IS 'system: judgments under way: which dogs have voted and which are pending';

CREATE TABLE loop_persistence_state (
    id bigserial PRIMARY KEY,
    loop_name varchar NOT NULL,
    state_type varchar NOT NULL,
    weights jsonb NOT NULL,
    episode_count integer NOT NULL DEFAULT 0 CHECK (episode_count >= 0),
    timestamp timestamptz NOT NULL DEFAULT now(),
    metadata jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT loop_persistence_state_key UNIQUE (loop_name, state_type)
);

COMMENT ON TABLE loop_persistence_state IS 'learning: weights of the learning loops, to go on after a crash';

CREATE TABLE crash_log (
    id bigserial PRIMARY KEY,
    crash_type varchar NOT NULL CHECK (crash_type IN ('BSOD', 'power_loss', 'process_kill', 'OS_crash', 'unknown')),
    last_session_id varchar,
    last_heartbeat timestamptz,
    time_offline_ms bigint CHECK (time_offline_ms >= 0),
    error_details jsonb NOT NULL DEFAULT '{}',
    recovery_success boolean,
    timestamp timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_crash_log_type ON crash_log (crash_type);
CREATE INDEX idx_crash_log_timestamp ON crash_log (timestamp DESC);
CREATE INDEX idx_crash_log_session ON crash_log (last_session_id);

COMMENT ON TABLE crash_log IS 'system: crashes noticed at the next start, and whether recovery succeeded';
COMMENT ON COLUMN crash_log.recovery_success IS 'NULL until recovery ran';

CREATE FUNCTION get_last_session_state(p_current_session varchar DEFAULT NULL)
    RETURNS TABLE (session_id varchar, last_heartbeat timestamptz, time_since_heartbeat_ms bigint,
                   working_directory text, git_branch varchar, clean_shutdown boolean)
    LANGUAGE sql STABLE AS $$
    SELECT s.session_id, s.timestamp, (extract(epoch FROM now() - s.timestamp) * 1000)::bigint,
           s.working_directory, s.git_branch, s.clean_shutdown
    FROM session_state AS s
    WHERE p_current_session IS NULL OR s.session_id <> p_current_session
    ORDER BY s.timestamp DESC, s.id DESC
    LIMIT 1
$$;
COMMENT ON FUNCTION get_last_session_state(varchar) IS 'The last sign of life of the latest session other than the running one; no row when there is none.';

CREATE FUNCTION check_crash_detected(p_current_session varchar DEFAULT NULL, p_threshold_ms bigint DEFAULT 120000) RETURNS boolean
    LANGUAGE sql STABLE AS $$
    SELECT coalesce((
        SELECT NOT s.clean_shutdown AND s.time_since_heartbeat_ms > p_threshold_ms
        FROM get_last_session_state(p_current_session) AS s), false)
$$;
COMMENT ON FUNCTION check_crash_detected(varchar, bigint) IS 'Whether the latest session other than the running one stopped beating for longer than the threshold without a clean end; false when there was none.';

CREATE FUNCTION cleanup_old_crash_data(p_days integer DEFAULT 180, p_batch integer DEFAULT 10000)
    RETURNS TABLE (crashes_deleted bigint, sessions_deleted bigint, pipelines_deleted bigint)
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_batch CONSTANT integer := require_batch(p_batch);
BEGIN
    DELETE FROM crash_log AS x WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM crash_log AS y
        WHERE y.timestamp < v_before AND y.recovery_success IS NOT NULL ORDER BY y.timestamp LIMIT v_batch));
    GET DIAGNOSTICS crashes_deleted = ROW_COUNT;
    DELETE FROM session_state AS x WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM session_state AS y WHERE y.timestamp < v_before ORDER BY y.timestamp LIMIT v_batch));
    GET DIAGNOSTICS sessions_deleted = ROW_COUNT;
    DELETE FROM dog_pipeline_state AS x WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM dog_pipeline_state AS y
        WHERE y.timestamp < v_before AND y.pending_dogs = '{}' ORDER BY y.timestamp LIMIT v_batch));
    GET DIAGNOSTICS pipelines_deleted = ROW_COUNT;
    RETURN NEXT;
END;
$$;
COMMENT ON FUNCTION cleanup_old_crash_data(integer, integer) IS 'Deletes crashes whose recovery has a result, heartbeats and finished pipelines older than p_days; at most p_batch a table and call. Returns how many of each; repeat until all are fewer.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE crash_log;
DROP TABLE loop_persistence_state;
DROP TABLE dog_pipeline_state;
DROP TABLE watcher_state;
DROP TABLE session_state;
DROP FUNCTION cleanup_old_crash_data;
DROP FUNCTION check_crash_detected;
DROP FUNCTION get_last_session_state;
