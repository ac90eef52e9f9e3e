-- Sessions as meta-cognition sees them. Each statement is part of one transaction that flows/learn.py opens.

-- name: take_calls
-- Calls of tools that were not looked at, out of their queue; those that are no more, or in no session, are only taken out.
-- Retention may hold a row of a call that it deletes. Looked up one by one: no plan may read all calls.
WITH taken AS (
    DELETE FROM ops_call_queue AS q
    WHERE q.ctid = ANY (ARRAY(
        SELECT x.ctid FROM ops_call_queue AS x
        ORDER BY x.usage_id, x.id
        LIMIT %(limit)s::bigint
        FOR UPDATE SKIP LOCKED))
    RETURNING q.usage_id, q.is_first
), call AS (
    SELECT k.usage_id, bool_or(k.is_first) AS is_first FROM taken AS k GROUP BY k.usage_id
)
SELECT t.session_id, t.tool_name, t.status, t.id, c.is_first
FROM call AS c
CROSS JOIN LATERAL (
    SELECT x.id, x.session_id, x.tool_name, x.status, x.used_at FROM tool_usage AS x
    WHERE x.id = c.usage_id AND x.status <> 'pending' AND x.session_id IS NOT NULL
    OFFSET 0
) AS t
ORDER BY t.used_at, t.id;

-- name: called
-- Of judgments the places of the first answer that called them right or wrong, and of the first of those that count, and by how many more
-- of these call them right than wrong.
SELECT g.judgment_id, c.first, c.standing, c.balance
FROM unnest(%(judgments)s::text[]) AS g (judgment_id)
CROSS JOIN LATERAL (
    SELECT min(f.learned_as) AS first, min(f.learned_as) FILTER (WHERE f.applied) AS standing,
           sum(CASE f.outcome WHEN 'correct' THEN 1 ELSE -1 END) FILTER (WHERE f.applied) AS balance
    FROM (SELECT x.* FROM feedback AS x WHERE x.judgment_id = g.judgment_id OFFSET 0) AS f
    WHERE f.learned_as IS NOT NULL AND f.outcome <> 'partial'
) AS c;

-- name: sessions
-- What is known of some sessions.
SELECT l.state_type, l.weights FROM loop_persistence_state AS l
WHERE l.loop_name = 'meta-cognition' AND l.state_type = ANY (%(names)s::text[]);

-- name: bound
-- Sessions beyond the newest go, unless something hinders them: of those the newest stay, without their actions.
WITH placed AS (
    SELECT l.id, l.weights ->> 'friction' IS NOT NULL AS hindered, l.weights -> 'actions' = '[]' AS bare,
           row_number() OVER (ORDER BY (l.weights ->> 'touched')::bigint DESC, l.state_type) AS place
    FROM loop_persistence_state AS l
    WHERE l.loop_name = 'meta-cognition' AND l.state_type <> 'default'
), old AS (
    SELECT p.id, p.hindered, p.bare, row_number() OVER (PARTITION BY p.hindered ORDER BY p.place) AS place
    FROM placed AS p
    WHERE p.place > %(sessions)s::bigint
), gone AS (
    DELETE FROM loop_persistence_state AS l
    WHERE l.id IN (SELECT o.id FROM old AS o WHERE NOT o.hindered OR o.place > %(sessions)s::bigint)
)
UPDATE loop_persistence_state AS l SET weights = jsonb_set(l.weights, '{actions}', '[]')
WHERE l.id IN (SELECT o.id FROM old AS o WHERE o.hindered AND NOT o.bare AND o.place <= %(sessions)s::bigint);
