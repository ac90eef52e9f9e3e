-- 004_solana_anchoring: anchoring on Solana
--
-- Items are gathered into batches; the Merkle root of a batch is written to the chain in one transaction.
-- `anchor_batches` says which items and with what result, `burn_verifications` which burns were checked
-- against the chain (false until they were: nothing is verified by default).
--
-- `update_anchor_status` is the only statement that moves an item's status. The kinds of item are a closed
-- list, the states a closed machine, and a FAILED item can be queued again; an item that is not in the state
-- before is an error, not a silence.
-- migrate:up

CREATE TABLE anchor_batches (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    batch_id varchar NOT NULL UNIQUE,
    merkle_root varchar NOT NULL,
    item_count integer NOT NULL CHECK (item_count >= 0),
    item_ids text[] NOT NULL,
    item_type varchar NOT NULL CHECK (item_type IN ('judgment', 'poj_block', 'pattern', 'knowledge')),
    anchor_status varchar NOT NULL DEFAULT 'QUEUED' CHECK (anchor_status IN ('QUEUED', 'ANCHORED', 'FAILED')),
    anchor_tx varchar,
    anchor_slot bigint CHECK (anchor_slot >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    anchored_at timestamptz,
    error_message text
);

CREATE INDEX idx_anchor_batches_status ON anchor_batches (anchor_status, created_at);
CREATE INDEX idx_anchor_batches_type ON anchor_batches (item_type);
CREATE INDEX idx_anchor_batches_merkle ON anchor_batches (merkle_root);

COMMENT ON TABLE anchor_batches IS 'anchoring: items whose Merkle root is written to Solana together';
COMMENT ON COLUMN anchor_batches.error_message IS 'why a batch FAILED, for the one who retries it';

CREATE TABLE burn_verifications (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    tx_signature varchar NOT NULL UNIQUE,
    amount bigint NOT NULL CHECK (amount >= 0),
    token_mint varchar,
    burner_address varchar NOT NULL,
    verified boolean NOT NULL DEFAULT false,
    burn_slot bigint CHECK (burn_slot >= 0),
    burn_timestamp timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_burn_verifications_burner ON burn_verifications (burner_address);
CREATE INDEX idx_burn_verifications_verified ON burn_verifications (verified);

COMMENT ON TABLE burn_verifications IS 'anchoring: token burns on Solana, each checked against its transaction';
COMMENT ON COLUMN burn_verifications.amount IS 'lamports, or the tokens smallest unit';
COMMENT ON COLUMN burn_verifications.token_mint IS 'NULL means native SOL';

CREATE INDEX idx_patterns_anchor_status ON patterns (anchor_status);
CREATE INDEX idx_knowledge_anchor_status ON knowledge (anchor_status);

CREATE FUNCTION update_anchor_status(
    p_item_type text, p_item_id text, p_status text, p_tx text DEFAULT NULL, p_slot bigint DEFAULT NULL
) RETURNS boolean
    LANGUAGE plpgsql AS $$
DECLARE
    v_before text[] := CASE p_status
        WHEN 'QUEUED' THEN ARRAY['PENDING', 'FAILED']
        WHEN 'ANCHORED' THEN ARRAY['QUEUED']
        WHEN 'FAILED' THEN ARRAY['QUEUED']
    END;
BEGIN
    IF v_before IS NULL THEN
        RAISE EXCEPTION 'an item cannot be set to %', coalesce(p_status, 'NULL') USING ERRCODE = 'invalid_parameter_value';
    END IF;
    CASE p_item_type
        WHEN 'judgment' THEN
            UPDATE judgments AS x SET anchor_status = p_status, anchor_tx = p_tx, anchor_slot = p_slot
            WHERE x.judgment_id = p_item_id AND x.anchor_status = ANY (v_before);
        WHEN 'poj_block' THEN
            UPDATE poj_blocks AS x SET anchor_status = p_status, anchor_tx = p_tx, anchor_slot = p_slot
            WHERE x.block_hash = p_item_id AND x.anchor_status = ANY (v_before);
        WHEN 'pattern' THEN
            UPDATE patterns AS x SET anchor_status = p_status
            WHERE x.pattern_id = p_item_id AND x.anchor_status = ANY (v_before);
        WHEN 'knowledge' THEN
            UPDATE knowledge AS x SET anchor_status = p_status
            WHERE x.knowledge_id = p_item_id AND x.anchor_status = ANY (v_before);
        ELSE
            RAISE EXCEPTION 'there is no kind of item called %', coalesce(p_item_type, 'NULL')
                USING ERRCODE = 'invalid_parameter_value';
    END CASE;
    RETURN FOUND;
END;
$$;
COMMENT ON FUNCTION update_anchor_status(text, text, text, text, bigint) IS 'Moves one item along PENDING, QUEUED, ANCHORED or FAILED. False when the item is unknown or not in a state before; error for an unknown kind or status.';

CREATE FUNCTION get_pending_anchors(p_limit integer DEFAULT 1000)
    RETURNS TABLE (item_type text, item_id text, anchor_status text, created_at timestamptz)
    LANGUAGE sql STABLE AS $$
    SELECT 'judgment', j.judgment_id, j.anchor_status, j.created_at FROM judgments AS j WHERE j.anchor_status IN ('PENDING', 'FAILED')
    UNION ALL
    SELECT 'poj_block', b.block_hash, b.anchor_status, b.timestamp FROM poj_blocks AS b WHERE b.anchor_status IN ('PENDING', 'FAILED')
    UNION ALL
    SELECT 'pattern', p.pattern_id, p.anchor_status, p.created_at FROM patterns AS p WHERE p.anchor_status IN ('PENDING', 'FAILED')
    UNION ALL
    SELECT 'knowledge', k.knowledge_id, k.anchor_status, k.created_at FROM knowledge AS k WHERE k.anchor_status IN ('PENDING', 'FAILED')
    ORDER BY 4, 1, 2
    LIMIT p_limit
$$;
COMMENT ON FUNCTION get_pending_anchors(integer) IS 'What waits to be anchored, failed items included, oldest first.';

-- migrate:down

-- The tables go, and the rows in them.
DROP INDEX idx_knowledge_anchor_status;
DROP INDEX idx_patterns_anchor_status;
DROP TABLE burn_verifications;
DROP TABLE anchor_batches;
DROP FUNCTION get_pending_anchors;
DROP FUNCTION update_anchor_status;
