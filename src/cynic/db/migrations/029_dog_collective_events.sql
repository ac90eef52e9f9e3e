-- 029_dog_collective_events: the pack: signals, events, votes of a consensus, snapshots
--
-- There are 39 kinds of signal, a closed list. A consensus leaves one row for each dog, with the score and the
-- verdict word that applies to a hundred times it.
-- migrate:up

CREATE TABLE dog_events (
    id bigserial PRIMARY KEY,
    event_type varchar NOT NULL,
    dog_name varchar NOT NULL CHECK (dog_name IN ('CYNIC', 'Analyst', 'Sage', 'Scholar', 'Guardian', 'Oracle', 'Architect', 'Deployer', 'Janitor', 'Scout', 'Cartographer')),
    event_data jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_dog_events_created ON dog_events (created_at);

COMMENT ON TABLE dog_events IS 'dogs: what the dogs did';

CREATE TABLE consensus_votes (
    id bigserial PRIMARY KEY,
    judgment_id varchar NOT NULL,
    dog_name varchar NOT NULL CHECK (dog_name IN ('CYNIC', 'Analyst', 'Sage', 'Scholar', 'Guardian', 'Oracle', 'Architect', 'Deployer', 'Janitor', 'Scout', 'Cartographer')),
    vote_score numeric NOT NULL CHECK (vote_score >= 0 AND vote_score <= 1),
    vote_type varchar NOT NULL CHECK (vote_type IN ('HOWL', 'WAG', 'GROWL', 'BARK')),
    reasoning jsonb,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_consensus_votes_judgment ON consensus_votes (judgment_id);
CREATE INDEX idx_consensus_votes_dog ON consensus_votes (dog_name);
CREATE INDEX idx_consensus_votes_created ON consensus_votes (created_at);

COMMENT ON TABLE consensus_votes IS 'dogs: one row for each dog and judgment of a consensus';

CREATE TABLE dog_signals (
    id bigserial PRIMARY KEY,
    dog_name varchar NOT NULL CHECK (dog_name IN ('CYNIC', 'Analyst', 'Sage', 'Scholar', 'Guardian', 'Oracle', 'Architect', 'Deployer', 'Janitor', 'Scout', 'Cartographer')),
    signal_type varchar NOT NULL CHECK (signal_type IN (
        'DOG_VOTE_CAST', 'DOG_VOTE_ABSTAIN', 'DOG_VOTE_CHANGED', 'CONSENSUS_REACHED',
        'CONSENSUS_FAILED', 'CONSENSUS_TIMEOUT', 'EARLY_EXIT_TRIGGERED', 'QUORUM_REACHED',
        'VOTE_WEIGHTED', 'VOTE_SIMPLE', 'VOTE_STATISTICS_UPDATED', 'DOG_SPAWNED',
        'DOG_READY', 'DOG_BUSY', 'DOG_IDLE', 'DOG_ERROR',
        'DOG_RECOVERY', 'DOG_SHUTDOWN', 'DOG_HEALTH_CHECK', 'DOG_METRIC_UPDATED',
        'DOG_LEARNING_UPDATED', 'COLLECTIVE_SYNC', 'COLLECTIVE_PATTERN_DETECTED', 'COLLECTIVE_DISAGREEMENT',
        'COLLECTIVE_UNANIMITY', 'COLLECTIVE_SHIFT', 'COLLECTIVE_LEARNING', 'COLLECTIVE_EMERGENCE',
        'COLLECTIVE_CALIBRATION', 'DOG_MESSAGE_SENT', 'DOG_MESSAGE_RECEIVED', 'DOG_BROADCAST',
        'DOG_SIGNAL_STRENGTH', 'DOG_PRIORITY_RAISED', 'DOG_PRIORITY_LOWERED', 'DOG_HANDOFF',
        'DOG_REQUEST_BACKUP', 'DOG_PROVIDE_BACKUP', 'DOG_COLLABORATION_COMPLETE')),
    payload jsonb NOT NULL DEFAULT '{}',
    emitted_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_dog_signals_dog ON dog_signals (dog_name);
CREATE INDEX idx_dog_signals_type ON dog_signals (signal_type);
CREATE INDEX idx_dog_signals_emitted ON dog_signals (emitted_at DESC);

COMMENT ON TABLE dog_signals IS 'dogs: signals between the dogs: 39 kinds';

CREATE TABLE collective_snapshots (
    id bigserial PRIMARY KEY,
    active_dogs jsonb NOT NULL DEFAULT '[]',
    consensus_state jsonb NOT NULL DEFAULT '{}',
    total_votes integer NOT NULL DEFAULT 0 CHECK (total_votes >= 0),
    snapshot_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_collective_snapshots_at ON collective_snapshots (snapshot_at);

COMMENT ON TABLE collective_snapshots IS 'dogs: the pack as a whole at one moment';

CREATE FUNCTION cleanup_dog_events(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM dog_events AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM dog_events AS y
        WHERE y.created_at < v_before
        ORDER BY y.created_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_dog_events(integer, integer) IS 'Deletes dog events older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';
CREATE FUNCTION cleanup_dog_signals(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM dog_signals AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM dog_signals AS y
        WHERE y.emitted_at < v_before
        ORDER BY y.emitted_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_dog_signals(integer, integer) IS 'Deletes dog signals older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';
CREATE FUNCTION cleanup_collective_snapshots(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM collective_snapshots AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM collective_snapshots AS y
        WHERE y.snapshot_at < v_before
        ORDER BY y.snapshot_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_collective_snapshots(integer, integer) IS 'Deletes snapshots of the pack older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';
CREATE FUNCTION cleanup_consensus_votes(p_days integer DEFAULT 90, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM consensus_votes AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM consensus_votes AS y
        WHERE y.created_at < v_before
        ORDER BY y.created_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_consensus_votes(integer, integer) IS 'Deletes votes of a consensus older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE collective_snapshots;
DROP TABLE dog_signals;
DROP TABLE consensus_votes;
DROP TABLE dog_events;
DROP FUNCTION cleanup_consensus_votes;
DROP FUNCTION cleanup_collective_snapshots;
DROP FUNCTION cleanup_dog_signals;
DROP FUNCTION cleanup_dog_events;
