-- 050_learning_flow: from feedback to what the loops know
--
-- Feedback leaves a row in `ops_learning_queue`, in its own transaction; one learner at a time takes rows out and
-- folds them, in one transaction of its own. Rows are ordered by the transaction that wrote them and, within it, by
-- their id. An id alone is no such order: it is drawn before the commit, so a smaller one can become visible after a
-- larger one. A row is taken once every transaction as old as its writer has ended, so nothing can come before it
-- any more. Rows restored from another cluster carry numbers of that cluster; those beyond the numbers of this one
-- are ready at once. `feedback.applied` says whether an answer is in what was learned: once, whoever dies when.
--
-- The Q-table is a snapshot, and `td_error_tracker` the journal of what came after it. `get_live_q_table` gives the
-- two as one, exactly. Retention leaves alone what is still queued, and what the snapshot does not hold yet.
--
-- A judgment keeps its task type, so that whoever takes an answer back finds the state that it went into.
-- migrate:up

ALTER TABLE judgments ADD COLUMN task_type varchar;
COMMENT ON COLUMN judgments.task_type IS 'the kind of task it was judged for; with context and item type the state that Q-learning knows. NULL when not told';

CREATE TABLE ops_learning_queue (
    id bigserial PRIMARY KEY,
    signal_id text NOT NULL UNIQUE,
    written_by xid8 NOT NULL DEFAULT pg_current_xact_id()
);
COMMENT ON TABLE ops_learning_queue IS 'learning: signals that the loops have not seen yet; a learner takes rows out and folds them';
COMMENT ON COLUMN ops_learning_queue.written_by IS 'the transaction that wrote the row; taken once all as old as it have ended';

CREATE FUNCTION queue_learning() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ops_learning_queue (signal_id) VALUES (NEW.id);
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION queue_learning() IS 'Row trigger: leaves a signal that carries feedback to the learner; its condition spares all others the call.';
CREATE TRIGGER unified_signals_queue AFTER INSERT ON unified_signals
    FOR EACH ROW WHEN (NEW.source = 'user_feedback') EXECUTE FUNCTION queue_learning();

INSERT INTO ops_learning_queue (signal_id)
SELECT s.id FROM unified_signals AS s WHERE s.source = 'user_feedback' ORDER BY s.timestamp, s.id;

CREATE FUNCTION get_live_q_table(service_id varchar DEFAULT 'default') RETURNS jsonb
    LANGUAGE sql STABLE AS $$
    WITH snapshot AS (
        SELECT s.q_table, coalesce((s.q_table -> 'stats' ->> 'applied_td_id')::bigint, 0) AS mark
        FROM qlearning_state AS s
        WHERE s.service_id = get_live_q_table.service_id
    ), cell AS (
        SELECT t.state, t.action, max(t.id) AS newest, count(t.reward) AS times
        FROM snapshot AS b
        JOIN td_error_tracker AS t ON t.id > b.mark
        WHERE t.service_id = get_live_q_table.service_id AND t.current_q IS NOT NULL
        GROUP BY t.state, t.action
    ), patch AS (
        SELECT c.state, jsonb_object_agg(c.action, t.current_q) AS q,
               jsonb_object_agg(c.action, c.times + coalesce((b.q_table -> 'visits' -> c.state ->> c.action)::bigint, 0)) AS visits
        FROM cell AS c
        JOIN td_error_tracker AS t ON t.id = c.newest
        CROSS JOIN snapshot AS b
        GROUP BY c.state
    ), patched AS (
        SELECT coalesce(b.q_table -> 'table', '{}') || coalesce(jsonb_object_agg(
                   p.state, coalesce(b.q_table -> 'table' -> p.state, '{}') || p.q) FILTER (WHERE p.state IS NOT NULL), '{}') AS q,
               coalesce(b.q_table -> 'visits', '{}') || coalesce(jsonb_object_agg(
                   p.state, coalesce(b.q_table -> 'visits' -> p.state, '{}') || p.visits) FILTER (WHERE p.state IS NOT NULL), '{}') AS visits,
               coalesce(b.q_table -> 'stats', '{}') AS stats, b.mark
        FROM snapshot AS b
        LEFT JOIN patch AS p ON true
        GROUP BY b.q_table, b.mark
    )
    SELECT jsonb_build_object(
        'table', p.q,
        'visits', p.visits,
        'stats', p.stats || jsonb_build_object(
            'updates', coalesce((p.stats ->> 'updates')::bigint, 0) + (SELECT coalesce(sum(c.times), 0) FROM cell AS c)::bigint,
            'states', (SELECT count(*) FROM jsonb_object_keys(p.q)),
            'applied_td_id', greatest(p.mark, (SELECT max(c.newest) FROM cell AS c))))
    FROM patched AS p
$$;
COMMENT ON FUNCTION get_live_q_table(varchar) IS 'The Q-table of a service as it is now: the snapshot with the newest journal row of each cell above its mark. A row without a reward corrects a value and is no visit. NULL for an unknown service.';

CREATE OR REPLACE FUNCTION cleanup_unified_signals(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM unified_signals AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM unified_signals AS y
        WHERE y.timestamp < v_before AND NOT EXISTS (SELECT FROM ops_learning_queue AS q WHERE q.signal_id = y.id)
        ORDER BY y.timestamp
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_unified_signals(integer, integer) IS 'Deletes signals older than p_days that are not queued for learning; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

CREATE OR REPLACE FUNCTION cleanup_td_errors(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_marks CONSTANT jsonb := (
        SELECT coalesce(jsonb_object_agg(s.service_id, coalesce((s.q_table -> 'stats' ->> 'applied_td_id')::bigint, 0)), '{}')
        FROM qlearning_state AS s);
    v_rows bigint;
BEGIN
    DELETE FROM td_error_tracker AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM td_error_tracker AS y
        WHERE y.created_at < v_before
          AND (y.current_q IS NULL OR y.id <= coalesce((v_marks ->> y.service_id)::bigint, y.id))
        ORDER BY y.created_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_td_errors(integer, integer) IS 'Deletes temporal-difference errors older than p_days whose value the Q-table holds; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- What was learned goes, with its journal: going up again learns anew from the signals that are still kept. Task
-- types of judgments are lost.
CREATE OR REPLACE FUNCTION cleanup_td_errors(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM td_error_tracker AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM td_error_tracker AS y
        WHERE y.created_at < v_before
        ORDER BY y.created_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_td_errors(integer, integer) IS 'Deletes temporal-difference errors older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';
CREATE OR REPLACE FUNCTION cleanup_unified_signals(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM unified_signals AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM unified_signals AS y
        WHERE y.timestamp < v_before
        ORDER BY y.timestamp
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_unified_signals(integer, integer) IS 'Deletes signals older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';
DROP FUNCTION get_live_q_table;
DROP TRIGGER unified_signals_queue ON unified_signals;
DROP FUNCTION queue_learning;
DROP TABLE ops_learning_queue;
DELETE FROM loop_persistence_state WHERE loop_name IN ('thompson', 'dog-votes', 'calibration');
DELETE FROM td_error_tracker WHERE service_id = 'default' AND current_q IS NOT NULL;
DELETE FROM qlearning_episodes WHERE service_id = 'default' AND episode_id LIKE 'feedback:%';
UPDATE qlearning_state SET q_table = DEFAULT, stats = DEFAULT WHERE service_id = 'default';
UPDATE feedback SET applied = false WHERE applied;
ALTER TABLE judgments DROP COLUMN task_type;
