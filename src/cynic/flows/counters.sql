-- Folding what many writers left for the counters they share. One folder at a time, by an advisory lock.

-- name: only_folder
-- Held to the end of the transaction; false when another folder is at it. One key for each schema.
SELECT pg_try_advisory_xact_lock(hashtextextended('cynic counters of ' || current_schema(), 0));

-- name: take
-- The oldest rows of the queue, out of it; what they add up to is written in the same transaction.
DELETE FROM ops_counter_queue AS q
WHERE q.id = ANY (ARRAY(SELECT o.id FROM ops_counter_queue AS o ORDER BY o.id LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
RETURNING q.kind, q.session_id, q.user_id, q.confidence, q.word, q.occurred_at;

-- name: count_in_sessions
-- Use renews a session: it expires 61 803 seconds after its last judgment.
UPDATE sessions AS s
SET judgment_count = s.judgment_count + g.judgments,
    last_active_at = greatest(s.last_active_at, g.latest),
    expires_at = greatest(s.expires_at, g.latest + interval '61803 seconds')
FROM jsonb_to_recordset(%(sessions)s) AS g (session_id text, judgments integer, latest timestamptz)
WHERE s.session_id = g.session_id;

-- name: summarise_sessions
INSERT INTO session_summary AS m (session_id, total_judgments, avg_confidence)
SELECT g.session_id, g.judgments, g.confidence / g.judgments
FROM jsonb_to_recordset(%(sessions)s) AS g (session_id text, judgments integer, confidence numeric)
ON CONFLICT (session_id) DO UPDATE
SET total_judgments = m.total_judgments + excluded.total_judgments,
    avg_confidence = least(0.618, (coalesce(m.avg_confidence, 0) * m.total_judgments
                                   + excluded.avg_confidence * excluded.total_judgments)
                                  / (m.total_judgments + excluded.total_judgments));

-- name: make_profiles
INSERT INTO user_learning_profiles (user_id)
SELECT u.id FROM users AS u WHERE u.id = ANY (%(ids)s) AND u.erased_at IS NULL ORDER BY u.id
ON CONFLICT (user_id) DO NOTHING;

-- name: count_in_profiles
-- Of an answer that was superseded the count is taken back.
UPDATE user_learning_profiles AS p
SET total_feedback = greatest(p.total_feedback + g.answers, 0),
    correct_feedback = greatest(p.correct_feedback + g.correct, 0),
    incorrect_feedback = greatest(p.incorrect_feedback + g.incorrect, 0),
    accuracy = greatest(p.correct_feedback + g.correct, 0)::numeric
               / nullif(greatest(p.correct_feedback + g.correct, 0) + greatest(p.incorrect_feedback + g.incorrect, 0), 0),
    judgment_patterns = p.judgment_patterns || (
        SELECT coalesce(jsonb_object_agg(v.word, coalesce((p.judgment_patterns ->> v.word)::bigint, 0) + v.n::bigint), '{}')
        FROM jsonb_each_text(g.verdicts) AS v (word, n))
FROM jsonb_to_recordset(%(users)s) AS g (user_id uuid, answers integer, correct integer, incorrect integer, verdicts jsonb)
WHERE p.user_id = g.user_id;

-- name: facts
-- What a person's E-score is made of. Counting stops where the part is full.
SELECT u.id, u.e_score, extract(epoch FROM %(now)s::timestamptz - u.created_at) / 86400,
       (SELECT count(*) FROM (SELECT FROM judgments AS j
                              WHERE j.user_id = u.id AND j.created_at > %(now)s::timestamptz - interval '30 days'
                              LIMIT %(saturates)s) AS few),
       coalesce(p.total_feedback, 0),
       CASE WHEN u.wallet_address IS NOT NULL THEN
           (SELECT coalesce(sum(b.amount), 0)::bigint FROM burn_verifications AS b
            WHERE b.burner_address = u.wallet_address AND b.verified) END
FROM users AS u
LEFT JOIN user_learning_profiles AS p ON p.user_id = u.id
WHERE u.id = ANY (%(ids)s) AND u.erased_at IS NULL;

-- name: score_users
-- A snapshot for each score that changed; parts that were not measured are 0 in the columns and absent in e_score_data.
WITH changed AS (
    UPDATE users AS u
    SET e_score = g.e_score, e_score_data = u.e_score_data || g.parts
    FROM jsonb_to_recordset(%(scores)s) AS g (user_id uuid, e_score numeric, parts jsonb)
    WHERE u.id = g.user_id AND u.erased_at IS NULL
    RETURNING u.id, u.e_score, u.e_score_data AS d
)
INSERT INTO escore_history (user_id, e_score, hold_score, burn_score, use_score, build_score, run_score, refer_score,
                            time_score, trigger_event, recorded_at)
SELECT c.id, c.e_score, coalesce((c.d ->> 'hold')::numeric, 0), coalesce((c.d ->> 'burn')::numeric, 0),
       coalesce((c.d ->> 'use')::numeric, 0), coalesce((c.d ->> 'build')::numeric, 0),
       coalesce((c.d ->> 'run')::numeric, 0), coalesce((c.d ->> 'refer')::numeric, 0),
       coalesce((c.d ->> 'time')::numeric, 0), 'activity', %(now)s
FROM changed AS c;
