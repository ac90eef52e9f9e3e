-- 044_dog_votes: votes: the historical record of who thought what
--
-- Append-only: a vote is never changed, removed or merged. The one thing that may go is the free text about a
-- person, once that person was erased: `reasoning` from a value to NULL, on votes about a judgment whose user
-- is a tombstone. Whole rows are compared, so columns added later are protected; the triggers fire ALWAYS.
-- migrate:up

CREATE TABLE dog_votes (
    id bigserial PRIMARY KEY,
    dog_name varchar NOT NULL CHECK (dog_name IN ('CYNIC', 'Analyst', 'Sage', 'Scholar', 'Guardian', 'Oracle', 'Architect', 'Deployer', 'Janitor', 'Scout', 'Cartographer')),
    item_type varchar NOT NULL,
    item_id varchar,
    vote_score numeric NOT NULL CHECK (vote_score >= 0 AND vote_score <= 1),
    confidence numeric NOT NULL CHECK (confidence >= 0 AND confidence <= 0.618),
    reasoning text,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_dog_votes_dog_name ON dog_votes (dog_name);
CREATE INDEX idx_dog_votes_item_type ON dog_votes (item_type);
CREATE INDEX idx_dog_votes_dog_item ON dog_votes (dog_name, item_type);
CREATE INDEX idx_dog_votes_item ON dog_votes (item_id);
CREATE INDEX idx_dog_votes_created ON dog_votes (created_at DESC);

COMMENT ON TABLE dog_votes IS 'dogs: every vote of every dog. Append-only; erasure empties the reasoning about a person';
COMMENT ON COLUMN dog_votes.vote_score IS '0 rejects, 0.5 abstains, 1 approves';
COMMENT ON COLUMN dog_votes.confidence IS 'φ-bounded: 0.618 times a probability';
COMMENT ON COLUMN dog_votes.reasoning IS 'NULL once the user it is about was erased';

CREATE FUNCTION dog_votes_guard_update() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    v_rest dog_votes%ROWTYPE := NEW;
BEGIN
    v_rest.reasoning := OLD.reasoning;
    IF v_rest IS NOT DISTINCT FROM OLD
        AND OLD.reasoning IS NOT NULL AND NEW.reasoning IS NULL
        AND EXISTS (
            SELECT FROM judgments AS j JOIN users AS u ON u.id = j.user_id
            WHERE j.judgment_id = OLD.item_id AND u.erased_at IS NOT NULL) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'dog_votes is append-only: UPDATE refused'
        USING ERRCODE = 'restrict_violation',
              HINT = 'A vote is a fact; record a new one. A person is erased with erase_user().';
END;
$$;
COMMENT ON FUNCTION dog_votes_guard_update() IS 'Row trigger: lets a vote lose its reasoning when its user is erased, and nothing else (SQLSTATE 23001 otherwise).';

CREATE TRIGGER dog_votes_update BEFORE UPDATE ON dog_votes FOR EACH ROW EXECUTE FUNCTION dog_votes_guard_update();
CREATE TRIGGER dog_votes_delete BEFORE DELETE ON dog_votes FOR EACH ROW EXECUTE FUNCTION refuse_rewrite();
CREATE TRIGGER dog_votes_truncate BEFORE TRUNCATE ON dog_votes FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();
ALTER TABLE dog_votes ENABLE ALWAYS TRIGGER dog_votes_update;
ALTER TABLE dog_votes ENABLE ALWAYS TRIGGER dog_votes_delete;
ALTER TABLE dog_votes ENABLE ALWAYS TRIGGER dog_votes_truncate;

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE dog_votes;
DROP FUNCTION dog_votes_guard_update;
