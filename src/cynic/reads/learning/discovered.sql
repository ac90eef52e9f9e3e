-- The loops that discover.

-- name: residual
-- How many judgments were fitted on, anomalies by severity, and the newest candidates, added dimensions and decisions. Anomalies
-- are kept until somebody acknowledges them: beyond a bound they are not counted, so that many make this no slower.
SELECT coalesce((SELECT (l.weights -> 'fit' ->> 'judgments')::integer FROM loop_persistence_state AS l
                 WHERE l.loop_name = 'residual' AND l.state_type = 'default'), 0),
       (SELECT coalesce(jsonb_object_agg(s.severity, r.count) FILTER (WHERE r.count > 0), '{}')
        FROM unnest(%(severities)s::text[]) AS s (severity)
        CROSS JOIN LATERAL (
            SELECT count(*) AS count
            FROM (SELECT FROM residual_anomalies AS a WHERE a.severity = s.severity LIMIT %(counted)s::bigint) AS x) AS r),
       (SELECT count(*)
        FROM (SELECT FROM anomalies AS a WHERE NOT a.resolved AND NOT a.acknowledged LIMIT %(counted)s::bigint) AS x),
       (SELECT coalesce(jsonb_agg(to_jsonb(c) ORDER BY c.proposed_at DESC, c.dimension_name), '[]')
        FROM (SELECT x.dimension_name, x.description, x.score::float8 AS score, x.category, x.proposed_at
              FROM residual_candidates AS x
              ORDER BY x.proposed_at DESC, x.dimension_name LIMIT %(limit)s::bigint) AS c),
       (SELECT coalesce(jsonb_agg(to_jsonb(d) ORDER BY d.discovered_at DESC, d.name), '[]')
        FROM (SELECT x.name, x.category, x.weight::float8 AS weight, x.metadata ->> 'status' AS status, x.discovered_at
              FROM discovered_dimensions AS x
              WHERE x.metadata ? 'candidate'
              ORDER BY x.discovered_at DESC, x.name LIMIT %(limit)s::bigint) AS d),
       (SELECT coalesce(jsonb_agg(to_jsonb(g) ORDER BY g.logged_at DESC), '[]')
        FROM (SELECT x.action_type, x.dimension_name, x.vote_result, x.logged_at
              FROM dimension_governance_log AS x
              ORDER BY x.logged_at DESC, x.id DESC LIMIT %(limit)s::bigint) AS g);

-- name: emergence
-- How many decided answers stand, in the category with the most and in all, the shared patterns, and what consolidation did last.
SELECT c.most, c.answers, m.pattern_count,
       (SELECT coalesce(jsonb_agg(p.pattern ORDER BY p.place), '[]')
        FROM (SELECT e.pattern, e.place FROM jsonb_array_elements(m.patterns) WITH ORDINALITY AS e (pattern, place)
              ORDER BY e.place LIMIT %(limit)s::bigint) AS p),
       (SELECT count(*) FROM patterns AS p WHERE p.consolidation_locked),
       (SELECT count(*) FROM pattern_evolution AS e),
       (SELECT jsonb_build_object('at', h.created_at, 'patterns', h.fisher_entries, 'mean_importance', h.avg_fisher)
        FROM ewc_consolidation_history AS h WHERE h.service_id = 'default' ORDER BY h.created_at DESC LIMIT 1)
FROM shared_memory_patterns AS m
CROSS JOIN (SELECT coalesce(max((l.weights ->> 'judgments')::bigint), 0) AS most,
                   coalesce(sum((l.weights ->> 'judgments')::bigint), 0)::bigint AS answers
            FROM loop_persistence_state AS l WHERE l.loop_name = 'emergence') AS c
WHERE m.memory_id = 'default';
