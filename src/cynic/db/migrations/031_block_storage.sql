-- 031_block_storage: blocks of stored transactions and where they are anchored
--
-- Blocks chain by hash and are never pruned: a chain without its beginning proves nothing.
-- migrate:up

CREATE TABLE blocks (
    id bigserial PRIMARY KEY,
    block_number bigint NOT NULL UNIQUE CHECK (block_number >= 0),
    block_hash varchar NOT NULL UNIQUE,
    prev_hash varchar NOT NULL,
    transaction_ids text[] NOT NULL DEFAULT '{}',
    block_timestamp timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE blocks IS 'anchoring: blocks of stored transactions, chained by hash';

CREATE TABLE block_anchors (
    id bigserial PRIMARY KEY,
    block_number bigint NOT NULL CHECK (block_number >= 0),
    anchor_tx varchar NOT NULL UNIQUE,
    anchor_status varchar NOT NULL DEFAULT 'PENDING' CHECK (anchor_status IN ('PENDING', 'QUEUED', 'ANCHORED', 'FAILED')),
    anchor_slot bigint CHECK (anchor_slot >= 0),
    anchored_at timestamptz
);

CREATE INDEX idx_block_anchors_block ON block_anchors (block_number);

COMMENT ON TABLE block_anchors IS 'anchoring: where a block was anchored on Solana';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE block_anchors;
DROP TABLE blocks;
