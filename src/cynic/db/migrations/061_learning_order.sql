-- 061_learning_order: the queue and the journal of learning are read from their ends
--
-- Rows of the queue are taken in the order of their writers, a few hundred at a time. Without an index in that order
-- each of these looks at all rows that wait, so that a backlog of n answers costs n².
--
-- The window over the TD errors is the end of the journal. Which rows of it count is known only once they are read,
-- so that a plan for the whole question may read the journal from its beginning; the function reads from the end until it
-- has enough.
--
-- Answers whose data could not be learned from are set aside, with an event that says why. Those that still count are shown, and
-- put back on request: one function says which they are.
-- migrate:up

CREATE INDEX idx_learning_queue_order ON ops_learning_queue (written_by, id);

CREATE FUNCTION get_newest_td_errors(p_service_id varchar, p_most integer) RETURNS SETOF double precision
    LANGUAGE plpgsql STABLE SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    v_reset bigint;
    v_top bigint;
    v_span bigint := 2 * p_most;
    v_found integer := 0;
    v_row record;
BEGIN
    SELECT coalesce((s.q_table -> 'stats' ->> 'reset_td_id')::bigint, 0) INTO v_reset
    FROM qlearning_state AS s
    WHERE s.service_id = p_service_id;
    -- Both are planned at each call: a plan from when the journal was short would read all of it.
    EXECUTE 'SELECT max(t.id) FROM td_error_tracker AS t' INTO v_top;
    WHILE v_top > v_reset AND v_found < p_most LOOP
        -- Between two ids the index is read, whatever the statistics say.
        FOR v_row IN
            SELECT t.td_error FROM td_error_tracker AS t
            WHERE t.id > greatest(v_reset, v_top - v_span) AND t.id <= v_top AND t.reward IS NOT NULL AND t.service_id || '' = p_service_id
            ORDER BY t.id DESC LIMIT p_most - v_found
        LOOP
            v_found := v_found + 1;
            RETURN NEXT v_row.td_error;
        END LOOP;
        v_top := v_top - v_span;
        v_span := 4 * v_span;
    END LOOP;
END;
$$;
COMMENT ON FUNCTION get_newest_td_errors(varchar, integer) IS 'The errors of the newest updates of Q-learning since its values last began anew, newest first; corrections, which have no reward, are none.';

CREATE FUNCTION get_answers_set_aside() RETURNS SETOF text
    LANGUAGE sql STABLE AS $$
    SELECT 'feedback:' || f.id
    FROM (SELECT DISTINCT s.id
          FROM learning_events AS e
          CROSS JOIN LATERAL jsonb_array_elements_text(e.metadata -> 'signalIds') AS s (id)
          WHERE e.loop_type = 'learning' AND e.event_type = 'failed'
            AND s.id ~ '^feedback:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$') AS a
    JOIN feedback AS f ON f.id = substr(a.id, 10)::uuid
    WHERE NOT f.applied AND f.superseded_at IS NULL
      AND NOT EXISTS (SELECT FROM ops_learning_queue AS q WHERE q.signal_id = a.id)
    ORDER BY f.created_at, f.id;
$$;
COMMENT ON FUNCTION get_answers_set_aside() IS 'The signals of answers that could not be learned from, still count, and do not wait to be tried again, the oldest first.';

-- migrate:down

DROP FUNCTION get_answers_set_aside();
DROP FUNCTION get_newest_td_errors(varchar, integer);
DROP INDEX idx_learning_queue_order;
