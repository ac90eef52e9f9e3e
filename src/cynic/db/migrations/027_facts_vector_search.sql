-- 027_facts_vector_search: facts with full text and nearness
--
-- A fact is a sentence with its source and how sure we are of it. It is found by words and by meaning, with
-- the same weights and the same index as posts.
-- migrate:up

CREATE TABLE facts (
    id bigserial PRIMARY KEY,
    fact text NOT NULL,
    source varchar,
    confidence numeric CHECK (confidence >= 0 AND confidence <= 0.618),
    embedding vector(1536),
    created_at timestamptz NOT NULL DEFAULT now(),
    search_vector tsvector
);

CREATE INDEX idx_facts_fts ON facts USING gin (search_vector);
CREATE INDEX idx_facts_vector ON facts USING hnsw (embedding vector_cosine_ops) WITH (m = 21, ef_construction = 89);

COMMENT ON TABLE facts IS 'memory: single facts with source, confidence and embedding';
COMMENT ON COLUMN facts.confidence IS 'φ-bounded: 0.618 times a probability';
COMMENT ON COLUMN facts.embedding IS '1536 dimensions, compared by cosine';
COMMENT ON COLUMN facts.search_vector IS 'full text of the fact (A) and its source (B), kept by trigger';

CREATE FUNCTION facts_search_vector_update() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    NEW.search_vector :=
        setweight(to_tsvector('english', coalesce(NEW.fact, '')), 'A')
        || setweight(to_tsvector('english', coalesce(NEW.source, '')), 'B');
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION facts_search_vector_update() IS 'Row trigger: full text of fact and source.';
CREATE TRIGGER facts_search_vector BEFORE INSERT OR UPDATE OF fact, source ON facts
    FOR EACH ROW EXECUTE FUNCTION facts_search_vector_update();

CREATE FUNCTION search_facts_hybrid(p_query text, p_embedding vector(1536) DEFAULT NULL, p_limit integer DEFAULT 20)
    RETURNS TABLE (id bigint, fact text, source varchar, confidence numeric, combined_score double precision)
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_query CONSTANT tsquery := websearch_to_tsquery('english', coalesce(p_query, ''));
    v_by_text CONSTANT boolean := numnode(v_query) > 0;
    v_by_vector CONSTANT boolean := p_embedding IS NOT NULL;
    v_text_weight CONSTANT double precision := CASE WHEN NOT v_by_text THEN 0 WHEN v_by_vector THEN 0.382 ELSE 1 END;
BEGIN
    IF p_limit IS NULL OR p_limit NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'a search returns 1 to 1000 rows, not %', coalesce(p_limit::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN QUERY
    WITH by_text AS (
        SELECT f.id FROM facts AS f
        WHERE v_by_text AND f.search_vector @@ v_query
        ORDER BY ts_rank(f.search_vector, v_query, 32) DESC, f.id DESC
        LIMIT greatest(p_limit * 5, 100)
    ), by_vector AS (
        SELECT f.id FROM facts AS f
        WHERE v_by_vector AND f.embedding IS NOT NULL
        ORDER BY f.embedding <=> p_embedding
        LIMIT greatest(p_limit * 5, 100)
    )
    SELECT f.id, f.fact, f.source, f.confidence,
           v_text_weight * CASE WHEN v_by_text THEN ts_rank(f.search_vector, v_query, 32) ELSE 0 END
           + (1 - v_text_weight) * CASE WHEN v_by_vector THEN coalesce(greatest(1 - (f.embedding <=> p_embedding), 0), 0) ELSE 0 END
    FROM facts AS f
    WHERE f.id IN (SELECT b.id FROM by_text AS b UNION SELECT b.id FROM by_vector AS b)
    ORDER BY 5 DESC, f.id DESC
    LIMIT p_limit;
END;
$$;
COMMENT ON FUNCTION search_facts_hybrid(text, vector, integer) IS 'Facts by full text (0.382) and nearness (0.618), best first. Nothing to search by returns nothing.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE facts;
DROP FUNCTION search_facts_hybrid;
DROP FUNCTION facts_search_vector_update;
