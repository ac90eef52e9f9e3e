-- What was judged: newest first, in pages by value; and one judgment with everything that belongs to it.

-- name: of_session
-- The residual conditions are simple comparisons behind the index on (session_id, created_at).
SELECT j.id, j.judgment_id, u.username, j.session_id, j.item_type, j.query_type, j.q_score, j.verdict, j.confidence,
       j.basis -> 'consensus' -> 'approved', j.created_at
FROM judgments AS j
LEFT JOIN users AS u ON u.id = j.user_id
WHERE j.session_id = %(session_id)s
  AND (%(user)s::text IS NULL OR j.user_id = (SELECT x.id FROM users AS x WHERE x.username = %(user)s))
  AND (%(verdict)s::text IS NULL OR j.verdict = %(verdict)s)
  AND (%(item_type)s::text IS NULL OR j.item_type = %(item_type)s)
  AND (%(min_q_score)s::numeric IS NULL OR j.q_score >= %(min_q_score)s)
  AND j.created_at >= coalesce(%(since)s::timestamptz, '-infinity') AND j.created_at < coalesce(%(until)s::timestamptz, 'infinity')
  AND j.created_at <= %(before_at)s AND (j.created_at, j.id) < (%(before_at)s, %(before_id)s::uuid)
ORDER BY j.created_at DESC, j.id DESC
LIMIT %(limit)s;

-- name: of_user
-- Behind the index on (user_id, created_at).
SELECT j.id, j.judgment_id, u.username, j.session_id, j.item_type, j.query_type, j.q_score, j.verdict, j.confidence,
       j.basis -> 'consensus' -> 'approved', j.created_at
FROM judgments AS j
JOIN users AS u ON u.id = j.user_id
WHERE j.user_id = (SELECT x.id FROM users AS x WHERE x.username = %(user)s)
  AND (%(verdict)s::text IS NULL OR j.verdict = %(verdict)s)
  AND (%(item_type)s::text IS NULL OR j.item_type = %(item_type)s)
  AND (%(min_q_score)s::numeric IS NULL OR j.q_score >= %(min_q_score)s)
  AND j.created_at >= coalesce(%(since)s::timestamptz, '-infinity') AND j.created_at < coalesce(%(until)s::timestamptz, 'infinity')
  AND j.created_at <= %(before_at)s AND (j.created_at, j.id) < (%(before_at)s, %(before_id)s::uuid)
ORDER BY j.created_at DESC, j.id DESC
LIMIT %(limit)s;

-- name: of_all
-- Behind the index on created_at.
SELECT j.id, j.judgment_id, u.username, j.session_id, j.item_type, j.query_type, j.q_score, j.verdict, j.confidence,
       j.basis -> 'consensus' -> 'approved', j.created_at
FROM judgments AS j
LEFT JOIN users AS u ON u.id = j.user_id
WHERE (%(verdict)s::text IS NULL OR j.verdict = %(verdict)s)
  AND (%(item_type)s::text IS NULL OR j.item_type = %(item_type)s)
  AND (%(min_q_score)s::numeric IS NULL OR j.q_score >= %(min_q_score)s)
  AND j.created_at >= coalesce(%(since)s::timestamptz, '-infinity') AND j.created_at < coalesce(%(until)s::timestamptz, 'infinity')
  AND j.created_at <= %(before_at)s AND (j.created_at, j.id) < (%(before_at)s, %(before_id)s::uuid)
ORDER BY j.created_at DESC, j.id DESC
LIMIT %(limit)s;

-- name: one
SELECT j.judgment_id, u.username, j.session_id, j.item_type, j.item_content, j.query_type, j.q_score, j.verdict, j.confidence,
       j.axiom_scores, j.dimension_scores, j.basis, j.anchor_status, j.created_at
FROM judgments AS j
LEFT JOIN users AS u ON u.id = j.user_id
WHERE j.judgment_id = %(judgment_id)s;

-- name: votes_of
-- From the lasting record of votes, in the order in which they came.
SELECT v.dog_name, v.vote_score, v.confidence, v.reasoning, v.metadata
FROM dog_votes AS v
WHERE v.item_id = %(judgment_id)s
ORDER BY v.id;

-- name: feedback_on
SELECT f.id, u.username, f.outcome, f.actual_score, f.created_at, f.superseded_at
FROM feedback AS f
LEFT JOIN users AS u ON u.id = f.user_id
WHERE f.judgment_id = %(judgment_id)s
ORDER BY f.created_at, f.id;

-- name: since
-- New judgments for those who watch: everything from a moment on, oldest first; who asks drops what was sent before.
SELECT j.judgment_id, u.username, j.session_id, j.item_type, j.q_score, j.verdict, j.confidence,
       j.basis -> 'consensus' -> 'approved', j.created_at
FROM judgments AS j
LEFT JOIN users AS u ON u.id = j.user_id
WHERE j.created_at >= %(since)s
  AND (%(after)s::text IS NULL
       OR (j.created_at, j.id) > (SELECT a.created_at, a.id FROM judgments AS a WHERE a.judgment_id = %(after)s))
ORDER BY j.created_at, j.id
LIMIT %(limit)s;

-- name: moment_of
SELECT created_at FROM judgments WHERE judgment_id = %(judgment_id)s;
