-- Recording judgments. Each statement is one transaction, or part of one that record.py opens.

-- name: record
-- Any number of judgments with their votes and everything that follows from them, in one statement. A judgment is left
-- out, and not reported back, when its id is taken, its user or session is not there yet, or the session is another's
-- or expired: record.py then finds out which. The lock on the user keeps an erasure from passing unseen.
-- The planner takes each of these tables for one row. Nothing here may scan one of them for each row of another: IS TRUE
-- keeps its IN a hash lookup instead of such a join, and the names of the dogs come with the judgment.
WITH given AS MATERIALIZED (
    SELECT g.*
    FROM jsonb_to_recordset(%(judgments)s) AS g (
        id uuid, judgment_id text, username text, session_id text, item_type text, item_content text, item_hash text,
        q_score numeric, confidence numeric, verdict text, axiom_scores jsonb, dimension_scores jsonb, context_type text,
        task_type text, basis jsonb, request_digest text, consensus_signal text, dogs text[])
), person AS MATERIALIZED (
    SELECT u.id, u.username
    FROM users AS u
    WHERE u.username IN (SELECT g.username FROM given AS g) AND u.erased_at IS NULL
    FOR SHARE
), ready AS MATERIALIZED (
    SELECT g.*, coalesce(p.id, s.user_id) AS user_id
    FROM given AS g
    LEFT JOIN person AS p ON p.username = g.username
    LEFT JOIN sessions AS s ON s.session_id = g.session_id AND s.expires_at > %(now)s
    WHERE (g.username IS NULL OR p.id IS NOT NULL)
      AND (g.session_id IS NULL OR s.session_id IS NOT NULL)
      AND (s.session_id IS NULL OR p.id IS NULL OR s.user_id = p.id)
), stored AS (
    INSERT INTO judgments (id, judgment_id, user_id, session_id, item_type, item_content, item_hash, q_score, confidence,
                           verdict, axiom_scores, dimension_scores, query_type, task_type, basis, request_digest,
                           created_at)
    SELECT r.id, r.judgment_id, r.user_id, r.session_id, r.item_type, r.item_content, r.item_hash, r.q_score, r.confidence,
           r.verdict, r.axiom_scores, r.dimension_scores, r.context_type, r.task_type, r.basis,
           decode(r.request_digest, 'hex'), %(now)s
    FROM ready AS r
    ON CONFLICT (judgment_id) DO NOTHING
    RETURNING judgment_id
), fresh AS MATERIALIZED (
    SELECT r.* FROM ready AS r WHERE (r.judgment_id IN (SELECT s.judgment_id FROM stored AS s)) IS TRUE
), vote AS MATERIALIZED (
    SELECT f.judgment_id, f.item_type, v.*
    FROM jsonb_to_recordset(%(votes)s) AS v (
        judgment text, dog text, score numeric, confidence numeric, word text, reasoning text, metadata jsonb, signal text)
    JOIN fresh AS f ON f.judgment_id = v.judgment
), kept_votes AS (
    INSERT INTO dog_votes (dog_name, item_type, item_id, vote_score, confidence, reasoning, metadata, created_at)
    SELECT v.dog, v.item_type, v.judgment_id, v.score, v.confidence, v.reasoning, v.metadata, %(now)s
    FROM vote AS v
), counted_votes AS (
    INSERT INTO consensus_votes (judgment_id, dog_name, vote_score, vote_type, reasoning, created_at)
    SELECT v.judgment_id, v.dog, v.score, v.word,
           CASE WHEN v.reasoning IS NOT NULL THEN jsonb_build_object('text', v.reasoning) END, %(now)s
    FROM vote AS v
), events AS (
    INSERT INTO dog_events (event_type, dog_name, event_data, created_at)
    SELECT 'DOG_VOTED', v.dog, jsonb_build_object('judgment_id', v.judgment_id, 'verdict', v.word), %(now)s
    FROM vote AS v
    UNION ALL
    SELECT f.consensus_signal, 'CYNIC', jsonb_build_object('judgment_id', f.judgment_id, 'verdict', f.verdict), %(now)s
    FROM fresh AS f
    WHERE f.consensus_signal = 'CONSENSUS_REACHED'
), signals AS (
    INSERT INTO dog_signals (dog_name, signal_type, payload, emitted_at)
    SELECT v.dog, v.signal, jsonb_build_object('judgment_id', v.judgment_id, 'score', v.score), %(now)s
    FROM vote AS v
    UNION ALL
    SELECT 'CYNIC', f.consensus_signal, jsonb_build_object('judgment_id', f.judgment_id) || (f.basis -> 'consensus'), %(now)s
    FROM fresh AS f
    WHERE f.consensus_signal IS NOT NULL
), pipelines AS (
    INSERT INTO dog_pipeline_state (judgment_id, completed_dogs, partial_verdict, timestamp)
    SELECT f.judgment_id, f.dogs, f.basis -> 'consensus', %(now)s
    FROM fresh AS f
    WHERE f.consensus_signal IS NOT NULL
), learnable AS (
    INSERT INTO unified_signals (id, source, session_id, input, judgment, metadata, timestamp)
    SELECT 'judgment:' || f.judgment_id, 'judgment', f.session_id,
           jsonb_strip_nulls(jsonb_build_object('itemType', f.item_type, 'taskType', f.task_type, 'contextType', f.context_type)),
           jsonb_build_object('judgmentId', f.judgment_id, 'qScore', f.q_score, 'verdict', f.verdict, 'confidence', f.confidence),
           f.basis - 'consensus', %(now)s
    FROM fresh AS f
)
SELECT judgment_id FROM stored;

-- name: make_sessions
-- New sessions; an expired one is renewed, one without a person is claimed by the first who names it.
INSERT INTO sessions AS s (session_id, user_id, created_at, last_active_at, expires_at)
SELECT DISTINCT ON (g.session_id) g.session_id, u.id, %(now)s, %(now)s, %(now)s::timestamptz + interval '61803 seconds'
FROM jsonb_to_recordset(%(judgments)s) AS g (place integer, session_id text, username text)
LEFT JOIN users AS u ON u.username = g.username AND u.erased_at IS NULL
WHERE g.session_id IS NOT NULL
ORDER BY g.session_id, u.id IS NULL, g.place
ON CONFLICT (session_id) DO UPDATE
SET user_id = coalesce(s.user_id, excluded.user_id), last_active_at = excluded.last_active_at,
    expires_at = greatest(s.expires_at, excluded.expires_at)
WHERE (s.user_id IS NULL AND excluded.user_id IS NOT NULL)
   OR (s.expires_at <= %(now)s AND (excluded.user_id IS NULL OR s.user_id = excluded.user_id));

-- name: owners
-- Whose the sessions are that have an owner already; one who was erased has no name and matches nobody.
SELECT DISTINCT s.session_id, coalesce(u.username, '')
FROM jsonb_to_recordset(%(judgments)s) AS g (session_id text)
JOIN sessions AS s ON s.session_id = g.session_id
JOIN users AS u ON u.id = s.user_id;

-- name: recorded
-- What is stored under these ids, to answer a repetition with.
SELECT judgment_id, q_score, verdict, confidence, axiom_scores, basis, request_digest, created_at
FROM judgments
WHERE judgment_id = ANY (%(ids)s);
