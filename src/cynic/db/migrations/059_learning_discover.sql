-- 059_learning_discover: one row for what is discovered once
--
-- A judgment is an anomaly once, and a cluster of anomalies proposes one candidate, however often a learning cycle
-- comes back to it. Both are found by these names, which the contract gives no index.
-- migrate:up

CREATE UNIQUE INDEX residual_anomalies_source_key ON residual_anomalies (source_type, source_id);
CREATE UNIQUE INDEX residual_candidates_name_key ON residual_candidates (dimension_name);
CREATE INDEX idx_dimension_governance_log_candidate ON dimension_governance_log ((vote_result ->> 'candidate'), logged_at);

-- migrate:down

DROP INDEX idx_dimension_governance_log_candidate;
DROP INDEX residual_candidates_name_key;
DROP INDEX residual_anomalies_source_key;
