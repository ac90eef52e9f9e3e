-- 021_ewc_knowledge_retention: keeping what was learned: elastic weight consolidation of patterns
--
-- A pattern's importance grows with how often and how surely it was seen and fades with time; an important
-- pattern is locked, and a locked one refuses changes to what it says (an error, not a silence). Counting it
-- further is allowed. Consolidations leave a row each.
-- migrate:up

CREATE TABLE ewc_consolidation_history (
    id bigserial PRIMARY KEY,
    consolidation_id varchar NOT NULL UNIQUE,
    service_id varchar NOT NULL DEFAULT 'default',
    fisher_entries integer NOT NULL DEFAULT 0 CHECK (fisher_entries >= 0),
    avg_fisher numeric CHECK (avg_fisher >= 0 AND avg_fisher < 'Infinity'),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_ewc_consolidation_history_created ON ewc_consolidation_history (service_id, created_at DESC);

COMMENT ON TABLE ewc_consolidation_history IS 'memory: each consolidation of learned patterns against forgetting';

ALTER TABLE patterns
    ADD COLUMN fisher_importance numeric NOT NULL DEFAULT 0 CHECK (fisher_importance >= 0 AND fisher_importance <= 1),
    ADD COLUMN consolidation_locked boolean NOT NULL DEFAULT false,
    ADD COLUMN locked_at timestamptz;
COMMENT ON COLUMN patterns.fisher_importance IS 'how much would be lost with it, [0, 1]; what locking is decided by';
COMMENT ON COLUMN patterns.consolidation_locked IS 'protected against change: the contract counts locked patterns';
COMMENT ON COLUMN patterns.locked_at IS 'since when it is locked: unlocking waits 30 days';

CREATE FUNCTION calculate_fisher_importance(p_frequency integer, p_confidence numeric, p_age interval) RETURNS numeric
    LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT least(1, greatest(0,
        ln(p_frequency + 1) / ln(100::numeric) * p_confidence
        * greatest(0.1, 0.618 * exp(-extract(epoch FROM p_age) / 604800)) * 1.618))
$$;
COMMENT ON FUNCTION calculate_fisher_importance(integer, numeric, interval) IS 'Importance in [0, 1] from how often, how surely and how long ago a pattern was seen; NULL when one is.';

CREATE FUNCTION protect_locked_patterns() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.consolidation_locked AND NEW.consolidation_locked
        AND (NEW.name, NEW.category, NEW.confidence, NEW.tags, NEW.source_judgments)
            IS DISTINCT FROM (OLD.name, OLD.category, OLD.confidence, OLD.tags, OLD.source_judgments) THEN
        RAISE EXCEPTION 'pattern % is locked by consolidation', OLD.pattern_id
            USING ERRCODE = 'restrict_violation', HINT = 'Unlock it first, or record a new pattern.';
    END IF;
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION protect_locked_patterns() IS 'Row trigger: a locked pattern keeps what it says; its frequency may still be counted.';
CREATE TRIGGER patterns_protect_locked BEFORE UPDATE ON patterns
    FOR EACH ROW EXECUTE FUNCTION protect_locked_patterns();

-- migrate:down

-- The tables go, and the rows in them.
DROP TRIGGER patterns_protect_locked ON patterns;
-- Loses which patterns were locked.
ALTER TABLE patterns DROP COLUMN locked_at, DROP COLUMN consolidation_locked, DROP COLUMN fisher_importance;
DROP TABLE ewc_consolidation_history;
DROP FUNCTION protect_locked_patterns;
DROP FUNCTION calculate_fisher_importance;
