-- 063_learning_sessions: every call of a tool is looked at once, and what is asked for all the time stays quick
--
-- Meta-cognition looks at calls of tools once they have ended. A mark over their ids passed over what became visible
-- behind it: ids are drawn before the commit, and a call that was under way when the mark went by ends later. So whatever
-- stores a call that has ended, or ends one, leaves its id in `ops_call_queue`, in the same transaction; a learning cycle takes
-- ids out, and looks at those calls, in one transaction of its own. What is not visible yet waits for nobody and holds up nobody:
-- it is taken when it is there. The queue is only appended to, so that no writer waits for another or for the learner.
-- Calls without a session are in no sequence, and are left out until they have one.
--
-- What meta-cognition knows of a session is a row of its own now, so that a cycle reads and writes the sessions that did
-- something, not all of them.
--
-- Indexes: for the newest decisions and added dimensions, for what is open (anomalies, frictions, lessons, locked
-- patterns), and for the last run of a task, of which a growing history was read each time.
-- migrate:up

CREATE TABLE ops_call_queue (
    usage_id bigint NOT NULL,
    id bigserial NOT NULL,
    is_first boolean NOT NULL,
    PRIMARY KEY (usage_id, id)
);
COMMENT ON TABLE ops_call_queue IS 'learning: calls of tools that meta-cognition has not looked at since they ended or were told otherwise';
COMMENT ON COLUMN ops_call_queue.usage_id IS 'the row of tool_usage; no key refers to it, so that storing a call is no dearer: a call that goes takes its rows along';
COMMENT ON COLUMN ops_call_queue.is_first IS 'whether it has only now ended in a session; else what is known of it has changed';

CREATE FUNCTION queue_calls() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO ops_call_queue (usage_id, is_first)
        SELECT n.id, true FROM new_rows AS n WHERE n.status <> 'pending' AND n.session_id IS NOT NULL;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO ops_call_queue (usage_id, is_first)
        SELECT n.id, o.status = 'pending' OR o.session_id IS NULL
        FROM new_rows AS n
        JOIN old_rows AS o ON o.id = n.id
        WHERE n.status <> 'pending' AND n.session_id IS NOT NULL
          AND (n.status <> o.status OR n.tool_name <> o.tool_name OR o.session_id IS NULL);
    ELSE
        -- What the learner holds it takes out itself. Planned at each call: a plan from when nothing waited reads all that waits.
        EXECUTE 'DELETE FROM ops_call_queue AS q
                 WHERE q.ctid = ANY (ARRAY(
                     SELECT x.ctid FROM ops_call_queue AS x
                     WHERE x.usage_id = ANY (ARRAY(SELECT o.id FROM old_rows AS o))
                     FOR UPDATE SKIP LOCKED))';
    END IF;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION queue_calls() IS 'Statement trigger: leaves calls of tools that have ended in a session to meta-cognition, and those that were told otherwise since; takes those out that are deleted.';
CREATE TRIGGER tool_usage_queue_insert AFTER INSERT ON tool_usage
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION queue_calls();
CREATE TRIGGER tool_usage_queue_update AFTER UPDATE ON tool_usage
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION queue_calls();
CREATE TRIGGER tool_usage_queue_delete AFTER DELETE ON tool_usage
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION queue_calls();

-- What the mark has not reached.
INSERT INTO ops_call_queue (usage_id, is_first)
SELECT t.id, true FROM tool_usage AS t
WHERE t.status <> 'pending' AND t.session_id IS NOT NULL
  AND t.id > coalesce((SELECT (l.weights ->> 'mark')::bigint FROM loop_persistence_state AS l
                       WHERE l.loop_name = 'meta-cognition' AND l.state_type = 'default'), 0)
ORDER BY t.id;

