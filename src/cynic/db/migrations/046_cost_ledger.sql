-- 046_cost_ledger: money: one budget, a ledger that only grows, alarms
--
-- The budget is one row (id = 1). What follows from limit and consumption is computed by the row itself and
-- cannot disagree with it: the remainder, the level (cautious at 61.8 %, critical at 80 %, exhausted at 95 %
-- of the limit, from the unrounded ratio) and the circuit breaker, which is on exactly when exhausted. A limit
-- of 0 is exhausted: nothing may be spent. Amounts are numeric without a scale; nothing is rounded on the way.
--
-- The ledger is append-only: a cost is never changed or removed. `update_budget` books a cost: in one
-- transaction, under the lock of the budget's row, it raises the consumption, writes the ledger row with the
-- budget before and after, and raises an alarm when the level enters critical or exhausted (entering cautious
-- raises none). So at any moment consumed = the sum of the ledger since the last reset. Facts are booked above
-- the limit too; the overrun is then visible. Alarms stay until acknowledged.
-- migrate:up

CREATE TABLE budget_state (
    id integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    budget_limit_usd numeric NOT NULL DEFAULT 100.00 CHECK (budget_limit_usd >= 0 AND budget_limit_usd < 'Infinity'),
    budget_consumed_usd numeric NOT NULL DEFAULT 0 CHECK (budget_consumed_usd >= 0 AND budget_consumed_usd < 'Infinity'),
    budget_remaining_usd numeric NOT NULL GENERATED ALWAYS AS (greatest(budget_limit_usd - budget_consumed_usd, 0)) STORED CHECK (budget_remaining_usd >= 0),
    burn_rate_usd_per_hour numeric CHECK (burn_rate_usd_per_hour >= 0 AND burn_rate_usd_per_hour < 'Infinity'),
    estimated_runway_hours integer CHECK (estimated_runway_hours >= 0),
    budget_level varchar NOT NULL GENERATED ALWAYS AS (CASE
        WHEN budget_consumed_usd >= budget_limit_usd * 0.95 THEN 'exhausted'
        WHEN budget_consumed_usd >= budget_limit_usd * 0.80 THEN 'critical'
        WHEN budget_consumed_usd >= budget_limit_usd * 0.618 THEN 'cautious'
        ELSE 'abundant'
    END) STORED CHECK (budget_level IN ('abundant', 'cautious', 'critical', 'exhausted')),
    circuit_breaker_active boolean NOT NULL GENERATED ALWAYS AS (budget_consumed_usd >= budget_limit_usd * 0.95) STORED,
    total_calls integer NOT NULL DEFAULT 0 CHECK (total_calls >= 0),
    calls_anthropic integer NOT NULL DEFAULT 0 CHECK (calls_anthropic >= 0),
    calls_ollama integer NOT NULL DEFAULT 0 CHECK (calls_ollama >= 0),
    cost_saved_usd numeric NOT NULL DEFAULT 0 CHECK (cost_saved_usd >= 0 AND cost_saved_usd < 'Infinity'),
    last_reset timestamptz NOT NULL DEFAULT now(),
    last_updated timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE budget_state IS 'cost: the one budget (id = 1): level, remainder and breaker are computed by the row itself';
COMMENT ON COLUMN budget_state.budget_remaining_usd IS 'limit less consumed, never below 0';
COMMENT ON COLUMN budget_state.burn_rate_usd_per_hour IS 'NULL until measured';
COMMENT ON COLUMN budget_state.estimated_runway_hours IS 'NULL while nothing is spent';
COMMENT ON COLUMN budget_state.budget_level IS 'from the unrounded ratio: cautious at 61.8 %, critical at 80 %, exhausted at 95 %; a limit of 0 is exhausted';
COMMENT ON COLUMN budget_state.circuit_breaker_active IS 'on exactly when exhausted';

CREATE TABLE cost_ledger (
    id bigserial PRIMARY KEY,
    session_id varchar,
    task_id varchar,
    router_type varchar CHECK (router_type IN ('llm', 'kabbalistic', 'unified')),
    provider varchar NOT NULL,
    model varchar NOT NULL,
    tokens_input integer NOT NULL DEFAULT 0 CHECK (tokens_input >= 0),
    tokens_output integer NOT NULL DEFAULT 0 CHECK (tokens_output >= 0),
    cost_usd numeric NOT NULL CHECK (cost_usd >= 0 AND cost_usd < 'Infinity'),
    budget_before numeric NOT NULL CHECK (budget_before >= 0 AND budget_before < 'Infinity'),
    budget_after numeric NOT NULL CHECK (budget_after >= 0 AND budget_after < 'Infinity'),
    budget_level varchar NOT NULL CHECK (budget_level IN ('abundant', 'cautious', 'critical', 'exhausted')),
    degraded boolean NOT NULL DEFAULT false,
    circuit_breaker_active boolean NOT NULL DEFAULT false,
    savings_usd numeric NOT NULL DEFAULT 0 CHECK (savings_usd >= 0 AND savings_usd < 'Infinity'),
    timestamp timestamptz NOT NULL DEFAULT now(),
    response_id varchar,
    trace_id varchar,
    span_id varchar
);

CREATE INDEX idx_cost_ledger_session ON cost_ledger (session_id);
CREATE INDEX idx_cost_ledger_timestamp ON cost_ledger (timestamp DESC);
CREATE INDEX idx_cost_ledger_provider ON cost_ledger (provider);
CREATE INDEX idx_cost_ledger_budget_level ON cost_ledger (budget_level);
CREATE UNIQUE INDEX idx_cost_ledger_response ON cost_ledger (provider, response_id) WHERE response_id IS NOT NULL;
CREATE UNIQUE INDEX idx_cost_ledger_span ON cost_ledger (trace_id, span_id) WHERE span_id IS NOT NULL;

COMMENT ON TABLE cost_ledger IS 'cost: every cost, with the budget before and after. Append-only';
COMMENT ON COLUMN cost_ledger.router_type IS 'NULL for fast routing and for calls without a router';
COMMENT ON COLUMN cost_ledger.degraded IS 'a cheaper model was used because of the budget';
COMMENT ON COLUMN cost_ledger.response_id IS 'the providers id of the call: one call is one ledger row';
COMMENT ON COLUMN cost_ledger.trace_id IS 'the trace of the call, the key where there is no response id';
COMMENT ON COLUMN cost_ledger.span_id IS 'the span of the call within its trace';

CREATE TABLE budget_alerts (
    id bigserial PRIMARY KEY,
    alert_type varchar NOT NULL CHECK (alert_type IN ('velocity_alarm', 'critical', 'exhausted')),
    severity varchar NOT NULL CHECK (severity IN ('warning', 'critical', 'fatal')),
    message text NOT NULL,
    budget_consumed_usd numeric NOT NULL CHECK (budget_consumed_usd >= 0 AND budget_consumed_usd < 'Infinity'),
    budget_level varchar NOT NULL CHECK (budget_level IN ('abundant', 'cautious', 'critical', 'exhausted')),
    burn_rate numeric CHECK (burn_rate >= 0 AND burn_rate < 'Infinity'),
    timestamp timestamptz NOT NULL DEFAULT now(),
    acknowledged boolean NOT NULL DEFAULT false
);

CREATE INDEX idx_budget_alerts_type ON budget_alerts (alert_type);
CREATE INDEX idx_budget_alerts_timestamp ON budget_alerts (timestamp DESC);

COMMENT ON TABLE budget_alerts IS 'cost: alarms of spending, until acknowledged';
COMMENT ON COLUMN budget_alerts.acknowledged IS 'an alarm that nobody has seen outlives its retention';

INSERT INTO budget_state (id) VALUES (1);

CREATE TRIGGER budget_state_delete BEFORE DELETE ON budget_state FOR EACH ROW EXECUTE FUNCTION refuse_rewrite();
CREATE TRIGGER budget_state_truncate BEFORE TRUNCATE ON budget_state FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();
CREATE TRIGGER cost_ledger_update BEFORE UPDATE ON cost_ledger FOR EACH ROW EXECUTE FUNCTION refuse_rewrite();
CREATE TRIGGER cost_ledger_delete BEFORE DELETE ON cost_ledger FOR EACH ROW EXECUTE FUNCTION refuse_rewrite();
CREATE TRIGGER cost_ledger_truncate BEFORE TRUNCATE ON cost_ledger FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();
ALTER TABLE budget_state ENABLE ALWAYS TRIGGER budget_state_delete;
ALTER TABLE budget_state ENABLE ALWAYS TRIGGER budget_state_truncate;
ALTER TABLE cost_ledger ENABLE ALWAYS TRIGGER cost_ledger_update;
ALTER TABLE cost_ledger ENABLE ALWAYS TRIGGER cost_ledger_delete;
ALTER TABLE cost_ledger ENABLE ALWAYS TRIGGER cost_ledger_truncate;

CREATE FUNCTION require_money(p_amount numeric) RETURNS numeric
    LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF p_amount IS NULL OR NOT (p_amount >= 0 AND p_amount < 'Infinity') THEN
        RAISE EXCEPTION 'an amount of money is a finite number of at least 0, not %', coalesce(p_amount::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN p_amount;
END;
$$;
COMMENT ON FUNCTION require_money(numeric) IS 'The amount as it is; refuses NULL, negative amounts, NaN and infinity.';

CREATE FUNCTION get_budget_status()
    RETURNS TABLE (level varchar, consumed_usd numeric, remaining_usd numeric, consumed_ratio numeric, circuit_breaker boolean)
    LANGUAGE sql STABLE AS $$
    SELECT b.budget_level, b.budget_consumed_usd, b.budget_remaining_usd,
           round(b.budget_consumed_usd / nullif(b.budget_limit_usd, 0), 6), b.circuit_breaker_active
    FROM budget_state AS b
$$;
COMMENT ON FUNCTION get_budget_status() IS 'The budget in a row: level, consumed, remaining, their ratio to six places (above 1 when overrun, NULL for a limit of 0), breaker.';

CREATE FUNCTION update_budget(
    p_cost numeric, p_provider varchar DEFAULT 'unknown', p_model varchar DEFAULT 'unknown',
    p_tokens_input integer DEFAULT 0, p_tokens_output integer DEFAULT 0, p_session_id varchar DEFAULT NULL,
    p_task_id varchar DEFAULT NULL, p_router_type varchar DEFAULT NULL, p_degraded boolean DEFAULT false,
    p_savings numeric DEFAULT 0, p_response_id varchar DEFAULT NULL, p_trace_id varchar DEFAULT NULL, p_span_id varchar DEFAULT NULL
) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before budget_state%ROWTYPE;
    v_after budget_state%ROWTYPE;
    v_ledger_id bigint;
BEGIN
    PERFORM require_money(p_cost), require_money(p_savings);
    -- Whoever comes second waits here, so before and after of consecutive ledger rows meet.
    SELECT b.* INTO STRICT v_before FROM budget_state AS b WHERE b.id = 1 FOR UPDATE;
    UPDATE budget_state AS b
    SET budget_consumed_usd = b.budget_consumed_usd + p_cost,
        cost_saved_usd = b.cost_saved_usd + p_savings,
        total_calls = b.total_calls + 1,
        calls_anthropic = b.calls_anthropic + (p_provider = 'anthropic')::integer,
        calls_ollama = b.calls_ollama + (p_provider = 'ollama')::integer,
        last_updated = now()
    WHERE b.id = 1
    RETURNING b.* INTO v_after;
    INSERT INTO cost_ledger (session_id, task_id, router_type, provider, model, tokens_input, tokens_output, cost_usd,
                             budget_before, budget_after, budget_level, degraded, circuit_breaker_active, savings_usd,
                             response_id, trace_id, span_id)
    VALUES (p_session_id, p_task_id, p_router_type, p_provider, p_model, p_tokens_input, p_tokens_output, p_cost,
            v_before.budget_consumed_usd, v_after.budget_consumed_usd, v_after.budget_level, p_degraded,
            v_after.circuit_breaker_active, p_savings, p_response_id, p_trace_id, p_span_id)
    RETURNING id INTO v_ledger_id;
    IF v_after.budget_level <> v_before.budget_level AND v_after.budget_level IN ('critical', 'exhausted') THEN
        INSERT INTO budget_alerts (alert_type, severity, message, budget_consumed_usd, budget_level, burn_rate)
        VALUES (v_after.budget_level,
                CASE v_after.budget_level WHEN 'exhausted' THEN 'fatal' ELSE 'critical' END,
                format('budget %s: %s of %s USD consumed', v_after.budget_level, v_after.budget_consumed_usd, v_after.budget_limit_usd),
                v_after.budget_consumed_usd, v_after.budget_level, v_after.burn_rate_usd_per_hour);
    END IF;
    RETURN v_ledger_id;
END;
$$;
COMMENT ON FUNCTION update_budget(numeric, varchar, varchar, integer, integer, varchar, varchar, varchar, boolean, numeric, varchar, varchar, varchar) IS 'Books a cost in USD: budget, ledger row and alarm together. Returns the id of the ledger row; refuses NULL, negative, NaN and infinite costs.';

CREATE FUNCTION reset_budget(p_new_limit numeric DEFAULT NULL) RETURNS SETOF budget_state
    LANGUAGE sql AS $$
    UPDATE budget_state AS b
    SET budget_limit_usd = CASE WHEN p_new_limit IS NULL THEN b.budget_limit_usd ELSE require_money(p_new_limit) END,
        budget_consumed_usd = 0, burn_rate_usd_per_hour = NULL, estimated_runway_hours = NULL,
        total_calls = 0, calls_anthropic = 0, calls_ollama = 0, cost_saved_usd = 0,
        last_reset = now(), last_updated = now()
    WHERE b.id = 1
    RETURNING b.*
$$;
COMMENT ON FUNCTION reset_budget(numeric) IS 'Starts a new period: nothing consumed, counts at 0, the limit kept or replaced. The ledger stays. Returns the budget.';

CREATE FUNCTION cleanup_budget_alerts(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM budget_alerts AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM budget_alerts AS y
        WHERE y.timestamp < v_before AND y.acknowledged
        ORDER BY y.timestamp
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_budget_alerts(integer, integer) IS 'Deletes acknowledged alarms of spending older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- The tables go, and the rows in them.
DROP FUNCTION reset_budget;
DROP TABLE budget_alerts;
DROP TABLE cost_ledger;
DROP TABLE budget_state;
DROP FUNCTION cleanup_budget_alerts;
DROP FUNCTION update_budget;
DROP FUNCTION get_budget_status;
DROP FUNCTION require_money;
