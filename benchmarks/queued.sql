-- Judgments of the pack with feedback that waits to be learned, made in the server. Numbers come from hashes: the same each time.

-- name: judgments
-- 36 dimensions each; contexts, kinds of task and of item in turn.
INSERT INTO judgments (judgment_id, item_type, item_content, item_hash, q_score, confidence, verdict, axiom_scores, dimension_scores,
                       query_type, task_type)
SELECT %(name)s || n, 'kind-' || n %% 3, 'x = ' || n, md5(n::text), (n * 7919) %% 10001 / 100.0, 0.4,
       CASE WHEN (n * 7919) %% 10001 >= 5000 THEN 'WAG' ELSE 'BARK' END, '{}',
       (SELECT jsonb_object_agg('DIMENSION_' || d, (n * d * 31) %% 101) FROM generate_series(1, 36) AS d),
       'context-' || n %% 5, 'task-' || n %% 4
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n;

-- name: votes
-- The first so many dogs; each passes an item more often when the judgment does.
INSERT INTO dog_votes (dog_name, item_type, item_id, vote_score, confidence)
SELECT d.dog, j.item_type, j.judgment_id,
       CASE WHEN (abs(hashtextextended(j.judgment_id || d.dog, 0)) %% 100 < 60 + 3 * d.place) = (j.verdict = 'WAG')
            THEN 0.9 ELSE 0.1 END, 0.4
FROM judgments AS j
CROSS JOIN unnest(%(dogs)s::text[]) WITH ORDINALITY AS d (dog, place)
WHERE j.judgment_id LIKE %(name)s || '%%'
ORDER BY j.created_at, j.id, d.place;

-- name: people
INSERT INTO users (username) SELECT 'person-' || n FROM generate_series(1, %(people)s::integer) AS n
ON CONFLICT DO NOTHING;

-- name: answers
-- Every person answers every judgment: correct three times in four.
WITH said AS (
    INSERT INTO feedback (id, judgment_id, user_id, outcome)
    SELECT new_uuid(), j.judgment_id, u.id,
           CASE abs(hashtextextended(j.judgment_id || u.username, 1)) %% 20
               WHEN 0 THEN 'partial' WHEN 1 THEN 'incorrect' WHEN 2 THEN 'incorrect' WHEN 3 THEN 'incorrect' WHEN 4 THEN 'incorrect'
               ELSE 'correct' END
    FROM users AS u
    CROSS JOIN judgments AS j
    WHERE u.username LIKE 'person-%%' AND j.judgment_id LIKE %(name)s || '%%'
    ORDER BY u.username, j.created_at, j.id
    RETURNING id, judgment_id
)
INSERT INTO unified_signals (id, source, judgment)
SELECT 'feedback:' || s.id, 'user_feedback', jsonb_build_object('judgmentId', s.judgment_id) FROM said AS s;

-- name: journal
-- The limit: the rows that learning wrote, and nothing else.
COPY td_error_tracker (state, action, td_error, rolling_avg_td_error, is_converged, is_drift, current_q, target, reward, learned_as,
                       created_at)
FROM STDIN;

-- name: journaled
SELECT t.state, t.action, t.td_error, t.rolling_avg_td_error, t.is_converged, t.is_drift, t.current_q, t.target, t.reward, t.learned_as,
       t.created_at
FROM td_error_tracker AS t
ORDER BY t.id;

-- name: events
COPY learning_events (loop_type, event_type, judgment_id, feedback_value, action_taken, weight_delta, metadata, timestamp) FROM STDIN;

-- name: logged
SELECT e.loop_type, e.event_type, e.judgment_id, e.feedback_value, e.action_taken, e.weight_delta, e.metadata::text, e.timestamp
FROM learning_events AS e
ORDER BY e.id;

-- name: episodes
COPY qlearning_episodes (episode_id, features, task_type, actions, outcome, reward, created_at) FROM STDIN;

-- name: tried
SELECT q.episode_id, q.features, q.task_type, q.actions::text, q.outcome::text, q.reward, q.created_at
FROM qlearning_episodes AS q
ORDER BY q.created_at, q.episode_id;
