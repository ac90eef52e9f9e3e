-- 002_knowledge_fts: full text over knowledge
--
-- The search vector covers the summary (weight A) and the insights (weight B; an array of strings, or any JSON
-- whose strings count). A trigger keeps it, on inserts and when one of the two changes and not otherwise; rows
-- that were there before are filled once. English stemming: a fixed configuration, so that the same text gives
-- the same vector on every server.
-- migrate:up

ALTER TABLE knowledge ADD COLUMN search_vector tsvector;
COMMENT ON COLUMN knowledge.search_vector IS 'full text of summary (A) and insights (B), kept by trigger';

CREATE FUNCTION knowledge_search_vector_update() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    NEW.search_vector :=
        setweight(to_tsvector('english', coalesce(NEW.summary, '')), 'A')
        || setweight(jsonb_to_tsvector('english', coalesce(NEW.insights, '[]'), '["string"]'), 'B');
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION knowledge_search_vector_update() IS 'Row trigger: full text of summary and insights.';
CREATE TRIGGER knowledge_search_vector BEFORE INSERT OR UPDATE OF summary, insights ON knowledge
    FOR EACH ROW EXECUTE FUNCTION knowledge_search_vector_update();

UPDATE knowledge SET summary = summary;
CREATE INDEX idx_knowledge_fts ON knowledge USING gin (search_vector);
CREATE INDEX idx_knowledge_created ON knowledge (created_at DESC);

-- migrate:down

DROP TRIGGER knowledge_search_vector ON knowledge;
DROP INDEX idx_knowledge_created;
DROP INDEX idx_knowledge_fts;
ALTER TABLE knowledge DROP COLUMN search_vector;
DROP FUNCTION knowledge_search_vector_update;
