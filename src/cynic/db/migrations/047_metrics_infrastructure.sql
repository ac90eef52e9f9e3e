-- 047_metrics_infrastructure: maturity of the loops, use of the routers, progress of a week
--
-- Four parts say how mature a learning loop is. A router leaves a row for each decision; the unified router
-- delegates and leaves none of its own. Costs gain the kind and the complexity of their task.
--
-- `get_week1_progress` holds a week against five goals, each counted where it really happens; the week begins
-- seven days ago unless a day is given. `get_learning_velocity` compares the latest batch of decisions that
-- have feedback with the batch before.
-- migrate:up

CREATE TABLE learning_maturity (
    id bigserial PRIMARY KEY,
    loop_name varchar NOT NULL,
    maturity numeric NOT NULL CHECK (maturity >= 0 AND maturity <= 1),
    data_coverage numeric CHECK (data_coverage >= 0 AND data_coverage <= 1),
    convergence numeric CHECK (convergence >= 0 AND convergence <= 1),
    accuracy numeric CHECK (accuracy >= 0 AND accuracy <= 1),
    adaptability numeric CHECK (adaptability >= 0 AND adaptability <= 1),
    timestamp timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_learning_maturity_loop ON learning_maturity (loop_name, timestamp DESC);

COMMENT ON TABLE learning_maturity IS 'memory: how mature each learning loop is, in four parts';
COMMENT ON COLUMN learning_maturity.maturity IS '[0, 1]';

CREATE TABLE router_usage (
    id bigserial PRIMARY KEY,
    router_type varchar NOT NULL CHECK (router_type IN ('kabbalistic', 'llm', 'fast')),
    decision_id varchar,
    input_features jsonb NOT NULL DEFAULT '{}',
    output_route varchar,
    confidence numeric CHECK (confidence >= 0 AND confidence <= 0.618),
    timestamp timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_router_usage_router ON router_usage (router_type, timestamp DESC);

COMMENT ON TABLE router_usage IS 'memory: each decision of a router, with its input and output';
COMMENT ON COLUMN router_usage.confidence IS 'φ-bounded: 0.618 times a probability';

ALTER TABLE cost_ledger
    ADD COLUMN task_type varchar,
    ADD COLUMN task_complexity varchar CHECK (task_complexity IN ('simple', 'moderate', 'complex'));
COMMENT ON COLUMN cost_ledger.task_complexity IS 'NULL when nobody said';

CREATE FUNCTION get_learning_velocity(p_batch integer DEFAULT 100)
    RETURNS TABLE (current_batch bigint, current_accuracy numeric, previous_accuracy numeric, improvement numeric, velocity_pct numeric)
    LANGUAGE sql STABLE AS $$
    WITH known AS (
        SELECT r.correct, row_number() OVER (ORDER BY r.id DESC) - 1 AS age, count(*) OVER () AS total
        FROM routing_accuracy AS r
        WHERE r.correct IS NOT NULL
    ), batches AS (
        SELECT max(k.total) / require_batch(p_batch) AS whole,
               CASE WHEN max(k.total) >= p_batch THEN avg(k.correct::integer) FILTER (WHERE k.age < p_batch) END AS latest,
               CASE WHEN max(k.total) >= 2 * p_batch::bigint
                    THEN avg(k.correct::integer) FILTER (WHERE k.age BETWEEN p_batch AND 2 * p_batch::bigint - 1) END AS former
        FROM known AS k
    )
    SELECT coalesce(b.whole, 0), b.latest, b.former, b.latest - b.former, 100 * (b.latest - b.former) / nullif(b.former, 0)
    FROM batches AS b
$$;
COMMENT ON FUNCTION get_learning_velocity(integer) IS 'Accuracy of the latest p_batch routing decisions with feedback against the p_batch before; NULL while there are too few.';

CREATE FUNCTION get_week1_progress(p_start timestamptz DEFAULT NULL)
    RETURNS TABLE (goal text, target numeric, actual numeric, status text, pass boolean)
    LANGUAGE sql STABLE AS $$
    WITH week AS (
        SELECT coalesce(p_start, now() - interval '7 days') AS since, coalesce(p_start + interval '7 days', now()) AS until
    ), goals (place, goal, target, actual) AS (
        SELECT 1, 'G1.1 watchers polling', 3::numeric,
               (SELECT count(DISTINCT h.watcher_name) FROM watcher_heartbeats AS h, week AS w
                WHERE h.timestamp >= w.until - interval '1 hour' AND h.timestamp <= w.until)
        UNION ALL
        SELECT 2, 'G1.2 learning loops', 5,
               (SELECT count(DISTINCT e.loop_type) FROM learning_events AS e, week AS w
                WHERE e.timestamp >= w.since AND e.timestamp <= w.until)
        UNION ALL
        SELECT 3, 'G1.3 Q updates a day', 10,
               (SELECT round(count(*) / 7.0, 2) FROM td_error_tracker AS t, week AS w
                WHERE t.created_at >= w.since AND t.created_at <= w.until)
        UNION ALL
        SELECT 4, 'G1.4 kabbalistic router calls', 20,
               (SELECT count(*) FROM router_usage AS r, week AS w
                WHERE r.router_type = 'kabbalistic' AND r.timestamp >= w.since AND r.timestamp <= w.until)
        UNION ALL
        SELECT 5, 'G1.5 calls of other models', 10,
               (SELECT count(*) FROM llm_usage AS l, week AS w
                WHERE l.adapter <> 'anthropic' AND l.created_at >= w.since AND l.created_at <= w.until)
    )
    SELECT g.goal, g.target, g.actual, CASE WHEN g.actual >= g.target THEN 'pass' ELSE 'pending' END, g.actual >= g.target
    FROM goals AS g
    ORDER BY g.place
$$;
COMMENT ON FUNCTION get_week1_progress(timestamptz) IS 'Five goals of a week, each with its target and what was reached; the week begins at p_start, or seven days ago. The week passes with four.';

-- migrate:down

-- The tables go, and the rows in them.
ALTER TABLE cost_ledger DROP COLUMN task_complexity, DROP COLUMN task_type;
DROP TABLE router_usage;
DROP TABLE learning_maturity;
DROP FUNCTION get_week1_progress;
DROP FUNCTION get_learning_velocity;
