-- 028_dpo_learning: preferences between answers, weights of the dogs, calibration
--
-- A preference pair is a better and a worse answer. Routing weights say how much each of the eleven dogs is
-- trusted in each of ten contexts; all 110 start at one half. Calibration holds predictions against outcomes:
-- a stored confidence is 0.618 times a probability, and everything that scores undoes that scale first; the
-- bucket is derived from the confidence, never taken from the caller; what is unresolved or partial does not
-- count.
-- migrate:up

CREATE TABLE preference_pairs (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    chosen jsonb NOT NULL,
    rejected jsonb NOT NULL,
    context jsonb NOT NULL DEFAULT '{}',
    context_type varchar,
    feedback_ids uuid[] NOT NULL DEFAULT '{}',
    confidence numeric NOT NULL DEFAULT 0.618 CHECK (confidence >= 0 AND confidence <= 0.618),
    processed boolean NOT NULL DEFAULT false,
    batch_id varchar,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_preference_pairs_unprocessed ON preference_pairs (created_at) WHERE NOT processed;
CREATE INDEX idx_preference_pairs_created ON preference_pairs (created_at);

COMMENT ON TABLE preference_pairs IS 'learning: a better and a worse answer to the same thing, for direct preference optimisation';
COMMENT ON COLUMN preference_pairs.confidence IS 'φ-bounded: 0.618 times a probability';

CREATE TABLE routing_weights (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    service_id varchar NOT NULL DEFAULT 'default',
    dog_name varchar NOT NULL CHECK (dog_name IN ('CYNIC', 'Analyst', 'Sage', 'Scholar', 'Guardian', 'Oracle', 'Architect', 'Deployer', 'Janitor', 'Scout', 'Cartographer')),
    context_type varchar NOT NULL,
    weight numeric NOT NULL DEFAULT 0.5 CHECK (weight >= 0 AND weight <= 1),
    base_weight numeric NOT NULL DEFAULT 0.5 CHECK (base_weight >= 0 AND base_weight <= 1),
    confidence numeric NOT NULL DEFAULT 0.236 CHECK (confidence >= 0 AND confidence <= 0.618),
    episode_count integer NOT NULL DEFAULT 0 CHECK (episode_count >= 0),
    positive_count integer NOT NULL DEFAULT 0 CHECK (positive_count >= 0),
    negative_count integer NOT NULL DEFAULT 0 CHECK (negative_count >= 0),
    fisher_score numeric NOT NULL DEFAULT 0 CHECK (fisher_score >= 0 AND fisher_score < 'Infinity'),
    last_update timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT routing_weights_key UNIQUE (service_id, dog_name, context_type)
);

CREATE INDEX idx_routing_weights_lookup ON routing_weights (service_id, context_type, weight DESC);

COMMENT ON TABLE routing_weights IS 'learning: how much each dog is trusted in each context: eleven times ten rows come with the schema';
COMMENT ON COLUMN routing_weights.confidence IS 'φ-bounded: 0.618 times a probability';
COMMENT ON COLUMN routing_weights.fisher_score IS 'importance: how much a change is held back';

CREATE TABLE dpo_optimizer_state (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    service_id varchar NOT NULL DEFAULT 'default' UNIQUE,
    learning_rate numeric NOT NULL DEFAULT 0.236 CHECK (learning_rate >= 0 AND learning_rate <= 1),
    beta numeric NOT NULL DEFAULT 0.1 CHECK (beta >= 0 AND beta <= 1),
    regularization numeric NOT NULL DEFAULT 0.618 CHECK (regularization >= 0 AND regularization <= 1),
    epoch integer NOT NULL DEFAULT 0 CHECK (epoch >= 0),
    total_pairs_processed integer NOT NULL DEFAULT 0 CHECK (total_pairs_processed >= 0),
    last_loss numeric CHECK (last_loss >= 0 AND last_loss < 'Infinity'),
    best_loss numeric CHECK (best_loss >= 0 AND best_loss < 'Infinity'),
    last_run timestamptz
);

COMMENT ON TABLE dpo_optimizer_state IS 'learning: state of the preference optimiser; the row default comes with the schema';
COMMENT ON COLUMN dpo_optimizer_state.beta IS 'strength of the KL penalty';

CREATE TABLE calibration_tracking (
    id uuid PRIMARY KEY DEFAULT new_uuid(),
    service_id varchar NOT NULL DEFAULT 'default',
    predicted_outcome varchar NOT NULL,
    actual_outcome varchar,
    predicted_confidence numeric NOT NULL CHECK (predicted_confidence >= 0 AND predicted_confidence <= 0.618),
    confidence_bucket integer CHECK (confidence_bucket >= 0 AND confidence_bucket <= 9),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_calibration_tracking_service ON calibration_tracking (service_id, created_at DESC);
CREATE INDEX idx_calibration_tracking_created ON calibration_tracking (created_at);

COMMENT ON TABLE calibration_tracking IS 'learning: predictions with what came true, for the calibration curve';
COMMENT ON COLUMN calibration_tracking.predicted_confidence IS 'φ-bounded: 0.618 times a probability';
COMMENT ON COLUMN calibration_tracking.confidence_bucket IS '0-9, the tenth of the unscaled probability; derived by trigger';

INSERT INTO routing_weights (dog_name, context_type)
SELECT d.dog, c.context
FROM unnest(ARRAY['CYNIC', 'Analyst', 'Sage', 'Scholar', 'Guardian', 'Oracle', 'Architect', 'Deployer', 'Janitor', 'Scout', 'Cartographer']) WITH ORDINALITY AS d (dog, place)
CROSS JOIN unnest(ARRAY['code', 'security', 'review', 'explain', 'debug', 'refactor', 'document', 'test', 'deploy', 'general'])
    WITH ORDINALITY AS c (context, place)
ORDER BY d.place, c.place;
INSERT INTO dpo_optimizer_state (service_id) VALUES ('default');

CREATE FUNCTION calibration_tracking_bucket() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    -- An impossible confidence is left for its CHECK to name.
    IF NEW.predicted_confidence BETWEEN 0 AND 0.618 THEN
        NEW.confidence_bucket := least(9, floor(10 * NEW.predicted_confidence / 0.618))::integer;
    END IF;
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION calibration_tracking_bucket() IS 'Row trigger: the tenth of the unscaled probability, 0 to 9.';
CREATE TRIGGER calibration_tracking_bucket BEFORE INSERT OR UPDATE OF predicted_confidence ON calibration_tracking
    FOR EACH ROW EXECUTE FUNCTION calibration_tracking_bucket();

CREATE FUNCTION create_preference_pair(
    p_chosen jsonb, p_rejected jsonb, p_context jsonb DEFAULT '{}', p_context_type text DEFAULT NULL,
    p_feedback_ids uuid[] DEFAULT '{}', p_confidence numeric DEFAULT 0.618
) RETURNS uuid
    LANGUAGE sql AS $$
    INSERT INTO preference_pairs (chosen, rejected, context, context_type, feedback_ids, confidence)
    VALUES (p_chosen, p_rejected, coalesce(p_context, '{}'), p_context_type, coalesce(p_feedback_ids, '{}'), p_confidence)
    RETURNING id
$$;
COMMENT ON FUNCTION create_preference_pair(jsonb, jsonb, jsonb, text, uuid[], numeric) IS 'Records a better and a worse answer; a confidence above 0.618 is refused by the table.';

CREATE FUNCTION update_routing_weight(p_service varchar, p_dog varchar, p_context varchar, p_delta numeric)
    RETURNS numeric
    LANGUAGE plpgsql AS $$
DECLARE
    v_weight numeric;
BEGIN
    IF p_delta IS NULL OR NOT (p_delta > '-Infinity' AND p_delta < 'Infinity') THEN
        RAISE EXCEPTION 'a change of weight is a finite number, not %', coalesce(p_delta::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO routing_weights AS w (service_id, dog_name, context_type)
    VALUES (p_service, p_dog, p_context)
    ON CONFLICT (service_id, dog_name, context_type) DO NOTHING;
    UPDATE routing_weights AS w
    SET weight = least(1, greatest(0, w.weight + p_delta / (1 + w.fisher_score)
                 * coalesce((SELECT o.learning_rate FROM dpo_optimizer_state AS o WHERE o.service_id = p_service), 0.236))),
        episode_count = w.episode_count + 1,
        positive_count = w.positive_count + (p_delta > 0)::integer,
        negative_count = w.negative_count + (p_delta < 0)::integer,
        last_update = now()
    WHERE w.service_id = p_service AND w.dog_name = p_dog AND w.context_type = p_context
    RETURNING w.weight INTO v_weight;
    RETURN v_weight;
END;
$$;
COMMENT ON FUNCTION update_routing_weight(varchar, varchar, varchar, numeric) IS 'Moves one weight by the learning rate, held back by its importance, within [0, 1]; the sign of the change counts it as positive or negative. Returns the new weight.';

CREATE FUNCTION get_calibration_curve(service_id varchar DEFAULT 'default', days integer DEFAULT 7)
    RETURNS TABLE (bucket integer, predicted_rate numeric, actual_rate numeric, sample_count bigint, calibration_error numeric)
    LANGUAGE sql STABLE AS $$
    SELECT b.bucket, b.predicted, b.actual, b.samples, abs(b.predicted - b.actual)
    FROM (
        SELECT t.confidence_bucket AS bucket,
               avg(t.predicted_confidence / 0.618) AS predicted,
               avg((t.actual_outcome = t.predicted_outcome)::integer) AS actual,
               count(*) AS samples
        FROM calibration_tracking AS t
        WHERE t.service_id = get_calibration_curve.service_id
          AND t.created_at >= now() - require_days(get_calibration_curve.days)
          AND t.actual_outcome IS NOT NULL AND t.actual_outcome <> 'partial'
        GROUP BY t.confidence_bucket
    ) AS b
    ORDER BY b.bucket
$$;
COMMENT ON FUNCTION get_calibration_curve(varchar, integer) IS 'Predicted against actual rate by tenth of the probability (the stored confidence over 0.618), over the last days; unresolved and partial rows do not count, empty tenths have no row.';

CREATE FUNCTION get_dpo_stats(service_id varchar DEFAULT 'default')
    RETURNS TABLE (total_pairs bigint, unprocessed_pairs bigint, total_weights bigint, avg_weight numeric, avg_fisher numeric,
                   epochs integer, last_loss numeric)
    LANGUAGE sql STABLE AS $$
    SELECT (SELECT count(*) FROM preference_pairs), (SELECT count(*) FROM preference_pairs AS p WHERE NOT p.processed),
           (SELECT count(*) FROM routing_weights AS w WHERE w.service_id = s.service_id),
           (SELECT avg(w.weight) FROM routing_weights AS w WHERE w.service_id = s.service_id),
           (SELECT avg(w.fisher_score) FROM routing_weights AS w WHERE w.service_id = s.service_id),
           s.epoch, s.last_loss
    FROM dpo_optimizer_state AS s
    WHERE s.service_id = get_dpo_stats.service_id
$$;
COMMENT ON FUNCTION get_dpo_stats(varchar) IS 'The preference optimiser of a service in a row; no row for an unknown service, NULL loss before the first run.';

CREATE FUNCTION cleanup_calibration_data(p_days integer DEFAULT 90, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM calibration_tracking AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM calibration_tracking AS y
        WHERE y.created_at < v_before AND y.actual_outcome IS NOT NULL
        ORDER BY y.created_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_calibration_data(integer, integer) IS 'Deletes predictions with an outcome older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';
CREATE FUNCTION cleanup_preference_pairs(p_days integer DEFAULT 90, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM preference_pairs AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM preference_pairs AS y
        WHERE y.created_at < v_before AND y.processed
        ORDER BY y.created_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_preference_pairs(integer, integer) IS 'Deletes processed preference pairs older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE calibration_tracking;
DROP TABLE dpo_optimizer_state;
DROP TABLE routing_weights;
DROP TABLE preference_pairs;
DROP FUNCTION cleanup_preference_pairs;
DROP FUNCTION cleanup_calibration_data;
DROP FUNCTION get_dpo_stats;
DROP FUNCTION get_calibration_curve;
DROP FUNCTION update_routing_weight;
DROP FUNCTION create_preference_pair;
DROP FUNCTION calibration_tracking_bucket;
