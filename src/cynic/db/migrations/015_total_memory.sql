-- 015_total_memory: what is remembered and what is worked on: memories, decisions, lessons, goals, tasks, notifications
--
-- Tasks are a queue in a table: `claim_autonomous_tasks` takes pending ones with their locks skipped, so two
-- workers never take the same, and a task whose dependencies are not completed waits. A task belongs to a
-- goal, the log to a task; neither goes while something points at it. The extension for embeddings is
-- installed here, where memory begins; it is never dropped again, since others in the database may use it.
-- migrate:up

CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE conversation_memories (
    id bigserial PRIMARY KEY,
    session_id varchar NOT NULL,
    memory text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_conversation_memories_session ON conversation_memories (session_id, created_at DESC);

COMMENT ON TABLE conversation_memories IS 'memory: what is worth remembering of a conversation';

CREATE TABLE architectural_decisions (
    id bigserial PRIMARY KEY,
    decision_id varchar NOT NULL UNIQUE,
    category varchar NOT NULL,
    title text NOT NULL,
    context text,
    decision text NOT NULL,
    rationale text,
    decided_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_architectural_decisions_category ON architectural_decisions (category);

COMMENT ON TABLE architectural_decisions IS 'memory: decisions with their context and rationale';

CREATE TABLE lessons_learned (
    id bigserial PRIMARY KEY,
    lesson_id varchar NOT NULL UNIQUE,
    category varchar NOT NULL,
    lesson text NOT NULL,
    context text,
    impact_score integer CHECK (impact_score >= 0 AND impact_score <= 100),
    learned_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_lessons_learned_category ON lessons_learned (category);

COMMENT ON TABLE lessons_learned IS 'memory: lessons with their impact';

CREATE TABLE autonomous_goals (
    id bigserial PRIMARY KEY,
    goal_id varchar NOT NULL UNIQUE,
    description text NOT NULL,
    status varchar NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'completed', 'abandoned')),
    success_criteria jsonb NOT NULL DEFAULT '{}',
    progress numeric NOT NULL DEFAULT 0 CHECK (progress >= 0 AND progress <= 1),
    created_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz
);

CREATE INDEX idx_autonomous_goals_status ON autonomous_goals (status);

COMMENT ON TABLE autonomous_goals IS 'orchestration: what the pack works towards by itself';

CREATE TABLE autonomous_tasks (
    id bigserial PRIMARY KEY,
    task_id varchar NOT NULL UNIQUE,
    goal_id varchar REFERENCES autonomous_goals (goal_id) ON DELETE RESTRICT,
    description text NOT NULL,
    status varchar NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'in_progress', 'completed', 'failed')),
    dependencies jsonb NOT NULL DEFAULT '[]',
    result jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz
);

CREATE INDEX idx_autonomous_tasks_goal ON autonomous_tasks (goal_id);
CREATE INDEX idx_autonomous_tasks_pending ON autonomous_tasks (created_at, id) WHERE status = 'pending';

COMMENT ON TABLE autonomous_tasks IS 'orchestration: the tasks of a goal: a queue claimed row by row';

CREATE TABLE proactive_notifications (
    id bigserial PRIMARY KEY,
    notification_type varchar NOT NULL,
    message text NOT NULL,
    read boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_proactive_notifications_created ON proactive_notifications (created_at);

COMMENT ON TABLE proactive_notifications IS 'memory: what the pack has to say unasked';

ALTER TABLE orchestration_log ADD CONSTRAINT orchestration_log_task_id_fkey
    FOREIGN KEY (task_id) REFERENCES autonomous_tasks (task_id) ON DELETE RESTRICT;

CREATE FUNCTION claim_autonomous_tasks(p_limit integer DEFAULT 1) RETURNS TABLE (task_id varchar, goal_id varchar, description text)
    LANGUAGE sql AS $$
    UPDATE autonomous_tasks AS t
    SET status = 'in_progress'
    WHERE t.id IN (
        SELECT c.id FROM autonomous_tasks AS c
        WHERE c.status = 'pending'
          AND NOT EXISTS (
              SELECT FROM jsonb_array_elements_text(
                  CASE jsonb_typeof(c.dependencies) WHEN 'array' THEN c.dependencies ELSE '[]' END) AS d (needed)
              LEFT JOIN autonomous_tasks AS n ON n.task_id = d.needed
              WHERE n.status IS DISTINCT FROM 'completed')
        ORDER BY c.created_at, c.id
        LIMIT require_batch(p_limit)
        FOR UPDATE SKIP LOCKED)
    RETURNING t.task_id, t.goal_id, t.description
$$;
COMMENT ON FUNCTION claim_autonomous_tasks(integer) IS 'Takes up to p_limit pending tasks whose dependencies are completed, oldest first; no two sessions take the same.';

CREATE FUNCTION update_goal_progress(p_goal_id text, p_progress numeric) RETURNS boolean
    LANGUAGE sql AS $$
    UPDATE autonomous_goals AS g
    SET progress = p_progress,
        status = CASE WHEN p_progress >= 1 THEN 'completed' ELSE g.status END,
        completed_at = CASE WHEN p_progress >= 1 THEN now() ELSE g.completed_at END
    WHERE g.goal_id = p_goal_id AND g.status = 'active'
    RETURNING true
$$;
COMMENT ON FUNCTION update_goal_progress(text, numeric) IS 'Sets the progress of an active goal, [0, 1]; 1 completes it. NULL when there is no such active goal.';

CREATE FUNCTION cleanup_autonomous_tasks(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM autonomous_tasks AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM autonomous_tasks AS y
        WHERE coalesce(y.completed_at, y.created_at) < v_before AND y.status IN ('completed', 'failed') AND NOT EXISTS (SELECT FROM orchestration_log AS l WHERE l.task_id = y.task_id)
        ORDER BY coalesce(y.completed_at, y.created_at)
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_autonomous_tasks(integer, integer) IS 'Deletes tasks that ended more than p_days ago and that no log entry names; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';
CREATE FUNCTION cleanup_notifications(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM proactive_notifications AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM proactive_notifications AS y
        WHERE y.created_at < v_before AND y.read
        ORDER BY y.created_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_notifications(integer, integer) IS 'Deletes notifications that were read and are older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- The tables go, and the rows in them.
ALTER TABLE orchestration_log DROP CONSTRAINT orchestration_log_task_id_fkey;
DROP TABLE proactive_notifications;
DROP TABLE autonomous_tasks;
DROP TABLE autonomous_goals;
DROP TABLE lessons_learned;
DROP TABLE architectural_decisions;
DROP TABLE conversation_memories;
DROP FUNCTION cleanup_notifications;
DROP FUNCTION cleanup_autonomous_tasks;
DROP FUNCTION update_goal_progress;
DROP FUNCTION claim_autonomous_tasks;
