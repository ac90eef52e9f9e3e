-- 060_telemetry_ledger: from a call of a model to its row in the ledger
--
-- A call may change when a later report tells more of it, and its span may change with it. Its ledger row is found by this
-- number then, so that the difference is booked against it. What was stored without being booked (transcripts are) waits
-- in an index of its own until somebody books it. No key refers to the ledger: nothing may depend on its rows
-- being deletable, nor hinder that they are not.
-- migrate:up

ALTER TABLE llm_usage ADD COLUMN ledger_id bigint;
COMMENT ON COLUMN llm_usage.ledger_id IS 'the row of cost_ledger in which the call was booked; NULL until then';
CREATE INDEX idx_llm_usage_unbooked ON llm_usage (id) WHERE ledger_id IS NULL;

-- migrate:down

DROP INDEX idx_llm_usage_unbooked;
ALTER TABLE llm_usage DROP COLUMN ledger_id;
