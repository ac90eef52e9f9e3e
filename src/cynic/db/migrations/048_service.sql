-- 048_service: what the service needs besides the contract
--
-- A judgment keeps the basis of its numbers (which rule gave the score and the confidence, and the consensus
-- beside the verdict) and a keyed digest of what was submitted, so that the same id with another body is told
-- from a repetition for as long as the judgment lives.
--
-- Counters that many writers share are not updated by the writers, who would queue behind one row: each
-- statement leaves rows in `ops_counter_queue`, in its own transaction, and one folder at a time takes them out
-- and adds them up. The counting trigger of 005 gives way to this.
--
-- `ops_secrets` holds the key of the digests, made here and never shown to the reading role; `ops_api_keys` the
-- digests of API keys, which are shown once and not kept.
-- migrate:up

ALTER TABLE judgments ADD COLUMN basis jsonb NOT NULL DEFAULT '{}';
ALTER TABLE judgments ADD COLUMN request_digest bytea;
ALTER TABLE judgments ADD CONSTRAINT judgments_request_digest_check CHECK (octet_length(request_digest) = 32);
COMMENT ON COLUMN judgments.basis IS '{score_rule, confidence_rule, consensus}: which rules gave the numbers, so that they can be derived again';
COMMENT ON COLUMN judgments.request_digest IS 'keyed digest of what was submitted: the same judgment_id with another body is a conflict; NULL when written by hand';

CREATE TABLE ops_secrets (
    name varchar PRIMARY KEY,
    value bytea NOT NULL CHECK (octet_length(value) = 32),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE ops_secrets IS 'system: keys made by the migrations, for digests; unreadable to the reading role';
INSERT INTO ops_secrets (name, value)
VALUES ('digest', sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

CREATE TABLE ops_api_keys (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    name varchar NOT NULL,
    key_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(key_sha256) = 32),
    scope varchar NOT NULL CHECK (scope IN ('read', 'write', 'admin')),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz
);
COMMENT ON TABLE ops_api_keys IS 'system: who may call the service; one row at all turns authentication on. Unreadable to the reading role';
COMMENT ON COLUMN ops_api_keys.key_sha256 IS 'digest of the key; the key itself has 256 random bits and is shown once';
COMMENT ON COLUMN ops_api_keys.scope IS 'read, write (and read), or admin (everything)';
COMMENT ON COLUMN ops_api_keys.last_used_at IS 'to the minute';

CREATE TABLE ops_counter_queue (
    id bigserial PRIMARY KEY,
    kind varchar NOT NULL CHECK (kind IN ('judgment', 'answer', 'superseded')),
    session_id varchar,
    user_id uuid,
    confidence numeric CHECK (confidence >= 0 AND confidence <= 0.618),
    word varchar NOT NULL,
    occurred_at timestamptz NOT NULL
);
COMMENT ON TABLE ops_counter_queue IS 'core: what the shared counters do not count yet; a folder takes rows out and adds them up';
COMMENT ON COLUMN ops_counter_queue.confidence IS 'φ-bounded: of the judgment; NULL for feedback';
COMMENT ON COLUMN ops_counter_queue.word IS 'the verdict of a judgment, the outcome of feedback';

DROP TRIGGER feedback_profile ON feedback;
DROP TRIGGER feedback_profile_superseded ON feedback;
DROP FUNCTION update_learning_profile_on_feedback;

CREATE FUNCTION queue_judgments() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ops_counter_queue (kind, session_id, user_id, confidence, word, occurred_at)
    SELECT 'judgment', j.session_id, j.user_id, j.confidence, j.verdict, j.created_at
    FROM inserted AS j
    WHERE j.session_id IS NOT NULL OR j.user_id IS NOT NULL;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION queue_judgments() IS 'Statement trigger: leaves new judgments to the folder of counters.';
CREATE TRIGGER judgments_queue AFTER INSERT ON judgments
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION queue_judgments();

CREATE FUNCTION queue_feedback() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ops_counter_queue (kind, user_id, word, occurred_at)
    SELECT 'answer', f.user_id, f.outcome, f.created_at
    FROM inserted AS f
    WHERE f.user_id IS NOT NULL AND f.superseded_at IS NULL;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION queue_feedback() IS 'Statement trigger: leaves new answers to the folder of counters; anonymous ones have no profile.';
CREATE TRIGGER feedback_queue AFTER INSERT ON feedback
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION queue_feedback();

CREATE FUNCTION queue_superseded() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ops_counter_queue (kind, user_id, word, occurred_at)
    VALUES ('superseded', NEW.user_id, OLD.outcome, NEW.superseded_at);
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION queue_superseded() IS 'Row trigger: an answer that was superseded is to be taken back.';
CREATE TRIGGER feedback_queue_superseded AFTER UPDATE OF superseded_at ON feedback
    FOR EACH ROW WHEN (OLD.superseded_at IS NULL AND NEW.superseded_at IS NOT NULL AND NEW.user_id IS NOT NULL)
    EXECUTE FUNCTION queue_superseded();

-- migrate:down

-- API keys, what is not counted yet, and the basis of judgments are lost. Digests made with the lost key can be
-- compared no more.
DROP TRIGGER feedback_queue_superseded ON feedback;
DROP TRIGGER feedback_queue ON feedback;
DROP TRIGGER judgments_queue ON judgments;
DROP FUNCTION queue_superseded;
DROP FUNCTION queue_feedback;
DROP FUNCTION queue_judgments;
CREATE FUNCTION update_learning_profile_on_feedback() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    v_step CONSTANT integer := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
BEGIN
    -- An answer counts when it is given and is taken back when it is superseded; anonymous answers have no profile.
    IF NEW.user_id IS NULL OR (TG_OP = 'INSERT' AND NEW.superseded_at IS NOT NULL) THEN
        RETURN NULL;
    END IF;
    INSERT INTO user_learning_profiles AS p (user_id, total_feedback, correct_feedback, incorrect_feedback)
    VALUES (NEW.user_id, 1, (NEW.outcome = 'correct')::integer, (NEW.outcome = 'incorrect')::integer)
    ON CONFLICT (user_id) DO UPDATE
    SET total_feedback = greatest(p.total_feedback + v_step, 0),
        correct_feedback = greatest(p.correct_feedback + v_step * (NEW.outcome = 'correct')::integer, 0),
        incorrect_feedback = greatest(p.incorrect_feedback + v_step * (NEW.outcome = 'incorrect')::integer, 0);
    UPDATE user_learning_profiles AS p
    SET accuracy = p.correct_feedback::numeric / nullif(p.correct_feedback + p.incorrect_feedback, 0)
    WHERE p.user_id = NEW.user_id;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION update_learning_profile_on_feedback() IS 'Row trigger on feedback: counts answers in the profile of their user, and takes superseded ones back.';
CREATE TRIGGER feedback_profile AFTER INSERT ON feedback
    FOR EACH ROW EXECUTE FUNCTION update_learning_profile_on_feedback();
CREATE TRIGGER feedback_profile_superseded AFTER UPDATE OF superseded_at ON feedback
    FOR EACH ROW WHEN (OLD.superseded_at IS NULL AND NEW.superseded_at IS NOT NULL)
    EXECUTE FUNCTION update_learning_profile_on_feedback();
DROP TABLE ops_counter_queue;
DROP TABLE ops_api_keys;
DROP TABLE ops_secrets;
ALTER TABLE judgments DROP COLUMN request_digest;
ALTER TABLE judgments DROP COLUMN basis;
