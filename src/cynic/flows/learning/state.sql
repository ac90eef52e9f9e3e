-- What the learning loops know. Each statement is part of one transaction that flows/learn.py opens.

-- name: make_state
INSERT INTO qlearning_state (service_id) VALUES ('default') ON CONFLICT (service_id) DO NOTHING;

-- name: counts
SELECT s.stats FROM qlearning_state AS s WHERE s.service_id = 'default';

-- name: count
UPDATE qlearning_state SET stats = stats || %(stats)s::jsonb WHERE service_id = 'default';

-- name: table
SELECT get_live_q_table('default');

-- name: window
-- The newest TD errors, newest first; corrections have no reward and are no errors of an update.
SELECT t.td_error FROM td_error_tracker AS t
WHERE t.service_id = 'default' AND t.reward IS NOT NULL
ORDER BY t.id DESC
LIMIT %(limit)s;

-- name: loops
-- What some loops know in some states.
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
COPY td_error_tracker (state, action, td_error, rolling_avg_td_error, is_converged, current_q, target, reward, created_at) FROM STDIN;

-- name: log
-- What the loops did, in that order.
COPY learning_events (loop_type, event_type, judgment_id, feedback_value, action_taken, weight_delta, metadata, timestamp) FROM STDIN;

-- name: episodes
-- One for each answer that counts. The contract keeps the newest 1000.
INSERT INTO qlearning_episodes (episode_id, features, task_type, actions, outcome, reward, created_at)
SELECT g.episode_id, ARRAY(SELECT jsonb_array_elements_text(g.features)), g.task_type, g.actions, g.outcome, g.reward, %(now)s
FROM jsonb_to_recordset(%(episodes)s) AS g (episode_id text, features jsonb, task_type text, actions jsonb, outcome jsonb, reward numeric)
ON CONFLICT (episode_id) DO NOTHING;

-- name: drop_episodes
-- Of answers that were taken back.
DELETE FROM qlearning_episodes AS e WHERE e.episode_id = ANY (%(ids)s);

-- name: mark
-- Which answers are in what was learned, and as which; those that were taken back keep their places.
WITH folded AS (
    SELECT g.id, g.place FROM unnest(%(ids)s::uuid[], %(places)s::bigint[]) AS g (id, place)
), back AS (
    SELECT t.id FROM unnest(%(taken_back)s::uuid[]) AS t (id)
), all_of_them AS (
    SELECT coalesce(g.id, t.id) AS id, g.place, t.id IS NULL AS applied FROM folded AS g FULL JOIN back AS t ON t.id = g.id
)
UPDATE feedback AS f SET applied = a.applied, learned_as = coalesce(a.place, f.learned_as)
FROM all_of_them AS a
WHERE f.id = a.id;
