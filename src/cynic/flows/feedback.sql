-- Whether judgments were right. Each statement is part of one transaction that feedback.py opens.

-- name: one_answer_at_a_time
-- Held to the end of the transaction: answers of one person, or of nobody, to one judgment come one after the other.
SELECT pg_advisory_xact_lock(hashtextextended(%(judgment_id)s || ' ' || coalesce(%(user)s::text, ''), 0));

-- name: judged
-- What feedback is about.
SELECT j.judgment_id, j.confidence, j.q_score, j.session_id, j.item_type, j.query_type
FROM judgments AS j
WHERE j.judgment_id = %(judgment_id)s;

-- name: current_answer
-- The answer that counts, of one person or of nobody.
SELECT id, outcome, actual_score, created_at FROM feedback
WHERE judgment_id = %(judgment_id)s AND user_id IS NOT DISTINCT FROM %(user_id)s AND superseded_at IS NULL;

-- name: supersede
-- The former answer counts no longer, nor do the predictions that it scored.
WITH former AS (
    UPDATE feedback SET superseded_at = %(now)s WHERE id = %(feedback_id)s RETURNING id, created_at
), unscored AS (
    DELETE FROM brier_predictions AS b USING former AS f
    WHERE b.service_id = 'default' AND b.timestamp = f.created_at AND b.metadata ->> 'feedback_id' = f.id::text
)
DELETE FROM calibration_tracking AS c USING former AS f WHERE c.id = f.id;

-- name: answer
-- Feedback with what follows from it.
WITH stored AS (
    INSERT INTO feedback (id, judgment_id, user_id, outcome, actual_score, created_at)
    VALUES (%(id)s, %(judgment_id)s, %(user_id)s, %(outcome)s, %(actual_score)s, %(now)s)
    RETURNING id
), scored AS (
    INSERT INTO brier_predictions (predicted, actual, metadata, timestamp)
    SELECT %(confidence)s, (%(outcome)s = 'correct')::integer,
           jsonb_build_object('judgment_id', %(judgment_id)s::text, 'feedback_id', s.id), %(now)s
    FROM stored AS s
    WHERE %(outcome)s <> 'partial'
), calibrated AS (
    INSERT INTO calibration_tracking (id, predicted_outcome, actual_outcome, predicted_confidence, created_at)
    SELECT s.id, 'correct', %(outcome)s, %(confidence)s, %(now)s
    FROM stored AS s
), learnable AS (
    INSERT INTO unified_signals (id, source, session_id, input, judgment, outcome, learning, metadata, timestamp)
    SELECT 'feedback:' || s.id, 'user_feedback', %(session_id)s, %(input)s, %(judgment)s,
           jsonb_strip_nulls(jsonb_build_object('status', %(outcome)s::text, 'actualScore', %(actual_score)s::numeric)),
           %(learning)s, jsonb_strip_nulls(jsonb_build_object('supersedes', %(supersedes)s::text)), %(now)s
    FROM stored AS s
)
SELECT id FROM stored;
