-- 001_initial: the core: people, sessions, judgments, feedback, patterns, knowledge, blocks, anomalies, and the ledger of migrations
--
-- Every other file builds on the tables and helpers here. `new_uuid()` makes time-ordered identifiers (version
-- 7 of RFC 9562) on every server from 16 on; `require_days` and `require_batch` refuse nonsense in retention.
--
-- Judgments are append-only, and the database says so itself: a row trigger compares the whole row with the
-- one before, so a column that a later file adds is protected without being named. Two changes are legal. The
-- anchor columns move along PENDING -> QUEUED -> ANCHORED or FAILED, and FAILED -> QUEUED. Erasure empties the
-- content and the user of a judgment whose user is a tombstone, and nothing else. The triggers fire ALWAYS,
-- also under session_replication_role = replica, which a plain trigger does not. A user with judgments cannot
-- be deleted, only erased: `erase_user` marks the tombstone, empties what was personal, and deletes what the
-- contract lets go with a person. What is hashed and anchored is a salted commitment to the content, so every
-- proof still verifies afterwards.
--
-- Feedback is keyed by judgment and user: the same outcome again is the first answer, another outcome is a new
-- row, and the former carries the moment at which it was superseded.
-- migrate:up

CREATE FUNCTION new_uuid() RETURNS uuid
    LANGUAGE sql VOLATILE PARALLEL SAFE
    RETURN encode(
        set_bit(
            set_bit(
                overlay(
                    uuid_send(gen_random_uuid())
                    PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                    FROM 1 FOR 6
                ),
                52, 1
            ),
            53, 1
        ),
        'hex'
    )::uuid;

CREATE FUNCTION touch_updated_at() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END;
$$;

