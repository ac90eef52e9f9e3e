-- What the learning loops know. Each statement is part of one transaction that flows/learn.py opens.

-- name: make_state
INSERT INTO qlearning_state (service_id) VALUES ('default') ON CONFLICT (service_id) DO NOTHING;

-- name: counts
SELECT s.stats FROM qlearning_state AS s WHERE s.service_id = 'default';

-- name: count
UPDATE qlearning_state SET stats = stats || %(stats)s::jsonb WHERE service_id = 'default';

-- name: q_learning
-- The table as it is now, what watches over it, and what was consolidated of it.
SELECT get_live_q_table('default'), s.stats -> 'router', s.consolidated_q_table, s.fisher_matrix, s.ewc_lambda::double precision,
       (SELECT l.weights FROM loop_persistence_state AS l WHERE l.loop_name = 'ewc' AND l.state_type = 'consolidated')
FROM qlearning_state AS s
WHERE s.service_id = 'default';

-- name: gradients
-- What was summed up since the last consolidation, with what the journal has beyond the snapshot.
SELECT g.state_key, g.action, sum(g.total), sum(g.squares), sum(g.updates)::bigint
FROM (
    SELECT x.state_key, x.action, x.gradient_sum, x.gradient_sq_sum, x.update_count
    FROM qlearning_fisher_gradients AS x
    WHERE x.service_id = 'default' AND x.update_count > 0
    UNION ALL
    SELECT t.state, t.action, -t.td_error::numeric, (t.td_error * t.td_error)::numeric, 1
    FROM td_error_tracker AS t
    WHERE t.service_id || '' = 'default' AND t.reward IS NOT NULL AND t.id < 9223372036854775807
      AND t.id > coalesce((SELECT (s.q_table -> 'stats' ->> 'applied_td_id')::bigint
                           FROM qlearning_state AS s WHERE s.service_id = 'default'), 0)
) AS g (state_key, action, total, squares, updates)
GROUP BY g.state_key, g.action
ORDER BY g.state_key, g.action;

-- name: window
-- The newest TD errors since the table last started anew, newest first.
SELECT e.td_error FROM get_newest_td_errors('default', %(limit)s::integer) AS e (td_error);

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
COPY td_error_tracker (state, action, td_error, rolling_avg_td_error, is_converged, is_drift, current_q, target, reward, learned_as,
                       created_at)
FROM STDIN;

-- name: start_anew
-- A drift: the table is empty after the journal rows that were written so far, and nothing holds a value any more.
UPDATE qlearning_state AS s
SET q_table = jsonb_build_object(
        'table', '{}'::jsonb, 'visits', '{}'::jsonb,
        'stats', jsonb_build_object('updates', 0, 'states', 0, 'applied_td_id', t.newest, 'reset_td_id', t.newest,
                                    'folded_at', %(now)s::timestamptz)),
    consolidated_q_table = NULL, fisher_matrix = '{}'
FROM (SELECT max(x.id) AS newest FROM td_error_tracker AS x WHERE x.service_id = 'default') AS t
WHERE s.service_id = 'default';

-- name: drop_gradients
DELETE FROM qlearning_fisher_gradients AS g WHERE g.service_id = 'default';

-- name: drop_locks
DELETE FROM loop_persistence_state AS l WHERE l.loop_name = 'ewc' AND l.state_type = 'consolidated';

-- name: unprotect_tasks
UPDATE qlearning_tasks AS t SET consolidated = false WHERE t.service_id = 'default' AND t.consolidated;

-- name: count_tasks
-- How many episodes each kind of task has, and their mean reward; rewards are halves, so that the sum is found exactly.
INSERT INTO qlearning_tasks AS t (task_id, task_type, episodes_count, avg_reward)
SELECT g.kind, g.kind, g.episodes, g.rewards / nullif(g.episodes, 0)
FROM jsonb_to_recordset(%(tasks)s) AS g (kind text, episodes integer, rewards numeric)
ORDER BY g.kind
ON CONFLICT (task_id) DO UPDATE
SET episodes_count = t.episodes_count + excluded.episodes_count,
    avg_reward = (
        SELECT (round(2 * coalesce(t.avg_reward, 0) * t.episodes_count) / 2 + g.rewards)
               / nullif(t.episodes_count + g.episodes, 0)
        FROM jsonb_to_recordset(%(tasks)s) AS g (kind text, episodes integer, rewards numeric)
        WHERE g.kind = t.task_id);

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
