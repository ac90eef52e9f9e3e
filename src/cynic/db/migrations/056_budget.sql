-- 056_budget: reserve, settle, release, and one place where money is booked
--
-- `transact_budget` takes any number of operations and does them one after the other under the lock of the budget's
-- row, in one statement: a reservation is admitted while consumed + held + estimate stay within the limit, whoever else
-- asks; a cost is a fact and is booked, also above it. Ledger rows get their ids under that lock, so their order is the
-- order of the money, and the budget after one is the budget before the next. Their times never run backwards, and a
-- reset lies strictly between the rows before and after it: consumed = the sum of the rows from `last_reset` on.
-- `update_budget` and `reset_budget` go through the same lock.
--
-- One call is one row: a report with the response id of a call that is booked already, of the same provider as far as it
-- was told, is linked to that row in `ops_cost_reports`, with what it said and the keys it came with, and books nothing; so is one of the
-- same trace and span, unless both have a response id: then they are two calls. What was booked wrongly is corrected by a
-- row that points at it and carries the difference: as a cost, or as a credit where it was too much. Consumed is the sum
-- of the costs less the credits.
--
-- Rows that point into the ledger have no foreign key: nothing ever leaves it.
--
-- A hold ends by itself: whoever comes next gives back what has expired, and readers do not count it. Burn rates are
-- sums over minutes. The velocity alarm asks whether money lasts until the reset (a day, where none is planned) at the
-- speed of two windows at once, as burn-rate alerts of service levels do: the last hour and the last five minutes, or
-- the last day and the last hour. The short window lets the alarm end soon after the spending does. Less than five
-- minutes of spending are no speed yet. An alert is raised once per crossing upwards.
-- migrate:up

ALTER TABLE cost_ledger
    ADD COLUMN corrects_id bigint,
    ADD COLUMN credit_usd numeric NOT NULL DEFAULT 0 CHECK (credit_usd >= 0 AND credit_usd < 'Infinity'),
    ADD COLUMN is_past boolean NOT NULL DEFAULT false;
CREATE INDEX idx_cost_ledger_corrects ON cost_ledger (corrects_id) WHERE corrects_id IS NOT NULL;
CREATE INDEX idx_cost_ledger_unpriced ON cost_ledger (id) WHERE cost_usd IS NULL;
-- The id of the response leads: it says more than the provider.
DROP INDEX idx_cost_ledger_response;
CREATE UNIQUE INDEX idx_cost_ledger_response ON cost_ledger (response_id, provider) WHERE response_id IS NOT NULL;
-- Several calls with response ids of their own may have been made within one span.
DROP INDEX idx_cost_ledger_span;
CREATE INDEX idx_cost_ledger_span ON cost_ledger (trace_id, span_id) WHERE span_id IS NOT NULL;
CREATE UNIQUE INDEX idx_cost_ledger_span_alone ON cost_ledger (trace_id, span_id) WHERE span_id IS NOT NULL AND response_id IS NULL;
COMMENT ON COLUMN cost_ledger.corrects_id IS 'the row that this one corrects; its cost or credit is then the difference';
COMMENT ON COLUMN cost_ledger.credit_usd IS 'what a correction takes back, and the whole cost of a call of the past: a cost itself is never negative';
COMMENT ON COLUMN cost_ledger.is_past IS 'brought in from a record of the past, and made before the period it was booked in began: its cost is given back at once';

ALTER TABLE budget_alerts
    ADD COLUMN acknowledged_by varchar,
    ADD COLUMN acknowledged_at timestamptz;
COMMENT ON COLUMN budget_alerts.acknowledged_by IS 'the person who has seen it';
COMMENT ON COLUMN budget_alerts.acknowledged_at IS 'when it was seen';

ALTER TABLE budget_state SET (fillfactor = 10);
ALTER TABLE budget_state
    ADD COLUMN budget_held_usd numeric NOT NULL DEFAULT 0 CHECK (budget_held_usd >= 0 AND budget_held_usd < 'Infinity'),
    ADD COLUMN next_reset timestamptz,
    ADD COLUMN velocity_alarm boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN budget_state.budget_held_usd IS 'the sum of the reservations that are held, expired ones included until somebody comes by';
COMMENT ON COLUMN budget_state.next_reset IS 'until when the budget should last; NULL when nobody said';
COMMENT ON COLUMN budget_state.velocity_alarm IS 'whether money goes too fast right now; an alert is raised when this becomes true';

CREATE TABLE ops_budget_reservations (
    reservation_id uuid PRIMARY KEY,
    state varchar NOT NULL CHECK (state IN ('held', 'settled', 'released', 'expired', 'refused')),
    decision varchar NOT NULL CHECK (decision IN ('allow', 'degrade', 'refuse')),
    reason text,
    estimated_usd numeric NOT NULL CHECK (estimated_usd >= 0 AND estimated_usd < 'Infinity'),
    provider varchar NOT NULL,
    model varchar NOT NULL,
    asked_provider varchar NOT NULL,
    asked_model varchar NOT NULL,
    session_id varchar,
    task_id varchar,
    router_type varchar CHECK (router_type IN ('llm', 'kabbalistic', 'unified')),
    task_type varchar,
    task_complexity varchar CHECK (task_complexity IN ('simple', 'moderate', 'complex')),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    ledger_id bigint
);

CREATE INDEX idx_ops_budget_reservations_created ON ops_budget_reservations (created_at);
CREATE INDEX idx_ops_budget_reservations_refused ON ops_budget_reservations (created_at) WHERE state = 'refused';
CREATE INDEX idx_ops_budget_reservations_held ON ops_budget_reservations (expires_at) WHERE state = 'held';

COMMENT ON TABLE ops_budget_reservations IS 'cost: who asked to spend, what was decided, and how it ended';
COMMENT ON COLUMN ops_budget_reservations.reason IS 'why it was refused or degraded';
COMMENT ON COLUMN ops_budget_reservations.provider IS 'whom to call; another than the asked one when degraded';
COMMENT ON COLUMN ops_budget_reservations.asked_model IS 'what was asked for';
COMMENT ON COLUMN ops_budget_reservations.expires_at IS 'when the hold ends by itself';
COMMENT ON COLUMN ops_budget_reservations.ledger_id IS 'the ledger row of the call';