CREATE FUNCTION require_days(p_days integer) RETURNS interval
    LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF p_days IS NULL OR p_days < 1 THEN
        RAISE EXCEPTION 'retention must be at least 1 day, not %', coalesce(p_days::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN make_interval(days => p_days);
END;
$$;

CREATE FUNCTION require_batch(p_batch integer) RETURNS integer
    LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF p_batch IS NULL OR p_batch < 1 THEN
        RAISE EXCEPTION 'a batch must hold at least 1 row, not %', coalesce(p_batch::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN p_batch;
END;
$$;

COMMENT ON FUNCTION new_uuid() IS 'A time-ordered UUID, version 7 (RFC 9562, section 5.7), from the clock in milliseconds and 74 random bits.';
COMMENT ON FUNCTION touch_updated_at() IS 'Row trigger: sets updated_at when anything in the row changed.';
COMMENT ON FUNCTION require_days(integer) IS 'The number of days as an interval; refuses NULL and anything below 1.';
COMMENT ON FUNCTION require_batch(integer) IS 'The batch size; refuses NULL and anything below 1.';

CREATE TABLE _migrations (
    id bigserial PRIMARY KEY,
    name varchar NOT NULL UNIQUE,
    applied_at timestamptz NOT NULL DEFAULT now(),
    sha256 varchar,
    duration_ms integer CHECK (duration_ms >= 0),
    app_version varchar
);

COMMENT ON TABLE _migrations IS 'core: which migration files this schema has, with their checksums';
COMMENT ON COLUMN _migrations.name IS 'full file name without .sql';
COMMENT ON COLUMN _migrations.sha256 IS 'digest of both parts as applied, to notice an edited file; NULL when run by hand';
COMMENT ON COLUMN _migrations.duration_ms IS 'how long the file took; NULL when run by hand';
COMMENT ON COLUMN _migrations.app_version IS 'which version of cynic applied it; NULL when run by hand';

CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    wallet_address varchar UNIQUE,
    username varchar,
    e_score numeric DEFAULT 0 CHECK (e_score >= 0 AND e_score <= 100),
    e_score_data jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    erased_at timestamptz
);

COMMENT ON TABLE users IS 'core: who the memory is about: matched by username; erasing leaves a tombstone';
COMMENT ON COLUMN users.e_score IS '0-100; NULL on a tombstone';
COMMENT ON COLUMN users.e_score_data IS '{hold, burn, use, build, run, refer, time}, each 0-100';
COMMENT ON COLUMN users.updated_at IS 'kept by trigger: profiles are synchronised by it';
COMMENT ON COLUMN users.erased_at IS 'when the person was erased; a tombstone has no name, no wallet and no scores';

CREATE TABLE sessions (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    session_id varchar NOT NULL UNIQUE,
    user_id uuid REFERENCES users (id) ON DELETE CASCADE,
    judgment_count integer NOT NULL DEFAULT 0 CHECK (judgment_count >= 0),
    context jsonb NOT NULL DEFAULT '{}',
    expires_at timestamptz NOT NULL DEFAULT now() + interval '61803 seconds',
    created_at timestamptz NOT NULL DEFAULT now(),
    last_active_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_sessions_user ON sessions (user_id);
CREATE INDEX idx_sessions_expires ON sessions (expires_at);

COMMENT ON TABLE sessions IS 'core: one run of a conversation; expires after 61 803 seconds and is renewed by use';
COMMENT ON COLUMN sessions.expires_at IS '61 803 s after the last use';
COMMENT ON COLUMN sessions.created_at IS 'a session has a beginning, which expiry alone does not tell';
COMMENT ON COLUMN sessions.last_active_at IS 'use renews a session';

CREATE TRIGGER users_touch BEFORE UPDATE ON users
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch_updated_at();

CREATE TABLE judgments (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    judgment_id varchar NOT NULL UNIQUE,
    user_id uuid REFERENCES users (id) ON DELETE RESTRICT,
    session_id varchar,
    item_type varchar NOT NULL,
    item_content text,
    item_hash varchar NOT NULL,
    q_score numeric NOT NULL CHECK (q_score >= 0 AND q_score <= 100),
    confidence numeric NOT NULL CHECK (confidence >= 0 AND confidence <= 0.618),
    verdict varchar NOT NULL CHECK (verdict IN ('HOWL', 'WAG', 'GROWL', 'BARK')),
    axiom_scores jsonb NOT NULL,
    dimension_scores jsonb,
    anchor_status varchar NOT NULL DEFAULT 'PENDING' CHECK (anchor_status IN ('PENDING', 'QUEUED', 'ANCHORED', 'FAILED')),
    anchor_tx varchar,
    anchor_slot bigint CHECK (anchor_slot >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT judgments_anchored_with_tx CHECK (anchor_status <> 'ANCHORED' OR anchor_tx IS NOT NULL)
);

CREATE INDEX idx_judgments_user ON judgments (user_id, created_at DESC);
CREATE INDEX idx_judgments_session ON judgments (session_id, created_at DESC);
CREATE INDEX idx_judgments_verdict ON judgments (verdict);
CREATE INDEX idx_judgments_qscore ON judgments (q_score DESC);
CREATE INDEX idx_judgments_hash ON judgments (item_hash);
CREATE INDEX idx_judgments_anchor_status ON judgments (anchor_status, created_at);
CREATE INDEX idx_judgments_created ON judgments (created_at DESC);

COMMENT ON TABLE judgments IS 'core: what was judged, how well it did and how sure the judge was. Append-only; only the anchor columns move, and erasure empties content and user';
COMMENT ON COLUMN judgments.judgment_id IS 'jdg_ and hex digits, or the callers own';
COMMENT ON COLUMN judgments.user_id IS 'NULL for anonymous judgments and once the user was erased';
COMMENT ON COLUMN judgments.item_content IS 'NULL once its user was erased';
COMMENT ON COLUMN judgments.item_hash IS 'keyed or salted digest, for finding equals; never a bare hash of guessable text';
COMMENT ON COLUMN judgments.confidence IS 'φ-bounded: 0.618 times a probability';
COMMENT ON COLUMN judgments.axiom_scores IS '{PHI, VERIFY, CULTURE, BURN} and FIDELITY when judged, each 0-100';
COMMENT ON COLUMN judgments.dimension_scores IS 'up to 36 dimensions, each 0-100; NULL when judged by votes alone';
COMMENT ON COLUMN judgments.anchor_tx IS 'Solana signature';

CREATE TABLE feedback (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    judgment_id varchar NOT NULL REFERENCES judgments (judgment_id),
    user_id uuid REFERENCES users (id) ON DELETE CASCADE,
    outcome varchar NOT NULL CHECK (outcome IN ('correct', 'incorrect', 'partial')),
    actual_score numeric CHECK (actual_score >= 0 AND actual_score <= 100),
    applied boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    superseded_at timestamptz
);

CREATE INDEX idx_feedback_judgment ON feedback (judgment_id);
CREATE INDEX idx_feedback_outcome ON feedback (outcome);
CREATE INDEX idx_feedback_user ON feedback (user_id);
CREATE UNIQUE INDEX idx_feedback_current ON feedback (judgment_id, user_id) NULLS NOT DISTINCT WHERE superseded_at IS NULL;

COMMENT ON TABLE feedback IS 'core: whether a judgment was right: keyed by judgment and user; a changed mind supersedes the former row';
COMMENT ON COLUMN feedback.actual_score IS 'what the score should have been, 0-100';
COMMENT ON COLUMN feedback.superseded_at IS 'set when the same user answered otherwise later; NULL marks the answer that counts';

CREATE TABLE patterns (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    pattern_id varchar NOT NULL UNIQUE,
    category varchar NOT NULL,
    name varchar NOT NULL,
    confidence numeric NOT NULL CHECK (confidence >= 0 AND confidence <= 0.618),
    frequency integer NOT NULL DEFAULT 1 CHECK (frequency >= 0),
    source_judgments jsonb NOT NULL DEFAULT '[]',
    tags text[] NOT NULL DEFAULT '{}',
    anchor_status varchar NOT NULL DEFAULT 'PENDING' CHECK (anchor_status IN ('PENDING', 'QUEUED', 'ANCHORED', 'FAILED')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_patterns_category ON patterns (category);
CREATE INDEX idx_patterns_confidence ON patterns (confidence DESC);
CREATE INDEX idx_patterns_tags ON patterns USING gin (tags);

COMMENT ON TABLE patterns IS 'core: what was seen again and again, with how sure we are of it';
COMMENT ON COLUMN patterns.confidence IS 'φ-bounded: 0.618 times a probability';
COMMENT ON COLUMN patterns.updated_at IS 'kept by trigger: importance fades with the time since a pattern was last seen';

CREATE TABLE knowledge (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    knowledge_id varchar NOT NULL UNIQUE,
    source_type varchar NOT NULL CHECK (source_type IN ('code', 'conversation', 'document', 'decision')),
    summary text NOT NULL,
    insights jsonb NOT NULL DEFAULT '[]',
    q_score numeric CHECK (q_score >= 0 AND q_score <= 100),
    anchor_status varchar NOT NULL DEFAULT 'PENDING' CHECK (anchor_status IN ('PENDING', 'QUEUED', 'ANCHORED', 'FAILED')),
    created_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE knowledge IS 'core: what was read or decided, summarised and searchable';
COMMENT ON COLUMN knowledge.insights IS 'array of strings';

CREATE TABLE library_cache (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    library_id varchar NOT NULL,
    query_hash varchar NOT NULL UNIQUE,
    content text NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    expires_at timestamptz NOT NULL DEFAULT now() + interval '24 hours'
);

CREATE INDEX idx_library_cache_expires ON library_cache (expires_at);

COMMENT ON TABLE library_cache IS 'memory: documentation fetched once, until it expires';

CREATE TABLE poj_blocks (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    block_number bigint NOT NULL UNIQUE CHECK (block_number >= 0),
    block_hash varchar NOT NULL UNIQUE,
    prev_hash varchar NOT NULL,
    merkle_root varchar NOT NULL,
    judgment_count integer NOT NULL DEFAULT 0 CHECK (judgment_count >= 0),
    judgment_ids text[] NOT NULL DEFAULT '{}',
    anchor_status varchar NOT NULL DEFAULT 'PENDING' CHECK (anchor_status IN ('PENDING', 'QUEUED', 'ANCHORED', 'FAILED')),
    anchor_tx varchar,
    anchor_slot bigint CHECK (anchor_slot >= 0),
    timestamp timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_poj_blocks_number ON poj_blocks (block_number);
CREATE INDEX idx_poj_blocks_hash ON poj_blocks (block_hash);
CREATE INDEX idx_poj_blocks_anchor_status ON poj_blocks (anchor_status);

COMMENT ON TABLE poj_blocks IS 'anchoring: proof-of-judgment blocks: each names its judgments, their Merkle root and the block before';

CREATE TABLE anomalies (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    anomaly_id varchar NOT NULL UNIQUE,
    source_type varchar NOT NULL,
    source_id varchar,
    severity varchar NOT NULL CHECK (severity IN ('low', 'medium', 'high', 'critical')),
    description text NOT NULL,
    residual numeric CHECK (residual >= 0 AND residual <= 0.618),
    acknowledged boolean NOT NULL DEFAULT false,
    resolved boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_anomalies_severity ON anomalies (severity);
CREATE INDEX idx_anomalies_resolved ON anomalies (resolved);

COMMENT ON TABLE anomalies IS 'memory: what did not fit, until somebody acknowledges and resolves it';
COMMENT ON COLUMN anomalies.residual IS 'φ-bounded: unexplained share in [0, 0.618]';

CREATE TRIGGER patterns_touch BEFORE UPDATE ON patterns
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch_updated_at();

CREATE FUNCTION refuse_rewrite() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation',
              HINT = 'Rows are facts; record a new one instead.';
END;
$$;
COMMENT ON FUNCTION refuse_rewrite() IS 'Trigger of append-only tables: refuses the statement or row it is fired for (SQLSTATE 23001).';

CREATE FUNCTION judgments_guard_update() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    v_rest judgments%ROWTYPE := NEW;
BEGIN
    -- Anchoring: with the anchor columns put back, nothing differs, and the status takes one legal step.
    v_rest.anchor_status := OLD.anchor_status;
    v_rest.anchor_tx := OLD.anchor_tx;
    v_rest.anchor_slot := OLD.anchor_slot;
    IF v_rest IS NOT DISTINCT FROM OLD
        AND (OLD.anchor_status, NEW.anchor_status) IN (
            ('PENDING', 'QUEUED'), ('QUEUED', 'ANCHORED'), ('QUEUED', 'FAILED'), ('FAILED', 'QUEUED')) THEN
        RETURN NEW;
    END IF;
    -- Erasure: only content and user go, from a value to NULL, and the user is a tombstone.
    v_rest := NEW;
    v_rest.item_content := OLD.item_content;
    v_rest.user_id := OLD.user_id;
    IF v_rest IS NOT DISTINCT FROM OLD
        AND NEW IS DISTINCT FROM OLD
        AND (NEW.item_content IS NULL OR NEW.item_content = OLD.item_content)
        AND (NEW.user_id IS NULL OR NEW.user_id = OLD.user_id)
        AND EXISTS (SELECT FROM users AS u WHERE u.id = OLD.user_id AND u.erased_at IS NOT NULL) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'judgments is append-only: UPDATE refused (anchor status % to %)', OLD.anchor_status, NEW.anchor_status
        USING ERRCODE = 'restrict_violation',
              HINT = 'The anchor columns move along PENDING, QUEUED, ANCHORED or FAILED; a person is erased with erase_user().';
END;
$$;
COMMENT ON FUNCTION judgments_guard_update() IS 'Row trigger: lets a judgment change only by a legal step of anchoring or by the erasure of its user (SQLSTATE 23001 otherwise).';

CREATE TRIGGER judgments_update BEFORE UPDATE ON judgments FOR EACH ROW EXECUTE FUNCTION judgments_guard_update();
CREATE TRIGGER judgments_delete BEFORE DELETE ON judgments FOR EACH ROW EXECUTE FUNCTION refuse_rewrite();
CREATE TRIGGER judgments_truncate BEFORE TRUNCATE ON judgments FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();
ALTER TABLE judgments ENABLE ALWAYS TRIGGER judgments_update;
ALTER TABLE judgments ENABLE ALWAYS TRIGGER judgments_delete;
ALTER TABLE judgments ENABLE ALWAYS TRIGGER judgments_truncate;

CREATE FUNCTION users_refuse_delete() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM judgments AS j WHERE j.user_id = OLD.id) THEN
        RAISE EXCEPTION 'user % has judgments, which are never deleted', OLD.id
            USING ERRCODE = 'restrict_violation',
                  HINT = format('Erase the person instead: SELECT erase_user(%L);', OLD.id);
    END IF;
    RETURN OLD;
END;
$$;
COMMENT ON FUNCTION users_refuse_delete() IS 'Row trigger: a user with judgments is erased, not deleted; the error names the command.';
CREATE TRIGGER users_delete BEFORE DELETE ON users FOR EACH ROW EXECUTE FUNCTION users_refuse_delete();

CREATE FUNCTION erase_user(p_user_id uuid) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    v_counts jsonb := '{}';
    v_rows bigint;
    v_reference record;
BEGIN
    -- The tombstone comes first: the guards let personal fields go only when they see it.
    UPDATE users AS u
    SET username = NULL, wallet_address = NULL, e_score = NULL, e_score_data = '{}',
        erased_at = coalesce(u.erased_at, now())
    WHERE u.id = p_user_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no user %', coalesce(p_user_id::text, 'NULL') USING ERRCODE = 'no_data_found';
    END IF;

    -- Free text about the person, while their judgments still say whose they are. The tables come with later files.
    IF to_regclass('dog_votes') IS NOT NULL THEN
        UPDATE dog_votes AS v SET reasoning = NULL
        WHERE v.reasoning IS NOT NULL
          AND v.item_id IN (SELECT j.judgment_id FROM judgments AS j WHERE j.user_id = p_user_id);
        GET DIAGNOSTICS v_rows = ROW_COUNT;
        v_counts := v_counts || jsonb_build_object('dog_votes', v_rows);
    END IF;
    IF to_regclass('consensus_votes') IS NOT NULL THEN
        UPDATE consensus_votes AS v SET reasoning = NULL
        WHERE v.reasoning IS NOT NULL
          AND v.judgment_id IN (SELECT j.judgment_id FROM judgments AS j WHERE j.user_id = p_user_id);
        GET DIAGNOSTICS v_rows = ROW_COUNT;
        v_counts := v_counts || jsonb_build_object('consensus_votes', v_rows);
    END IF;

    UPDATE judgments AS j SET item_content = NULL, user_id = NULL WHERE j.user_id = p_user_id;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    v_counts := v_counts || jsonb_build_object('judgments', v_rows);

    -- Whatever the contract deletes with a user: the foreign keys that cascade say it, in one place.
    FOR v_reference IN
        SELECT c.conrelid::regclass AS relation, c.conrelid::regclass::text AS name, a.attname AS field
        FROM pg_catalog.pg_constraint AS c
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.contype = 'f' AND c.confdeltype = 'c' AND c.confrelid = 'users'::regclass
        ORDER BY c.conrelid::regclass::text
    LOOP
        EXECUTE format('DELETE FROM %s WHERE %I = $1', v_reference.relation, v_reference.field) USING p_user_id;
        GET DIAGNOSTICS v_rows = ROW_COUNT;
        v_counts := v_counts || jsonb_build_object(v_reference.name, v_rows);
    END LOOP;
    RETURN v_counts;
END;
$$;
COMMENT ON FUNCTION erase_user(uuid) IS 'Erases a person: tombstone, personal content emptied, dependent rows deleted. Returns the rows touched by table; again returns zeros. Runs with the rights of the tables'' owner.';
-- A function that runs with its owner's rights must not be led astray by the caller's search_path.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION erase_user(uuid) SET search_path = %I, pg_temp', current_schema());
END;
$$;

CREATE FUNCTION cleanup_expired_sessions(p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_rows bigint;
BEGIN
    DELETE FROM sessions AS s
    WHERE s.ctid = ANY (ARRAY(
        SELECT e.ctid FROM sessions AS e WHERE e.expires_at < now() ORDER BY e.expires_at LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_expired_sessions(integer) IS 'Deletes sessions past their expiry, at most p_batch a call. Returns how many; repeat until fewer than p_batch.';

CREATE FUNCTION cleanup_library_cache(p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_rows bigint;
BEGIN
    DELETE FROM library_cache AS c
    WHERE c.ctid = ANY (ARRAY(
        SELECT e.ctid FROM library_cache AS e WHERE e.expires_at < now() ORDER BY e.expires_at LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_library_cache(integer) IS 'Deletes cached documentation past its expiry, at most p_batch a call. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- The tables go, and the rows in them. The vector extension and the roles stay: others may use them.
DROP TABLE anomalies;
DROP TABLE poj_blocks;
DROP TABLE library_cache;
DROP TABLE knowledge;
DROP TABLE patterns;
DROP TABLE feedback;
DROP TABLE judgments;
DROP TABLE sessions;
DROP TABLE users;
DROP TABLE _migrations;
DROP FUNCTION cleanup_library_cache;
DROP FUNCTION cleanup_expired_sessions;
DROP FUNCTION erase_user;
DROP FUNCTION users_refuse_delete;
DROP FUNCTION judgments_guard_update;
DROP FUNCTION refuse_rewrite;
DROP FUNCTION require_batch;
DROP FUNCTION require_days;
DROP FUNCTION touch_updated_at;
DROP FUNCTION new_uuid;
