-- 049_sessions_of_agents: what coding agents did, from their transcripts and from their hooks
--
-- A tool call and a model call belong to a session, and each has a natural key: the agent's own id of the call
-- and the provider's id of the response. With them the same record read twice, from a transcript or from a
-- hook, is one row. Tokens read from and written to a cache are parts of the input tokens, not extras.
--
-- A session of which something is still recorded outlives its expiry: what an agent did is read session by
-- session, and the turns, calls and tokens go when their own rules say so.
--
-- `ops_imports` remembers how far each file was read, so that the same import again changes nothing and is
-- quick about it.
-- migrate:up

ALTER TABLE tool_usage ADD COLUMN session_id varchar;
ALTER TABLE tool_usage ADD COLUMN call_id varchar;
CREATE UNIQUE INDEX idx_tool_usage_call ON tool_usage (call_id);
CREATE INDEX idx_tool_usage_session ON tool_usage (session_id, used_at);
COMMENT ON COLUMN tool_usage.session_id IS 'the session in which the tool was used; NULL when unknown';
COMMENT ON COLUMN tool_usage.call_id IS 'the agents own id of the call: the same call reported twice is one row; NULL when it has none';

ALTER TABLE llm_usage ADD COLUMN session_id varchar;
ALTER TABLE llm_usage ADD COLUMN response_id varchar;
ALTER TABLE llm_usage ADD COLUMN tokens_cache_read integer;
ALTER TABLE llm_usage ADD COLUMN tokens_cache_write integer;
ALTER TABLE llm_usage ADD CONSTRAINT llm_usage_tokens_cache_read_check CHECK (tokens_cache_read >= 0);
ALTER TABLE llm_usage ADD CONSTRAINT llm_usage_tokens_cache_write_check CHECK (tokens_cache_write >= 0);
CREATE UNIQUE INDEX idx_llm_usage_response ON llm_usage (response_id);
CREATE INDEX idx_llm_usage_session ON llm_usage (session_id, created_at);
COMMENT ON COLUMN llm_usage.cost_usd IS 'NULL while no price is known: never a silent zero';
COMMENT ON COLUMN llm_usage.session_id IS 'the session in which the model was called; NULL when unknown';
COMMENT ON COLUMN llm_usage.response_id IS 'the providers id of the response: the same call reported twice is one row; NULL when it has none';
COMMENT ON COLUMN llm_usage.tokens_cache_read IS 'the part of tokens_input that came from a cache; NULL when not told';
COMMENT ON COLUMN llm_usage.tokens_cache_write IS 'the part of tokens_input that was written to a cache; NULL when not told';

ALTER TABLE session_state ADD COLUMN entry_id varchar;
CREATE UNIQUE INDEX idx_session_state_entry ON session_state (entry_id);
COMMENT ON COLUMN session_state.entry_id IS 'the agents own id of the turn: the same turn reported twice is one row; NULL for heartbeats';

CREATE TABLE ops_imports (
    source varchar NOT NULL,
    path varchar NOT NULL,
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    modified_at timestamptz NOT NULL,
    read_bytes bigint NOT NULL CHECK (read_bytes >= 0),
    imported_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, path)
);
COMMENT ON TABLE ops_imports IS 'telemetry: files that were imported, and how far each was read';
COMMENT ON COLUMN ops_imports.read_bytes IS 'up to the end of the last whole line; the next import goes on there when the file only grew';

CREATE INDEX idx_sessions_last_active ON sessions (last_active_at DESC, id DESC);

CREATE FUNCTION is_session_recorded(p_session_id varchar) RETURNS boolean
    LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM session_state AS t WHERE t.session_id = p_session_id)
        OR EXISTS (SELECT FROM tool_usage AS t WHERE t.session_id = p_session_id)
        OR EXISTS (SELECT FROM llm_usage AS t WHERE t.session_id = p_session_id)
$$;
COMMENT ON FUNCTION is_session_recorded(varchar) IS 'Whether a turn, a tool call or a model call of the session is still kept.';

CREATE OR REPLACE FUNCTION cleanup_expired_sessions(p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_rows bigint;
BEGIN
    DELETE FROM sessions AS s
    WHERE s.ctid = ANY (ARRAY(
        SELECT e.ctid FROM sessions AS e
        WHERE e.expires_at < now()
          AND NOT is_session_recorded(e.session_id)
        ORDER BY e.expires_at LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_expired_sessions(integer) IS 'Deletes sessions past their expiry of which no turn and no call is recorded any more, at most p_batch a call. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- Which session a call belonged to, the ids of calls, and how far files were read are lost.
CREATE OR REPLACE FUNCTION cleanup_expired_sessions(p_batch integer DEFAULT 10000) RETURNS bigint
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
DROP FUNCTION is_session_recorded;
DROP INDEX idx_sessions_last_active;
DROP TABLE ops_imports;
DROP INDEX idx_session_state_entry;
ALTER TABLE session_state DROP COLUMN entry_id;
DROP INDEX idx_llm_usage_session;
DROP INDEX idx_llm_usage_response;
ALTER TABLE llm_usage DROP COLUMN tokens_cache_write;
ALTER TABLE llm_usage DROP COLUMN tokens_cache_read;
ALTER TABLE llm_usage DROP COLUMN response_id;
ALTER TABLE llm_usage DROP COLUMN session_id;
DROP INDEX idx_tool_usage_session;
DROP INDEX idx_tool_usage_call;
ALTER TABLE tool_usage DROP COLUMN call_id;
ALTER TABLE tool_usage DROP COLUMN session_id;
COMMENT ON COLUMN llm_usage.cost_usd IS NULL;
