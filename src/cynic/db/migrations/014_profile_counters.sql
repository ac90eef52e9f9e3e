-- 014_profile_counters: counters that add up
--
-- `merge_jsonb_counts` adds the numbers of two documents leaf by leaf: a count reported twice by two places is
-- a sum, where a plain merge would keep one of them.
-- migrate:up

CREATE FUNCTION merge_jsonb_counts(p_one jsonb, p_other jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_object_agg(k.key,
        CASE
            WHEN jsonb_typeof(p_one -> k.key) = 'number' AND jsonb_typeof(p_other -> k.key) = 'number'
                THEN to_jsonb((p_one ->> k.key)::numeric + (p_other ->> k.key)::numeric)
            WHEN jsonb_typeof(p_one -> k.key) = 'object' AND jsonb_typeof(p_other -> k.key) = 'object'
                THEN merge_jsonb_counts(p_one -> k.key, p_other -> k.key)
            ELSE coalesce(p_other -> k.key, p_one -> k.key)
        END), '{}')
    FROM (SELECT jsonb_object_keys(coalesce(p_one, '{}')) AS key
          UNION SELECT jsonb_object_keys(coalesce(p_other, '{}'))) AS k
$$;
COMMENT ON FUNCTION merge_jsonb_counts(jsonb, jsonb) IS 'Two objects with their numbers added at every depth; what is no number on both sides is the second''s, if it has one.';

-- migrate:down

DROP FUNCTION merge_jsonb_counts;
