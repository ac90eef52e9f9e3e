-- 019_hnsw_optimization: how hard a vector search tries
--
-- Vector indexes are built with m = 21 and ef_construction = 89; how many candidates a search keeps
-- (ef_search) is the caller's choice of speed against recall. Four named modes and a setter for the
-- transaction.
-- migrate:up

CREATE FUNCTION get_optimal_ef_search(p_mode text DEFAULT 'balanced') RETURNS integer
    LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    v_ef CONSTANT integer := CASE p_mode
        WHEN 'fast' THEN 21 WHEN 'balanced' THEN 55 WHEN 'recall' THEN 144 WHEN 'exhaustive' THEN 377 END;
BEGIN
    IF v_ef IS NULL THEN
        RAISE EXCEPTION 'no search mode %: fast, balanced, recall or exhaustive', coalesce(p_mode, 'NULL')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN v_ef;
END;
$$;
COMMENT ON FUNCTION get_optimal_ef_search(text) IS 'Candidates for a search mode: fast 21, balanced 55, recall 144, exhaustive 377.';

CREATE FUNCTION set_hnsw_ef_search(p_ef integer DEFAULT 55) RETURNS integer
    LANGUAGE plpgsql AS $$
BEGIN
    IF p_ef IS NULL OR p_ef NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'ef_search lies in 1 to 1000, not %', coalesce(p_ef::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM set_config('hnsw.ef_search', p_ef::text, true);
    RETURN p_ef;
END;
$$;
COMMENT ON FUNCTION set_hnsw_ef_search(integer) IS 'Sets how many candidates vector searches of this transaction keep, 1 to 1000; returns it.';

-- migrate:down

DROP FUNCTION set_hnsw_ef_search;
DROP FUNCTION get_optimal_ef_search;
