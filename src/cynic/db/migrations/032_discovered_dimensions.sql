-- 032_discovered_dimensions: the dimensions of judgment, and those that may be found
--
-- Thirty-six: five axioms of seven, and THE_UNNAMEABLE, which measures what the others leave unexplained. Four
-- axioms and the unnameable come with this file, the fifth with 035. Weights follow one template within each
-- axiom: φ, φ⁻¹, 1, φ, φ⁻², φ⁻¹, φ⁻¹. What the known dimensions explain badly is an anomaly; enough of those
-- propose a candidate; governance leaves a log.
-- migrate:up

CREATE TABLE discovered_dimensions (
    id bigserial PRIMARY KEY,
    dimension_id varchar NOT NULL UNIQUE,
    name varchar NOT NULL,
    description text,
    category varchar NOT NULL CHECK (category IN ('PHI', 'VERIFY', 'CULTURE', 'BURN', 'FIDELITY', 'META')),
    weight numeric NOT NULL DEFAULT 1 CHECK (weight > 0 AND weight < 'Infinity'),
    metadata jsonb NOT NULL DEFAULT '{}',
    discovered_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_discovered_dimensions_category ON discovered_dimensions (category);

COMMENT ON TABLE discovered_dimensions IS 'discovery: the 36 dimensions of judgment, and any found later';

CREATE TABLE residual_candidates (
    id bigserial PRIMARY KEY,
    dimension_name varchar NOT NULL,
    description text,
    score numeric NOT NULL CHECK (score >= 0 AND score <= 0.618),
    category varchar,
    proposed_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE residual_candidates IS 'memory: dimensions proposed because the known ones leave something unexplained';
COMMENT ON COLUMN residual_candidates.score IS 'φ-bounded score in [0, 0.618]';

CREATE TABLE residual_anomalies (
    id bigserial PRIMARY KEY,
    source_type varchar NOT NULL,
    source_id varchar,
    residual numeric NOT NULL CHECK (residual >= 0 AND residual <= 0.618),
    severity varchar NOT NULL DEFAULT 'low' CHECK (severity IN ('low', 'medium', 'high', 'critical')),
    acknowledged boolean NOT NULL DEFAULT false,
    detected_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_residual_anomalies_detected ON residual_anomalies (detected_at);

COMMENT ON TABLE residual_anomalies IS 'memory: judgments that the known dimensions explain badly';
COMMENT ON COLUMN residual_anomalies.residual IS 'φ-bounded: unexplained share in [0, 0.618]';

CREATE TABLE dimension_governance_log (
    id bigserial PRIMARY KEY,
    action_type varchar NOT NULL CHECK (action_type IN ('propose', 'approve', 'reject', 'retire')),
    dimension_name varchar NOT NULL,
    vote_result jsonb,
    logged_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_dimension_governance_log_name ON dimension_governance_log (dimension_name, logged_at);

COMMENT ON TABLE dimension_governance_log IS 'memory: proposals, approvals, rejections and retirements of dimensions';
COMMENT ON COLUMN discovered_dimensions.category IS 'the axiom, or META for what belongs to none';
COMMENT ON COLUMN discovered_dimensions.weight IS 'weight within its axiom';

INSERT INTO discovered_dimensions (dimension_id, name, description, category, weight, metadata) VALUES
    ('COHERENCE', 'COHERENCE', 'do the parts agree with one another', 'PHI', 1.618034, '{"position": 1, "threshold": 50}'),
    ('ELEGANCE', 'ELEGANCE', 'is nothing there that need not be', 'PHI', 0.618034, '{"position": 2, "threshold": 50}'),
    ('STRUCTURE', 'STRUCTURE', 'is it well ordered', 'PHI', 1, '{"position": 3, "threshold": 50}'),
    ('HARMONY', 'HARMONY', 'does it fit what surrounds it', 'PHI', 1.618034, '{"position": 4, "threshold": 50}'),
    ('PRECISION', 'PRECISION', 'is it exact where it must be', 'PHI', 0.381966, '{"position": 5, "threshold": 50}'),
    ('COMPLETENESS', 'COMPLETENESS', 'is nothing missing', 'PHI', 0.618034, '{"position": 6, "threshold": 50}'),
    ('PROPORTION', 'PROPORTION', 'is effort where it matters', 'PHI', 0.618034, '{"position": 7, "threshold": 50}'),
    ('ACCURACY', 'ACCURACY', 'is it true', 'VERIFY', 1.618034, '{"position": 1, "threshold": 60}'),
    ('PROVENANCE', 'PROVENANCE', 'is it known where it comes from', 'VERIFY', 0.618034, '{"position": 2, "threshold": 50}'),
    ('INTEGRITY', 'INTEGRITY', 'is it unaltered', 'VERIFY', 1, '{"position": 3, "threshold": 60}'),
    ('VERIFIABILITY', 'VERIFIABILITY', 'can a stranger check it', 'VERIFY', 1.618034, '{"position": 4, "threshold": 60}'),
    ('TRANSPARENCY', 'TRANSPARENCY', 'does it show how it came about', 'VERIFY', 0.381966, '{"position": 5, "threshold": 50}'),
    ('REPRODUCIBILITY', 'REPRODUCIBILITY', 'does doing it again give the same', 'VERIFY', 0.618034, '{"position": 6, "threshold": 55}'),
    ('CONSENSUS', 'CONSENSUS', 'do independent judges agree', 'VERIFY', 0.618034, '{"position": 7, "threshold": 50}'),
    ('AUTHENTICITY', 'AUTHENTICITY', 'is it what it claims to be', 'CULTURE', 1.618034, '{"position": 1, "threshold": 50}'),
    ('RESONANCE', 'RESONANCE', 'does it speak to those it is for', 'CULTURE', 0.618034, '{"position": 2, "threshold": 45}'),
    ('NOVELTY', 'NOVELTY', 'does it add something new', 'CULTURE', 1, '{"position": 3, "threshold": 40}'),
    ('ALIGNMENT', 'ALIGNMENT', 'does it serve what the group stands for', 'CULTURE', 1.618034, '{"position": 4, "threshold": 50}'),
    ('RELEVANCE', 'RELEVANCE', 'does it matter here and now', 'CULTURE', 0.381966, '{"position": 5, "threshold": 50}'),
    ('IMPACT', 'IMPACT', 'does it change something', 'CULTURE', 0.618034, '{"position": 6, "threshold": 45}'),
    ('LINEAGE', 'LINEAGE', 'does it build on what came before', 'CULTURE', 0.618034, '{"position": 7, "threshold": 45}'),
    ('UTILITY', 'UTILITY', 'is it of use', 'BURN', 1.618034, '{"position": 1, "threshold": 50}'),
    ('SUSTAINABILITY', 'SUSTAINABILITY', 'can it go on', 'BURN', 0.618034, '{"position": 2, "threshold": 50}'),
    ('EFFICIENCY', 'EFFICIENCY', 'is little wasted', 'BURN', 1, '{"position": 3, "threshold": 50}'),
    ('VALUE_CREATION', 'VALUE_CREATION', 'does it make more than it takes', 'BURN', 1.618034, '{"position": 4, "threshold": 50}'),
    ('SACRIFICE', 'SACRIFICE', 'was something given up for it', 'BURN', 0.381966, '{"position": 5, "threshold": 60}'),
    ('CONTRIBUTION', 'CONTRIBUTION', 'does it give to others', 'BURN', 0.618034, '{"position": 6, "threshold": 50}'),
    ('IRREVERSIBILITY', 'IRREVERSIBILITY', 'is it meant for good', 'BURN', 0.618034, '{"position": 7, "threshold": 50}'),
    ('THE_UNNAMEABLE', 'THE_UNNAMEABLE', 'what the other dimensions leave unexplained', 'META', 1.618034, '{"position": 36, "threshold": 38.2}');

CREATE FUNCTION cleanup_residual_anomalies(p_days integer DEFAULT 90, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM residual_anomalies AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM residual_anomalies AS y
        WHERE y.detected_at < v_before AND y.acknowledged
        ORDER BY y.detected_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_residual_anomalies(integer, integer) IS 'Deletes acknowledged residual anomalies older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE dimension_governance_log;
DROP TABLE residual_anomalies;
DROP TABLE residual_candidates;
DROP TABLE discovered_dimensions;
DROP FUNCTION cleanup_residual_anomalies;