CREATE TABLE ops_cost_reports (
    id bigserial PRIMARY KEY,
    ledger_id bigint NOT NULL,
    request_key text UNIQUE,
    source varchar NOT NULL,
    linked boolean NOT NULL DEFAULT true,
    claimed_cost_usd numeric CHECK (claimed_cost_usd >= 0 AND claimed_cost_usd < 'Infinity'),
    our_cost_usd numeric CHECK (our_cost_usd >= 0 AND our_cost_usd < 'Infinity'),
    provider varchar,
    response_id varchar,
    trace_id varchar,
    span_id varchar,
    reported_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_ops_cost_reports_ledger ON ops_cost_reports (ledger_id);
CREATE INDEX idx_ops_cost_reports_response ON ops_cost_reports (response_id) WHERE response_id IS NOT NULL;
CREATE INDEX idx_ops_cost_reports_span ON ops_cost_reports (trace_id, span_id) WHERE span_id IS NOT NULL;

COMMENT ON TABLE ops_cost_reports IS 'cost: reports of calls that were booked already, and reports that came with a key of their own';
COMMENT ON COLUMN ops_cost_reports.request_key IS 'the key that a client gave, so that the same request has one effect';
COMMENT ON COLUMN ops_cost_reports.source IS 'who reported: settle, costs, otlp';
COMMENT ON COLUMN ops_cost_reports.linked IS 'false for the report that was booked';
COMMENT ON COLUMN ops_cost_reports.response_id IS 'the keys that a linked report came with: the next one may have no other';

CREATE TABLE ops_budget_minutes (
    minute timestamptz PRIMARY KEY,
    cost_usd numeric NOT NULL DEFAULT 0 CHECK (cost_usd >= 0 AND cost_usd < 'Infinity'),
    calls integer NOT NULL DEFAULT 0 CHECK (calls >= 0)
) WITH (fillfactor = 50);

COMMENT ON TABLE ops_budget_minutes IS 'cost: what was booked in each minute, for burn rates';

CREATE TABLE ops_budget_changes (
    id bigserial PRIMARY KEY,
    kind varchar NOT NULL CHECK (kind IN ('limit', 'reset')),
    limit_before_usd numeric NOT NULL CHECK (limit_before_usd >= 0 AND limit_before_usd < 'Infinity'),
    limit_after_usd numeric NOT NULL CHECK (limit_after_usd >= 0 AND limit_after_usd < 'Infinity'),
    consumed_usd numeric NOT NULL CHECK (consumed_usd >= 0 AND consumed_usd < 'Infinity'),
    cost_saved_usd numeric NOT NULL CHECK (cost_saved_usd >= 0 AND cost_saved_usd < 'Infinity'),
    total_calls integer NOT NULL CHECK (total_calls >= 0),
    period_began timestamptz NOT NULL,
    last_ledger_id bigint,
    changed_at timestamptz NOT NULL,
    changed_by varchar
);

COMMENT ON TABLE ops_budget_changes IS 'cost: every change of the limit and every reset, with what stood in the budget then';
COMMENT ON COLUMN ops_budget_changes.last_ledger_id IS 'the last ledger row before the change';
COMMENT ON COLUMN ops_budget_changes.changed_by IS 'who, as far as known';

CREATE TABLE ops_cheaper_models (
    provider varchar NOT NULL,
    model varchar NOT NULL,
    cheaper_provider varchar NOT NULL,
    cheaper_model varchar NOT NULL,
    PRIMARY KEY (provider, model)
);

COMMENT ON TABLE ops_cheaper_models IS 'cost: which model to take instead when money gets short';

CREATE FUNCTION budget_level_of(p_consumed numeric, p_limit numeric) RETURNS varchar
    LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_consumed >= p_limit * 0.95 THEN 'exhausted' WHEN p_consumed >= p_limit * 0.80 THEN 'critical'
                WHEN p_consumed >= p_limit * 0.618 THEN 'cautious' ELSE 'abundant' END
$$;
COMMENT ON FUNCTION budget_level_of(numeric, numeric) IS 'The level of a budget, as its row computes it.';

CREATE FUNCTION get_budget_burn(p_now timestamptz DEFAULT NULL)
    RETURNS TABLE (usd_per_hour_five_minutes numeric, usd_per_hour_hour numeric, usd_per_hour_day numeric, burning_since timestamptz)
    LANGUAGE sql STABLE AS $$
    SELECT 12 * coalesce(sum(m.cost_usd) FILTER (WHERE m.minute > t.now - interval '5 minutes'), 0),
           coalesce(sum(m.cost_usd) FILTER (WHERE m.minute > t.now - interval '1 hour'), 0),
           round(coalesce(sum(m.cost_usd), 0) / 24, 12),
           min(m.minute) FILTER (WHERE m.cost_usd > 0)
    FROM (SELECT coalesce(p_now, clock_timestamp()) AS now) AS t
    LEFT JOIN ops_budget_minutes AS m ON m.minute > t.now - interval '1 day' AND m.minute <= t.now
$$;
COMMENT ON FUNCTION get_budget_burn(timestamptz) IS 'How fast money goes, in USD an hour: over the last five minutes, the last hour and the last day, each in whole minutes; and since when in that day.';

CREATE FUNCTION raise_budget_alert(p_type varchar, p_message text, p_consumed numeric, p_level varchar, p_burn numeric, p_at timestamptz)
    RETURNS void
    LANGUAGE sql AS $$
    INSERT INTO budget_alerts (alert_type, severity, message, budget_consumed_usd, budget_level, burn_rate, timestamp)
    VALUES (p_type, CASE p_type WHEN 'exhausted' THEN 'fatal' WHEN 'critical' THEN 'critical' ELSE 'warning' END,
            p_message, p_consumed, p_level, p_burn, p_at)
$$;
COMMENT ON FUNCTION raise_budget_alert(varchar, text, numeric, varchar, numeric, timestamptz) IS 'Leaves one alert with the severity of its type.';

CREATE FUNCTION settle_budget_state(
    p_state budget_state, p_consumed numeric, p_held numeric, p_spent numeric, p_saved numeric, p_calls integer, p_anthropic integer, p_ollama integer,
    p_now timestamptz
) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    v_burn record;
    v_hours numeric;
    v_left CONSTANT numeric := greatest(p_state.budget_limit_usd - p_consumed, 0);
    v_alarm boolean;
BEGIN
    IF p_spent > 0 OR p_calls > 0 THEN
        INSERT INTO ops_budget_minutes AS m (minute, cost_usd, calls)
        VALUES (date_trunc('minute', p_now), p_spent, p_calls)
        ON CONFLICT (minute) DO UPDATE SET cost_usd = m.cost_usd + EXCLUDED.cost_usd, calls = m.calls + EXCLUDED.calls;
    END IF;
    SELECT b.usd_per_hour_five_minutes AS short, b.usd_per_hour_hour AS hour, b.usd_per_hour_day AS day, b.burning_since AS since INTO v_burn
    FROM get_budget_burn(p_now) AS b;
    v_hours := CASE WHEN p_state.next_reset > p_now THEN extract(epoch FROM p_state.next_reset - p_now) / 3600 ELSE 24 END;
    v_alarm := v_left > 0 AND coalesce(v_burn.since <= p_now - interval '5 minutes', false)
        AND greatest(least(v_burn.short, v_burn.hour), least(v_burn.hour, v_burn.day)) * v_hours > v_left;
    IF v_alarm AND NOT p_state.velocity_alarm THEN
        PERFORM raise_budget_alert('velocity_alarm',
            format('%s USD an hour: %s USD last less than the %s hours until the reset', trim_scale(round(v_burn.hour, 6)), trim_scale(v_left), trim_scale(round(v_hours, 1))),
            p_consumed, budget_level_of(p_consumed, p_state.budget_limit_usd), v_burn.hour, p_now);
    END IF;
    UPDATE budget_state AS b
    SET budget_consumed_usd = p_consumed, budget_held_usd = p_held, cost_saved_usd = b.cost_saved_usd + p_saved,
        total_calls = b.total_calls + p_calls, calls_anthropic = b.calls_anthropic + p_anthropic,
        calls_ollama = b.calls_ollama + p_ollama, velocity_alarm = v_alarm, last_updated = p_now,
        burn_rate_usd_per_hour = v_burn.hour,
        estimated_runway_hours = CASE WHEN v_burn.hour > 0 THEN least(floor(v_left / v_burn.hour), 2147483647)::integer END
    WHERE b.id = 1;
END;
$$;
COMMENT ON FUNCTION settle_budget_state(budget_state, numeric, numeric, numeric, numeric, integer, integer, integer, timestamptz) IS 'Writes the budget back with the lock held: sums, counts, burn rate, runway, velocity alarm.';

CREATE FUNCTION expire_reservations(p_now timestamptz) RETURNS numeric
    LANGUAGE sql AS $$
    WITH gone AS (
        UPDATE ops_budget_reservations AS r SET state = 'expired', ended_at = r.expires_at
        WHERE r.state = 'held' AND r.expires_at <= p_now
        RETURNING r.estimated_usd
    )
    SELECT coalesce(sum(g.estimated_usd), 0) FROM gone AS g
$$;
COMMENT ON FUNCTION expire_reservations(timestamptz) IS 'Ends the holds whose time is over and returns their sum; with the lock of the budget held.';

CREATE FUNCTION read_budget_operations(p_operations jsonb)
    RETURNS TABLE (
        place integer, kind varchar, source varchar, request_key text, reservation_id uuid, estimated_usd numeric,
        holds_seconds double precision, provider varchar, model varchar, session_id varchar, task_id varchar, router_type varchar,
        task_type varchar, task_complexity varchar, tokens_input integer, tokens_output integer, usage jsonb, cost_usd numeric,
        credit_usd numeric, our_cost_usd numeric, claimed_cost_usd numeric, unpriced_reason text, price_source varchar,
        price_version varchar, savings_usd numeric, degraded boolean, response_id varchar, trace_id varchar, span_id varchar,
        occurred_at timestamptz, corrects_id bigint, is_past boolean, held ops_budget_reservations, booked_id bigint,
        keyed_id bigint, first_place integer, span_place integer, hold_place integer)
    LANGUAGE sql STABLE AS $$
    -- Looked up one by one behind their keys; + 0 keeps the least from being sought in the order of the ids. The provider is no condition of an index here: that one has few values,
    -- and a plan that was made for an empty ledger would read all rows of one.
    SELECT o.place, o.kind, o.source, o.request_key, o.reservation_id, o.estimated_usd, o.holds_seconds,
           c.provider, coalesce(o.model, r.model), coalesce(o.session_id, r.session_id),
           coalesce(o.task_id, r.task_id), coalesce(o.router_type, r.router_type), coalesce(o.task_type, r.task_type),
           coalesce(o.task_complexity, r.task_complexity), o.tokens_input, o.tokens_output, o.usage, o.cost_usd, o.credit_usd,
           o.our_cost_usd, o.claimed_cost_usd, o.unpriced_reason, o.price_source, o.price_version, o.savings_usd,
           coalesce(o.degraded, r.decision = 'degrade', false), o.response_id, o.trace_id, o.span_id, o.occurred_at, o.corrects_id,
           coalesce(o.is_past, false), r.whole,
           coalesce(
               CASE WHEN o.response_id IS NOT NULL THEN coalesce(
                   (SELECT min(l.id + 0) FROM cost_ledger AS l
                    WHERE l.response_id = o.response_id AND (l.provider || '' = c.provider OR 'unknown' IN (l.provider, c.provider))),
                   (SELECT min(p.ledger_id + 0) FROM ops_cost_reports AS p
                    WHERE p.response_id = o.response_id AND (p.provider = c.provider OR 'unknown' IN (p.provider, c.provider)))) END,
               CASE WHEN o.span_id IS NOT NULL THEN coalesce(
                   (SELECT min(l.id + 0) FROM cost_ledger AS l
                    WHERE l.trace_id = o.trace_id AND l.span_id = o.span_id AND (l.response_id IS NULL OR o.response_id IS NULL)),
                   (SELECT min(p.ledger_id + 0) FROM ops_cost_reports AS p
                    WHERE p.trace_id = o.trace_id AND p.span_id = o.span_id AND (p.response_id IS NULL OR o.response_id IS NULL))) END),
           CASE WHEN o.request_key IS NOT NULL THEN (SELECT p.ledger_id FROM ops_cost_reports AS p WHERE p.request_key = o.request_key) END,
           -- Of several reports of one call, or of one request, in the same batch: the first.
           least(CASE WHEN o.response_id IS NOT NULL THEN min(o.place) OVER (PARTITION BY c.provider, o.response_id) END,
                 CASE WHEN o.span_id IS NOT NULL AND o.response_id IS NULL THEN min(o.place) OVER (PARTITION BY o.trace_id, o.span_id) END,
                 CASE WHEN o.request_key IS NOT NULL THEN min(o.place) OVER (PARTITION BY o.request_key) END),
           CASE WHEN o.span_id IS NOT NULL THEN min(o.place) OVER (PARTITION BY o.trace_id, o.span_id) END,
           CASE WHEN o.reservation_id IS NOT NULL THEN min(o.place) OVER (PARTITION BY o.reservation_id) END
    FROM jsonb_to_recordset(p_operations) AS o (
        place integer, kind varchar, source varchar, request_key text, reservation_id uuid, estimated_usd numeric,
        holds_seconds double precision, provider varchar, model varchar, session_id varchar, task_id varchar, router_type varchar,
        task_type varchar, task_complexity varchar, tokens_input integer, tokens_output integer, usage jsonb, cost_usd numeric,
        credit_usd numeric, our_cost_usd numeric, claimed_cost_usd numeric, unpriced_reason text, price_source varchar,
        price_version varchar, savings_usd numeric, degraded boolean, response_id varchar, trace_id varchar, span_id varchar,
        occurred_at timestamptz, corrects_id bigint, is_past boolean)
    LEFT JOIN LATERAL (
        SELECT x.*, x AS whole FROM ops_budget_reservations AS x WHERE x.reservation_id = o.reservation_id OFFSET 0
    ) AS r ON true
    CROSS JOIN LATERAL (SELECT lower(btrim(coalesce(o.provider, r.provider)))::varchar AS provider) AS c
    ORDER BY o.place
$$;
COMMENT ON FUNCTION read_budget_operations(jsonb) IS 'Operations on the budget in their order, each with the reservation that it is about and the ledger row where its call is booked already.';

CREATE FUNCTION decide_reservation(p_row ops_budget_reservations, p_level varchar, p_consumed numeric, p_held numeric, p_limit numeric)
    RETURNS ops_budget_reservations
    LANGUAGE plpgsql AS $$
DECLARE
    v_cheaper ops_cheaper_models%ROWTYPE;
BEGIN
    p_row.state := 'held';
    p_row.decision := 'allow';
    IF p_level = 'exhausted' OR p_consumed + p_held + p_row.estimated_usd > p_limit THEN
        p_row.state := 'refused';
        p_row.decision := 'refuse';
        p_row.ended_at := p_row.created_at;
        p_row.reason := CASE p_level WHEN 'exhausted' THEN format('exhausted: %s of %s USD consumed', trim_scale(p_consumed), trim_scale(p_limit))
            ELSE format('over the limit: %s consumed + %s held + %s estimated > %s USD', trim_scale(p_consumed), trim_scale(p_held),
                        trim_scale(p_row.estimated_usd), trim_scale(p_limit)) END;
    ELSIF p_level = 'critical' THEN
        SELECT c.* INTO v_cheaper FROM ops_cheaper_models AS c WHERE c.provider = p_row.asked_provider AND c.model = p_row.asked_model;
        IF FOUND THEN
            p_row.decision := 'degrade';
            p_row.provider := v_cheaper.cheaper_provider;
            p_row.model := v_cheaper.cheaper_model;
            p_row.reason := format('critical: %s of %s USD consumed', trim_scale(p_consumed), trim_scale(p_limit));
        END IF;
    END IF;
    RETURN p_row;
END;
$$;
COMMENT ON FUNCTION decide_reservation(ops_budget_reservations, varchar, numeric, numeric, numeric) IS 'Allow, degrade or refuse a reservation, from what is consumed and held at this moment; with the lock of the budget held.';

CREATE FUNCTION transact_budget(p_operations jsonb, p_now timestamptz DEFAULT NULL)
    RETURNS TABLE (
        place integer, outcome varchar, found_ledger bigint, booked_before numeric, booked_after numeric, booked_level varchar,
        booked_degraded boolean, held_state varchar, held_decision varchar, held_reason text, held_usd numeric,
        held_provider varchar, held_model varchar, held_until timestamptz, done_at timestamptz)
    LANGUAGE plpgsql
    -- A plan that was made while the tables were small must not read them whole once they are not.
    SET enable_seqscan = off
    AS $$
DECLARE
    v_state budget_state%ROWTYPE;
    v_now timestamptz;
    v_consumed numeric;
    v_held numeric;
    v_spent numeric := 0;
    v_saved numeric := 0;
    v_calls integer := 0;
    v_anthropic integer := 0;
    v_ollama integer := 0;
    v_level varchar;
    v_before varchar;
    v_op record;
    v_hold ops_budget_reservations%ROWTYPE;
    v_entry cost_ledger%ROWTYPE;
    v_holds ops_budget_reservations[] := '{}';
    v_entries cost_ledger[] := '{}';
    v_reports ops_cost_reports[] := '{}';
    v_report ops_cost_reports%ROWTYPE;
    v_ended ops_budget_reservations[] := '{}';
    v_ids bigint[] := '{}';
    v_again boolean[] := '{}';
BEGIN
    -- Whoever comes second waits here: what follows is done by one at a time.
    SELECT b.* INTO STRICT v_state FROM budget_state AS b WHERE b.id = 1 FOR UPDATE;
    v_now := greatest(coalesce(p_now, clock_timestamp()), v_state.last_updated);
    done_at := v_now;
    v_consumed := v_state.budget_consumed_usd;
    v_held := v_state.budget_held_usd - expire_reservations(v_now);
    v_level := budget_level_of(v_consumed, v_state.budget_limit_usd);
    FOR v_op IN SELECT o.* FROM read_budget_operations(p_operations) AS o ORDER BY o.place LOOP
        place := v_op.place;
        found_ledger := NULL;
        booked_after := NULL;
        outcome := 'done';
        v_hold := v_op.held;
        held_decision := NULL;
        IF v_op.hold_place < v_op.place OR v_op.response_id IS NOT NULL AND v_op.span_place < v_op.place
            OR coalesce(v_again[v_op.first_place + 1], false)
        THEN
            -- What the operation before it did to the reservation is not in v_op.held, nor is what it booked of the span.
            outcome := 'again';
            v_again[v_op.place + 1] := true;
            RETURN NEXT;
            CONTINUE;
        END IF;

        IF v_op.kind = 'reserve' THEN
            IF v_hold.reservation_id IS NOT NULL THEN
                outcome := 'repeated';
            ELSE
                v_hold.reservation_id := v_op.reservation_id;
                v_hold.estimated_usd := v_op.estimated_usd;
                v_hold.provider := v_op.provider;
                v_hold.model := v_op.model;
                v_hold.asked_provider := v_op.provider;
                v_hold.asked_model := v_op.model;
                v_hold.session_id := v_op.session_id;
                v_hold.task_id := v_op.task_id;
                v_hold.router_type := v_op.router_type;
                v_hold.task_type := v_op.task_type;
                v_hold.task_complexity := v_op.task_complexity;
                v_hold.created_at := v_now;
                v_hold.expires_at := v_now + make_interval(secs => v_op.holds_seconds);
                v_hold := decide_reservation(v_hold, v_level, v_consumed, v_held, v_state.budget_limit_usd);
                v_holds := v_holds || v_hold;
                v_held := v_held + CASE v_hold.state WHEN 'held' THEN v_hold.estimated_usd ELSE 0 END;
            END IF;
            held_state := v_hold.state;
            held_decision := v_hold.decision;
            held_reason := v_hold.reason;
            held_usd := v_hold.estimated_usd;
            held_provider := v_hold.provider;
            held_model := v_hold.model;
            held_until := v_hold.expires_at;
            RETURN NEXT;
            CONTINUE;
        END IF;

        IF v_op.kind IN ('settle', 'release') AND v_hold.reservation_id IS NULL THEN
            outcome := 'unknown';
            RETURN NEXT;
            CONTINUE;
        END IF;
        IF v_op.kind = 'release' OR v_hold.ledger_id IS NOT NULL THEN
            found_ledger := v_hold.ledger_id;
            IF v_hold.state <> 'held' THEN
                outcome := 'repeated';
            ELSE
                v_held := v_held - v_hold.estimated_usd;
                v_hold.state := 'released';
                v_ended := v_ended || v_hold;
            END IF;
            held_state := v_hold.state;
            held_decision := v_hold.decision;
            held_reason := v_hold.reason;
            held_usd := v_hold.estimated_usd;
            held_provider := v_hold.provider;
            held_model := v_hold.model;
            held_until := v_hold.expires_at;
            RETURN NEXT;
            CONTINUE;
        END IF;

        found_ledger := coalesce(v_op.keyed_id, v_op.booked_id, v_ids[v_op.first_place + 1]);
        IF found_ledger IS NULL THEN
            v_entry := NULL;
            v_entry.id := nextval('cost_ledger_id_seq');
            v_entry.session_id := v_op.session_id;
            v_entry.task_id := v_op.task_id;
            v_entry.router_type := v_op.router_type;
            v_entry.provider := v_op.provider;
            v_entry.model := v_op.model;
            v_entry.tokens_input := coalesce(v_op.tokens_input, 0);
            v_entry.tokens_output := coalesce(v_op.tokens_output, 0);
            v_entry.cost_usd := v_op.cost_usd;
            v_entry.credit_usd := coalesce(v_op.credit_usd, 0);
            v_entry.budget_before := v_consumed;
            v_entry.budget_after := v_consumed + coalesce(v_entry.cost_usd, 0) - v_entry.credit_usd;
            v_before := v_level;
            v_level := budget_level_of(v_entry.budget_after, v_state.budget_limit_usd);
            v_entry.budget_level := v_level;
            v_entry.circuit_breaker_active := v_level = 'exhausted';
            v_entry.degraded := v_op.degraded;
            v_entry.savings_usd := coalesce(v_op.savings_usd, 0);
            v_entry.timestamp := v_now;
            v_entry.response_id := v_op.response_id;
            v_entry.trace_id := v_op.trace_id;
            v_entry.span_id := v_op.span_id;
            v_entry.task_type := v_op.task_type;
            v_entry.task_complexity := v_op.task_complexity;
            v_entry.source := coalesce(v_op.source, v_op.kind);
            v_entry.unpriced_reason := CASE WHEN v_op.cost_usd IS NULL THEN coalesce(v_op.unpriced_reason, 'nobody named a price') ELSE v_op.unpriced_reason END;
            v_entry.our_cost_usd := v_op.our_cost_usd;
            v_entry.claimed_cost_usd := v_op.claimed_cost_usd;
            v_entry.price_source := v_op.price_source;
            v_entry.price_version := v_op.price_version;
            v_entry.usage := coalesce(v_op.usage, '{}');
            v_entry.occurred_at := v_op.occurred_at;
            v_entry.corrects_id := v_op.corrects_id;
            v_entry.is_past := v_op.is_past;
            v_entries := v_entries || v_entry;
            found_ledger := v_entry.id;
            booked_before := v_consumed;
            booked_after := v_entry.budget_after;
            booked_level := v_level;
            booked_degraded := v_entry.degraded;
            v_consumed := v_entry.budget_after;
            v_spent := v_spent + greatest(coalesce(v_entry.cost_usd, 0) - v_entry.credit_usd, 0);
            v_saved := v_saved + v_entry.savings_usd;
            IF v_op.corrects_id IS NULL THEN
                v_calls := v_calls + 1;
                v_anthropic := v_anthropic + (v_op.provider = 'anthropic')::integer;
                v_ollama := v_ollama + (v_op.provider = 'ollama')::integer;
            END IF;
            IF v_level <> v_before AND v_entry.cost_usd > 0 AND v_level IN ('critical', 'exhausted') THEN
                PERFORM raise_budget_alert(v_level, format('budget %s: %s of %s USD consumed', v_level, trim_scale(v_consumed), trim_scale(v_state.budget_limit_usd)),
                                           v_consumed, v_level, v_state.burn_rate_usd_per_hour, v_now);
            END IF;
        ELSIF v_op.keyed_id IS NOT NULL THEN
            outcome := 'repeated';
        ELSE
            outcome := 'linked';
        END IF;
        v_ids[v_op.place + 1] := found_ledger;
        IF outcome = 'linked' OR outcome = 'done' AND v_op.request_key IS NOT NULL THEN
            v_report := NULL;
            v_report.ledger_id := found_ledger;
            v_report.request_key := v_op.request_key;
            v_report.source := coalesce(v_op.source, v_op.kind);
            v_report.linked := outcome = 'linked';
            v_report.claimed_cost_usd := v_op.claimed_cost_usd;
            v_report.our_cost_usd := v_op.our_cost_usd;
            IF v_report.linked THEN
                v_report.provider := v_op.provider;
                v_report.response_id := v_op.response_id;
                v_report.trace_id := v_op.trace_id;
                v_report.span_id := v_op.span_id;
            END IF;
            v_reports := v_reports || v_report;
        END IF;
        IF v_op.kind = 'settle' AND outcome <> 'repeated' THEN
            v_held := v_held - CASE v_hold.state WHEN 'held' THEN v_hold.estimated_usd ELSE 0 END;
            v_hold.state := 'settled';
            v_hold.ledger_id := found_ledger;
            v_ended := v_ended || v_hold;
        END IF;
        RETURN NEXT;
    END LOOP;

    IF cardinality(v_holds) > 0 THEN
        INSERT INTO ops_budget_reservations SELECT h.* FROM unnest(v_holds) AS h;
    END IF;
    IF cardinality(v_entries) > 0 THEN
        INSERT INTO cost_ledger SELECT e.* FROM unnest(v_entries) AS e ORDER BY e.id;
    END IF;
    IF cardinality(v_reports) > 0 THEN
        INSERT INTO ops_cost_reports (ledger_id, request_key, source, linked, claimed_cost_usd, our_cost_usd, provider, response_id,
                                      trace_id, span_id, reported_at)
        SELECT e.ledger_id, e.request_key, e.source, e.linked, e.claimed_cost_usd, e.our_cost_usd, e.provider, e.response_id,
               e.trace_id, e.span_id, v_now FROM unnest(v_reports) AS e
        ON CONFLICT (request_key) DO NOTHING;
    END IF;
    IF cardinality(v_ended) > 0 THEN
        UPDATE ops_budget_reservations AS r SET state = e.state, ledger_id = e.ledger_id, ended_at = v_now
        FROM unnest(v_ended) AS e WHERE r.reservation_id = e.reservation_id;
    END IF;
    PERFORM settle_budget_state(v_state, v_consumed, v_held, v_spent, v_saved, v_calls, v_anthropic, v_ollama, v_now);
END;
$$;
COMMENT ON FUNCTION transact_budget(jsonb, timestamptz) IS 'Does operations on the budget one after the other under its lock, in one statement: reserve, settle, release, charge. Answers each by its place, a number from 0 on: done, repeated, linked or unknown, with its reservation and ledger row; again, undone, when another one of the same reservation or span stands before it.';

CREATE FUNCTION book_calls(p_calls jsonb, p_now timestamptz DEFAULT NULL, OUT ids bigint[], OUT linked bigint[])
    LANGUAGE plpgsql
    -- As in transact_budget.
    SET enable_seqscan = off
    AS $$
DECLARE
    v_state budget_state%ROWTYPE;
    v_now timestamptz;
    v_done record;
    v_crossed numeric;
BEGIN
    SELECT b.* INTO STRICT v_state FROM budget_state AS b WHERE b.id = 1 FOR UPDATE;
    v_now := greatest(coalesce(p_now, clock_timestamp()), v_state.last_updated);
    WITH given AS MATERIALIZED (
        -- As in read_budget_operations.
        SELECT c.*, coalesce(
                   (SELECT min(l.id + 0) FROM cost_ledger AS l
                    WHERE l.response_id = c.response_id AND (l.provider || '' = c.provider OR 'unknown' IN (l.provider, c.provider))),
                   (SELECT min(p.ledger_id + 0) FROM ops_cost_reports AS p
                    WHERE p.response_id = c.response_id AND (p.provider = c.provider OR 'unknown' IN (p.provider, c.provider))),
                   (SELECT min(l.id + 0) FROM cost_ledger AS l
                    WHERE l.trace_id = c.trace_id AND l.span_id = c.span_id AND (l.response_id IS NULL OR c.response_id IS NULL)),
                   (SELECT min(p.ledger_id + 0) FROM ops_cost_reports AS p
                    WHERE p.trace_id = c.trace_id AND p.span_id = c.span_id AND (p.response_id IS NULL OR c.response_id IS NULL))) AS known
        FROM jsonb_to_recordset(p_calls) AS c (
            place integer, source varchar, provider varchar, model varchar, session_id varchar, tokens_input integer, tokens_output integer,
            usage jsonb, cost_usd numeric, claimed_cost_usd numeric, unpriced_reason text, price_source varchar, price_version varchar,
            response_id varchar, trace_id varchar, span_id varchar, occurred_at timestamptz, is_history boolean)
    ), fresh AS MATERIALIZED (
        -- Numbers are taken in the order of the money.
        SELECT g.*, nextval('cost_ledger_id_seq') AS id,
               coalesce(g.is_history AND g.occurred_at < v_state.last_reset, false) AS is_past
        FROM (SELECT x.* FROM given AS x WHERE x.known IS NULL ORDER BY x.place) AS g
    ), charged AS (
        SELECT f.*, CASE WHEN f.is_past THEN 0 ELSE coalesce(f.cost_usd, 0) END AS charge FROM fresh AS f
    ), summed AS (
        SELECT c.*, v_state.budget_consumed_usd + sum(c.charge) OVER (ORDER BY c.place ROWS UNBOUNDED PRECEDING) AS after FROM charged AS c
    ), levelled AS MATERIALIZED (
        SELECT s.*, budget_level_of(s.after, v_state.budget_limit_usd) AS level,
               budget_level_of(s.after - s.charge, v_state.budget_limit_usd) AS level_before
        FROM summed AS s
    ), entered AS (
        INSERT INTO cost_ledger (id, session_id, provider, model, tokens_input, tokens_output, cost_usd, budget_before, budget_after,
                                 budget_level, degraded, circuit_breaker_active, savings_usd, timestamp, response_id, trace_id, span_id,
                                 source, unpriced_reason, our_cost_usd, claimed_cost_usd, price_source, price_version, usage, occurred_at,
                                 credit_usd, is_past)
        SELECT e.id, e.session_id, e.provider, e.model, e.tokens_input, e.tokens_output, e.cost_usd, e.after - e.charge,
               e.after, e.level, false, e.level = 'exhausted', 0, v_now, e.response_id, e.trace_id, e.span_id, e.source,
               CASE WHEN e.cost_usd IS NULL THEN coalesce(e.unpriced_reason, 'nobody named a price') ELSE e.unpriced_reason END,
               e.cost_usd, e.claimed_cost_usd, e.price_source, e.price_version, coalesce(e.usage, '{}'), e.occurred_at,
               CASE WHEN e.is_past THEN coalesce(e.cost_usd, 0) ELSE 0 END, e.is_past
        FROM levelled AS e
        ORDER BY e.place
    ), linked AS (
        INSERT INTO ops_cost_reports (ledger_id, source, claimed_cost_usd, our_cost_usd, provider, response_id, trace_id, span_id, reported_at)
        SELECT g.known, g.source, g.claimed_cost_usd, g.cost_usd, g.provider, g.response_id, g.trace_id, g.span_id, v_now
        FROM given AS g WHERE g.known IS NOT NULL ORDER BY g.place
    )
    SELECT array_agg(coalesce(g.known, e.id) ORDER BY g.place) AS ids,
           array_agg(g.known ORDER BY g.place) FILTER (WHERE g.known IS NOT NULL) AS linked, coalesce(sum(e.charge), 0) AS spent,
           count(e.id) FILTER (WHERE NOT e.is_past) AS calls,
           count(*) FILTER (WHERE e.provider = 'anthropic' AND NOT e.is_past) AS anthropic,
           count(*) FILTER (WHERE e.provider = 'ollama' AND NOT e.is_past) AS ollama,
           array_agg(e.after ORDER BY g.place) FILTER (WHERE e.level <> e.level_before AND e.level IN ('critical', 'exhausted')) AS crossed
    INTO STRICT v_done
    FROM given AS g LEFT JOIN levelled AS e ON e.place = g.place;
    FOREACH v_crossed IN ARRAY coalesce(v_done.crossed, '{}') LOOP
        PERFORM raise_budget_alert(budget_level_of(v_crossed, v_state.budget_limit_usd),
            format('budget %s: %s of %s USD consumed', budget_level_of(v_crossed, v_state.budget_limit_usd), trim_scale(v_crossed), trim_scale(v_state.budget_limit_usd)),
            v_crossed, budget_level_of(v_crossed, v_state.budget_limit_usd), v_state.burn_rate_usd_per_hour, v_now);
    END LOOP;
    PERFORM settle_budget_state(v_state, v_state.budget_consumed_usd + v_done.spent, v_state.budget_held_usd - expire_reservations(v_now),
                                v_done.spent, 0, v_done.calls::integer, v_done.anthropic::integer, v_done.ollama::integer, v_now);
    ids := v_done.ids;
    linked := v_done.linked;
END;
$$;
COMMENT ON FUNCTION book_calls(jsonb, timestamptz) IS 'Books many calls that nobody reserved by our prices of them, in one step under the lock of the budget, as transact_budget books them one after the other. One that is_history and was made before the period began gets a row that charges nothing. No two may be of one call. Returns their ledger rows by place, and those of them that were booked before.';

CREATE FUNCTION correct_cost(
    p_ledger_id bigint, p_cost numeric, p_reason text DEFAULT NULL, p_source varchar DEFAULT NULL, p_version varchar DEFAULT NULL,
    p_now timestamptz DEFAULT NULL, p_reporter varchar DEFAULT 'correction'
) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_state budget_state%ROWTYPE;
    v_first cost_ledger%ROWTYPE;
    v_booked numeric;
    v_lately numeric;
    v_credit numeric;
    v_entry bigint;
BEGIN
    PERFORM require_money(p_cost);
    SELECT b.* INTO STRICT v_state FROM budget_state AS b WHERE b.id = 1 FOR UPDATE;
    -- What points at a correction points at what that one corrects: all entries of a call hang on the first.
    SELECT l.* INTO v_first FROM cost_ledger AS l
    WHERE l.id = (SELECT coalesce(k.corrects_id, k.id) FROM cost_ledger AS k WHERE k.id = p_ledger_id);
    IF v_first.id IS NULL THEN
        RAISE EXCEPTION 'there is no ledger row %', p_ledger_id USING ERRCODE = 'no_data_found';
    END IF;
    SELECT sum(l.cost_usd) - CASE WHEN v_first.is_past THEN 0 ELSE sum(l.credit_usd) END,
           coalesce(sum(l.cost_usd - l.credit_usd) FILTER (WHERE l.timestamp >= v_state.last_reset), 0)
    INTO v_booked, v_lately
    FROM cost_ledger AS l WHERE l.id = v_first.id OR l.corrects_id = v_first.id;
    IF v_booked = p_cost THEN
        RETURN NULL;
    END IF;
    IF v_booked - p_cost > v_lately THEN
        RAISE EXCEPTION 'that takes back % USD, and only % of this call were charged to this period', v_booked - p_cost, v_lately
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- A call of the past charges nothing, whatever it cost.
    v_credit := CASE WHEN v_first.is_past THEN p_cost - coalesce(v_booked, 0) ELSE greatest(coalesce(v_booked, 0) - p_cost, 0) END;
    SELECT t.found_ledger INTO STRICT v_entry FROM transact_budget(jsonb_build_array(jsonb_build_object(
        'place', 0, 'kind', 'charge', 'source', p_reporter, 'corrects_id', v_first.id, 'is_past', v_first.is_past, 'provider', v_first.provider,
        'model', v_first.model, 'session_id', v_first.session_id, 'task_id', v_first.task_id, 'router_type', v_first.router_type,
        'task_type', v_first.task_type, 'task_complexity', v_first.task_complexity, 'occurred_at', v_first.occurred_at,
        'cost_usd', greatest(p_cost - coalesce(v_booked, 0), 0), 'credit_usd', v_credit,
        'our_cost_usd', CASE WHEN p_source IS NOT NULL THEN p_cost END, 'price_source', p_source, 'price_version', p_version,
        'unpriced_reason', p_reason)), p_now) AS t;
    RETURN v_entry;
END;
$$;
COMMENT ON FUNCTION correct_cost(bigint, numeric, text, varchar, varchar, timestamptz, varchar) IS 'Says what a booked call truly cost: books the difference in a row that points at it, and returns its id; NULL when that is what is booked already. Refuses to take back more than was charged for the call in this period. p_reporter is the source of that row: correction for a person, whom nobody else corrects.';

CREATE OR REPLACE FUNCTION update_budget(
    p_cost numeric, p_provider varchar DEFAULT 'unknown', p_model varchar DEFAULT 'unknown',
    p_tokens_input integer DEFAULT 0, p_tokens_output integer DEFAULT 0, p_session_id varchar DEFAULT NULL,
    p_task_id varchar DEFAULT NULL, p_router_type varchar DEFAULT NULL, p_degraded boolean DEFAULT false,
    p_savings numeric DEFAULT 0, p_response_id varchar DEFAULT NULL, p_trace_id varchar DEFAULT NULL, p_span_id varchar DEFAULT NULL
) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_answer record;
BEGIN
    PERFORM require_money(p_cost), require_money(p_savings);
    SELECT t.outcome, t.found_ledger INTO STRICT v_answer FROM transact_budget(jsonb_build_array(jsonb_build_object(
        'place', 0, 'kind', 'charge', 'source', 'sql', 'cost_usd', p_cost, 'claimed_cost_usd', p_cost, 'provider', p_provider,
        'model', p_model, 'tokens_input', p_tokens_input, 'tokens_output', p_tokens_output, 'session_id', p_session_id,
        'task_id', p_task_id, 'router_type', p_router_type, 'degraded', p_degraded, 'savings_usd', p_savings,
        'response_id', p_response_id, 'trace_id', p_trace_id, 'span_id', p_span_id))) AS t;
    IF v_answer.outcome <> 'done' THEN
        RAISE EXCEPTION 'the call is booked already, in ledger row %', v_answer.found_ledger USING ERRCODE = 'unique_violation';
    END IF;
    RETURN v_answer.found_ledger;
END;
$$;
COMMENT ON FUNCTION update_budget(numeric, varchar, varchar, integer, integer, varchar, varchar, varchar, boolean, numeric, varchar, varchar, varchar) IS 'Books a cost in USD: budget, ledger row and alarm together. Returns the id of the ledger row; refuses NULL, negative, NaN and infinite costs, and a call that is booked already.';

CREATE FUNCTION set_budget_limit(
    p_limit numeric, p_expected numeric DEFAULT NULL, p_by varchar DEFAULT NULL, p_next_reset timestamptz DEFAULT NULL,
    p_now timestamptz DEFAULT NULL
) RETURNS SETOF budget_state
    LANGUAGE plpgsql AS $$
DECLARE
    v_state budget_state%ROWTYPE;
    v_now timestamptz;
    v_level varchar;
BEGIN
    PERFORM require_money(p_limit);
    SELECT b.* INTO STRICT v_state FROM budget_state AS b WHERE b.id = 1 FOR UPDATE;
    IF p_expected IS DISTINCT FROM v_state.budget_limit_usd AND p_expected IS NOT NULL THEN
        RAISE EXCEPTION 'the limit is % USD by now, not %', v_state.budget_limit_usd, p_expected USING ERRCODE = 'serialization_failure';
    END IF;
    v_now := greatest(coalesce(p_now, clock_timestamp()), v_state.last_updated);
    INSERT INTO ops_budget_changes (kind, limit_before_usd, limit_after_usd, consumed_usd, cost_saved_usd, total_calls,
                                    period_began, last_ledger_id, changed_at, changed_by)
    VALUES ('limit', v_state.budget_limit_usd, p_limit, v_state.budget_consumed_usd, v_state.cost_saved_usd, v_state.total_calls,
            v_state.last_reset, (SELECT max(l.id) FROM cost_ledger AS l), v_now, p_by);
    UPDATE budget_state AS b SET budget_limit_usd = p_limit, next_reset = coalesce(p_next_reset, b.next_reset) WHERE b.id = 1;
    v_level := budget_level_of(v_state.budget_consumed_usd, p_limit);
    IF p_limit < v_state.budget_limit_usd AND v_level <> v_state.budget_level AND v_level IN ('critical', 'exhausted') THEN
        PERFORM raise_budget_alert(v_level, format('budget %s: %s of %s USD consumed', v_level, trim_scale(v_state.budget_consumed_usd), trim_scale(p_limit)),
                                   v_state.budget_consumed_usd, v_level, v_state.burn_rate_usd_per_hour, v_now);
    END IF;
    SELECT b.* INTO STRICT v_state FROM budget_state AS b WHERE b.id = 1;
    PERFORM settle_budget_state(v_state, v_state.budget_consumed_usd, v_state.budget_held_usd - expire_reservations(v_now),
                                0, 0, 0, 0, 0, v_now);
    RETURN QUERY SELECT b.* FROM budget_state AS b;
END;
$$;
COMMENT ON FUNCTION set_budget_limit(numeric, numeric, varchar, timestamptz, timestamptz) IS 'Sets the limit in USD and returns the budget. With p_expected it refuses (serialization_failure) when somebody else changed the limit meanwhile. p_next_reset says until when the money should last.';

DROP FUNCTION reset_budget(numeric);
CREATE FUNCTION reset_budget(p_new_limit numeric DEFAULT NULL, p_by varchar DEFAULT NULL, p_next_reset timestamptz DEFAULT NULL, p_now timestamptz DEFAULT NULL)
    RETURNS SETOF budget_state
    LANGUAGE plpgsql AS $$
DECLARE
    v_state budget_state%ROWTYPE;
    v_now timestamptz;
    v_limit numeric;
BEGIN
    SELECT b.* INTO STRICT v_state FROM budget_state AS b WHERE b.id = 1 FOR UPDATE;
    v_limit := require_money(coalesce(p_new_limit, v_state.budget_limit_usd));
    -- Later than every row of the period that ends, and not later than any of the next.
    v_now := greatest(coalesce(p_now, clock_timestamp()), v_state.last_updated + interval '1 microsecond');
    INSERT INTO ops_budget_changes (kind, limit_before_usd, limit_after_usd, consumed_usd, cost_saved_usd, total_calls,
                                    period_began, last_ledger_id, changed_at, changed_by)
    VALUES ('reset', v_state.budget_limit_usd, v_limit, v_state.budget_consumed_usd, v_state.cost_saved_usd, v_state.total_calls,
            v_state.last_reset, (SELECT max(l.id) FROM cost_ledger AS l), v_now, p_by);
    UPDATE budget_state AS b
    SET budget_limit_usd = v_limit, budget_consumed_usd = 0, burn_rate_usd_per_hour = NULL, estimated_runway_hours = NULL,
        -- Money that went too fast a moment ago does so still: the alarm is not raised again for that.
        budget_held_usd = b.budget_held_usd - expire_reservations(v_now),
        next_reset = CASE WHEN coalesce(p_next_reset, b.next_reset) > v_now THEN coalesce(p_next_reset, b.next_reset) END,
        total_calls = 0, calls_anthropic = 0, calls_ollama = 0, cost_saved_usd = 0, last_reset = v_now, last_updated = v_now
    WHERE b.id = 1;
    RETURN QUERY SELECT b.* FROM budget_state AS b;
END;
$$;
COMMENT ON FUNCTION reset_budget(numeric, varchar, timestamptz, timestamptz) IS 'Starts a new period: nothing consumed, counts at 0, the limit kept or replaced. The ledger stays, holds stay held, and ops_budget_changes keeps what the period was. Returns the budget.';

CREATE FUNCTION cleanup_budget_reservations(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM ops_budget_reservations AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM ops_budget_reservations AS y
        WHERE y.created_at < v_before AND y.state <> 'held'
        ORDER BY y.created_at
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_budget_reservations(integer, integer) IS 'Deletes reservations older than p_days that have ended; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

CREATE FUNCTION cleanup_budget_minutes(p_days integer DEFAULT 30, p_batch integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_before CONSTANT timestamptz := now() - require_days(p_days);
    v_rows bigint;
BEGIN
    DELETE FROM ops_budget_minutes AS x
    WHERE x.ctid = ANY (ARRAY(
        SELECT y.ctid FROM ops_budget_minutes AS y
        WHERE y.minute < v_before
        ORDER BY y.minute
        LIMIT require_batch(p_batch)));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END;
$$;
COMMENT ON FUNCTION cleanup_budget_minutes(integer, integer) IS 'Deletes sums of minutes older than p_days; at most p_batch rows a call, oldest first. Returns how many; repeat until fewer than p_batch.';

-- migrate:down

-- Reservations, links and the history of the limit go; the ledger stays. What corrections took back is lost: the
-- columns of old cannot say it.
DROP FUNCTION cleanup_budget_minutes;
DROP FUNCTION cleanup_budget_reservations;
DROP FUNCTION reset_budget;
DROP FUNCTION set_budget_limit;
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
CREATE OR REPLACE FUNCTION update_budget(
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
DROP FUNCTION correct_cost;
DROP FUNCTION book_calls;
DROP FUNCTION transact_budget;
DROP FUNCTION decide_reservation;
DROP FUNCTION read_budget_operations;
DROP FUNCTION expire_reservations;
DROP FUNCTION settle_budget_state;
DROP FUNCTION raise_budget_alert;
DROP FUNCTION get_budget_burn;
DROP FUNCTION budget_level_of;
DROP TABLE ops_cheaper_models;
DROP TABLE ops_budget_changes;
DROP TABLE ops_budget_minutes;
DROP TABLE ops_cost_reports;
DROP TABLE ops_budget_reservations;
ALTER TABLE budget_state DROP COLUMN velocity_alarm, DROP COLUMN next_reset, DROP COLUMN budget_held_usd;
ALTER TABLE budget_state RESET (fillfactor);
ALTER TABLE budget_alerts DROP COLUMN acknowledged_at, DROP COLUMN acknowledged_by;
DROP INDEX idx_cost_ledger_unpriced;
DROP INDEX idx_cost_ledger_response;
CREATE UNIQUE INDEX idx_cost_ledger_response ON cost_ledger (provider, response_id) WHERE response_id IS NOT NULL;
DROP INDEX idx_cost_ledger_span_alone;
DROP INDEX idx_cost_ledger_span;
CREATE UNIQUE INDEX idx_cost_ledger_span ON cost_ledger (trace_id, span_id) WHERE span_id IS NOT NULL;
DROP INDEX idx_cost_ledger_corrects;
ALTER TABLE cost_ledger DROP COLUMN is_past, DROP COLUMN credit_usd, DROP COLUMN corrects_id;
