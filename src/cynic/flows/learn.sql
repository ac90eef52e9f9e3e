-- Learning from feedback. Each statement is part of one transaction that learn.py opens.

-- name: only_learner
-- Held to the end of the transaction; false when another learner is at it. One key for each schema and service.
SELECT pg_try_advisory_xact_lock(hashtextextended('cynic learner default of ' || current_schema(), 0));

-- name: wait_for_the_learner
-- The same lock, waited for.
SELECT pg_advisory_xact_lock(hashtextextended('cynic learner default of ' || current_schema(), 0));

-- name: take
-- The next rows in the order of their writers, out of the queue. Only rows that nothing can come before any more:
-- every transaction as old as their writer has ended, or their writer was one of another cluster. Nobody else deletes
-- here, so no row is skipped for being locked.
DELETE FROM ops_learning_queue AS q
WHERE q.id = ANY (ARRAY(
    SELECT o.id FROM ops_learning_queue AS o
    WHERE o.written_by < pg_snapshot_xmin(pg_current_snapshot()) OR o.written_by >= pg_snapshot_xmax(pg_current_snapshot())
    ORDER BY o.written_by >= pg_snapshot_xmax(pg_current_snapshot()) DESC, o.written_by, o.id
    LIMIT %(limit)s))
RETURNING q.signal_id, q.written_by >= pg_snapshot_xmax(pg_current_snapshot()), q.written_by::text::bigint, q.id;

-- name: due
-- Whether something waits to be learned, how many journal rows the snapshot does not hold, and since when.
SELECT EXISTS (SELECT FROM ops_learning_queue),
       coalesce((s.stats ->> 'unfolded')::bigint, 0), (s.stats ->> 'foldedAt')::timestamptz
FROM qlearning_state AS s
WHERE s.service_id = 'default';

-- name: events
-- What the signals are about, in the order given. The feedback may be gone with an erased user: then there is no row
-- for its signal. A signal that somebody else wrote has no feedback either.
SELECT s.id, f.id, f.outcome, f.applied, j.judgment_id, j.verdict, j.query_type, j.task_type, j.item_type,
       former.id, former.outcome, former.applied,
       (SELECT jsonb_agg(jsonb_build_array(v.dog_name, v.vote_score) ORDER BY v.id)
        FROM dog_votes AS v WHERE v.item_id = j.judgment_id)
FROM unnest(%(ids)s::text[]) WITH ORDINALITY AS g (id, place)
JOIN unified_signals AS s ON s.id = g.id
JOIN feedback AS f
  ON f.id = CASE WHEN s.id ~ '^feedback:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN substr(s.id, 10)::uuid END
JOIN judgments AS j ON j.judgment_id = f.judgment_id
LEFT JOIN feedback AS former
  ON former.judgment_id = f.judgment_id
 AND former.id = CASE WHEN s.metadata ->> 'supersedes' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                      THEN (s.metadata ->> 'supersedes')::uuid END
ORDER BY g.place;

-- name: make_state
INSERT INTO qlearning_state (service_id) VALUES ('default') ON CONFLICT (service_id) DO NOTHING;

-- name: state
SELECT get_live_q_table('default'), s.stats FROM qlearning_state AS s WHERE s.service_id = 'default';

-- name: window
-- The newest TD errors, newest first; corrections have no reward and are no errors of an update.
SELECT t.td_error FROM td_error_tracker AS t
WHERE t.service_id = 'default' AND t.reward IS NOT NULL
ORDER BY t.id DESC
LIMIT %(limit)s;

-- name: loops
-- The states that a batch touches.
SELECT l.loop_name, l.state_type, l.weights
FROM loop_persistence_state AS l
JOIN jsonb_to_recordset(%(keys)s) AS g (loop text, state text) ON g.loop = l.loop_name AND g.state = l.state_type;

-- name: save_loops
INSERT INTO loop_persistence_state AS l (loop_name, state_type, weights, episode_count, timestamp)
SELECT g.loop, g.state, g.weights, g.answers, %(now)s
FROM jsonb_to_recordset(%(loops)s) AS g (loop text, state text, weights jsonb, answers integer)
ORDER BY g.loop, g.state
ON CONFLICT (loop_name, state_type) DO UPDATE
SET weights = excluded.weights, episode_count = l.episode_count + excluded.episode_count, timestamp = excluded.timestamp;

-- name: journal
-- In the order of the updates, so that ids grow with them.
INSERT INTO td_error_tracker (state, action, td_error, rolling_avg_td_error, is_converged, current_q, target, reward, created_at)
SELECT g.item ->> 0, g.item ->> 1, (g.item ->> 2)::double precision, (g.item ->> 3)::double precision, (g.item ->> 4)::boolean,
       (g.item ->> 5)::double precision, (g.item ->> 6)::double precision, (g.item ->> 7)::double precision, %(now)s
FROM jsonb_array_elements(%(rows)s) WITH ORDINALITY AS g (item, place)
ORDER BY g.place;

-- name: episodes
-- One for each answer that counts. The contract keeps the newest 1000.
INSERT INTO qlearning_episodes (episode_id, features, task_type, actions, outcome, reward, created_at)
SELECT g.episode_id, ARRAY(SELECT jsonb_array_elements_text(g.features)), g.task_type, g.actions, g.outcome, g.reward, %(now)s
FROM jsonb_to_recordset(%(episodes)s) AS g (episode_id text, features jsonb, task_type text, actions jsonb, outcome jsonb, reward numeric)
ON CONFLICT (episode_id) DO NOTHING;

-- name: drop_episodes
-- Of answers that were taken back.
DELETE FROM qlearning_episodes AS e WHERE e.episode_id = ANY (%(ids)s);

-- name: log
INSERT INTO learning_events (loop_type, event_type, judgment_id, feedback_value, action_taken, weight_delta, metadata, timestamp)
SELECT g.item ->> 'loop', g.item ->> 'event', g.item ->> 'judgment_id', (g.item ->> 'value')::numeric, g.item ->> 'action',
       (g.item ->> 'delta')::numeric, g.item -> 'metadata', %(now)s
FROM jsonb_array_elements(%(events)s) WITH ORDINALITY AS g (item, place)
ORDER BY g.place;

-- name: mark
-- Which answers are in what was learned.
UPDATE feedback AS f SET applied = f.id = ANY (%(applied)s::uuid[])
WHERE f.id = ANY (%(applied)s::uuid[]) OR f.id = ANY (%(taken_back)s::uuid[]);

-- name: count
UPDATE qlearning_state SET stats = stats || %(stats)s::jsonb WHERE service_id = 'default';

-- name: fold
-- The snapshot takes in the journal. Everything up to the mark may be pruned from then on.
UPDATE qlearning_state AS s
SET q_table = jsonb_set(get_live_q_table('default'), '{stats,folded_at}', to_jsonb(%(now)s::timestamptz)),
    stats = s.stats || jsonb_build_object('unfolded', 0, 'foldedAt', %(now)s::timestamptz)
WHERE s.service_id = 'default' AND (s.stats ->> 'unfolded')::bigint > 0;

-- name: task
-- That a pass was made, and with which result.
INSERT INTO background_tasks (task_id, task_type, task_name, status, success_count, error_count, started_at, completed_at)
VALUES (%(id)s, 'learning', 'learn', 'completed', %(learned)s, %(skipped)s, %(started)s, %(now)s);