INSERT INTO loop_persistence_state (loop_name, state_type, weights, timestamp)
SELECT l.loop_name, s.key, s.value, l.timestamp
FROM loop_persistence_state AS l
CROSS JOIN LATERAL jsonb_each(coalesce(l.weights -> 'hindered', '{}') || (l.weights -> 'sessions')) AS s (key, value)
WHERE l.loop_name = 'meta-cognition' AND l.state_type = 'default';
UPDATE loop_persistence_state AS l SET weights = l.weights - ARRAY['sessions', 'hindered', 'mark']
WHERE l.loop_name = 'meta-cognition' AND l.state_type = 'default';

CREATE INDEX idx_dimension_governance_log_logged ON dimension_governance_log (logged_at DESC, id DESC);
CREATE INDEX idx_discovered_dimensions_added ON discovered_dimensions (discovered_at DESC, name) WHERE metadata ? 'candidate';
CREATE INDEX idx_discovered_dimensions_active ON discovered_dimensions (id) WHERE metadata ->> 'status' = 'active';
CREATE INDEX idx_residual_anomalies_severity ON residual_anomalies (severity);
CREATE INDEX idx_anomalies_open ON anomalies (created_at) WHERE NOT resolved AND NOT acknowledged;
CREATE INDEX idx_frictions_open ON frictions (id) WHERE NOT resolved;
CREATE INDEX idx_lessons_learned_impact ON lessons_learned (impact_score DESC, lesson_id) WHERE impact_score > 0;
CREATE INDEX idx_patterns_locked ON patterns (pattern_id) WHERE consolidation_locked;
CREATE INDEX idx_background_tasks_name ON background_tasks (task_name, started_at DESC);

-- migrate:down

DROP INDEX idx_background_tasks_name;
DROP INDEX idx_patterns_locked;
DROP INDEX idx_lessons_learned_impact;
DROP INDEX idx_frictions_open;
DROP INDEX idx_anomalies_open;
DROP INDEX idx_residual_anomalies_severity;
DROP INDEX idx_discovered_dimensions_active;
DROP INDEX idx_discovered_dimensions_added;
DROP INDEX idx_dimension_governance_log_logged;

-- The mark goes to the first call that waits, so that those after it may be looked at again; what was counted of states is lost.
UPDATE loop_persistence_state AS l
SET weights = (l.weights - ARRAY['met', 'seen']) || jsonb_build_object(
        'mark', coalesce((SELECT min(q.usage_id) - 1 FROM ops_call_queue AS q), (SELECT max(t.id) FROM tool_usage AS t), 0),
        'sessions', (SELECT coalesce(jsonb_object_agg(s.state_type, s.weights), '{}') FROM loop_persistence_state AS s
                     WHERE s.loop_name = 'meta-cognition' AND s.state_type <> 'default'))
WHERE l.loop_name = 'meta-cognition' AND l.state_type = 'default';
DELETE FROM loop_persistence_state WHERE loop_name = 'meta-cognition' AND state_type <> 'default';
-- What the loops keep beside it since, as the code before this migration reads it.
UPDATE loop_persistence_state AS l SET weights = l.weights - ARRAY['answers', 'outcomes', 'seen'] WHERE l.loop_name = 'behavior';
INSERT INTO loop_persistence_state (loop_name, state_type, weights)
SELECT 'ewc', 'forgetting', jsonb_object_agg(l.state_type, l.weights) FROM loop_persistence_state AS l
WHERE l.loop_name = 'ewc-tasks'
HAVING count(*) > 0
ON CONFLICT (loop_name, state_type) DO UPDATE SET weights = excluded.weights;
DELETE FROM loop_persistence_state WHERE loop_name = 'ewc-tasks' OR (loop_name = 'ewc' AND state_type = 'transfer');
DROP TRIGGER tool_usage_queue_delete ON tool_usage;
DROP TRIGGER tool_usage_queue_update ON tool_usage;
DROP TRIGGER tool_usage_queue_insert ON tool_usage;
DROP FUNCTION queue_calls;
DROP TABLE ops_call_queue;
