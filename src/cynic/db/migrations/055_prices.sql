-- 055_prices: what models cost, and a ledger that can say "no price"
--
-- A price is one row: so much for so many of one unit, of the models that a pattern names, of one provider. What a
-- provider's list holds beyond that stands in the row too: from which day, at which hours of the day, above how many
-- input tokens, for which kind of request. Units carry their dimensions, because a cached token is an input token and
-- must not be paid twice. Rows of one list share source and version; a new version retires the old one and keeps it,
-- so that every ledger row can be priced again with the list that it was priced by. Rows of the source `own` win.
--
-- The ledger holds what has no price as NULL with the reason, never as zero. Beside what is booked it keeps our own
-- price and what the client claimed, and what is needed to price the call later: the counts beyond input and output,
-- and the moment of the call.
-- migrate:up

CREATE TABLE ops_model_prices (
    id bigserial PRIMARY KEY,
    source varchar NOT NULL,
    version varchar NOT NULL,
    provider varchar NOT NULL,
    model varchar NOT NULL,
    model_pattern text NOT NULL,
    place integer NOT NULL DEFAULT 0 CHECK (place >= 0),
    alternative integer NOT NULL DEFAULT 0 CHECK (alternative >= 0),
    valid_from date,
    daily_from time,
    daily_until time,
    context jsonb NOT NULL DEFAULT '{}',
    unit varchar NOT NULL,
    dimensions jsonb NOT NULL DEFAULT '{}',
    per integer NOT NULL DEFAULT 1000000 CHECK (per >= 1),
    tier_above bigint NOT NULL DEFAULT 0 CHECK (tier_above >= 0),
    price numeric NOT NULL CHECK (price >= 0 AND price < 'Infinity'),
    created_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz
);

CREATE INDEX idx_ops_model_prices_current ON ops_model_prices (source, provider) WHERE retired_at IS NULL;

COMMENT ON TABLE ops_model_prices IS 'cost: prices of models, one row for each unit and condition; a retired row stays, for what was priced by it';
COMMENT ON COLUMN ops_model_prices.source IS 'where the list comes from: own, or a package by its name';
COMMENT ON COLUMN ops_model_prices.version IS 'the version of that list; ledger rows name it';
COMMENT ON COLUMN ops_model_prices.model_pattern IS 'a regular expression searched in the lower-cased name of a model';
COMMENT ON COLUMN ops_model_prices.place IS 'the order among the models of a provider: the first that matches is the one';
COMMENT ON COLUMN ops_model_prices.alternative IS 'which of the price lists of the model; the last one that is valid counts, the first if none is';
COMMENT ON COLUMN ops_model_prices.valid_from IS 'first day in UTC; NULL since ever';
COMMENT ON COLUMN ops_model_prices.daily_from IS 'beginning of the hours of the day in UTC; NULL at all hours';
COMMENT ON COLUMN ops_model_prices.daily_until IS 'end of these hours, not included';
COMMENT ON COLUMN ops_model_prices.context IS 'kind of request that the price replaces the standard one for, as {"processing": "batch"}; {} is the standard';
COMMENT ON COLUMN ops_model_prices.dimensions IS 'what the unit is a part of: a unit with all dimensions of another is counted within it';
COMMENT ON COLUMN ops_model_prices.per IS 'how many units the price is for';
COMMENT ON COLUMN ops_model_prices.tier_above IS 'holds for the whole call when it has more input tokens than this; 0 is the base price';
COMMENT ON COLUMN ops_model_prices.price IS 'USD for `per` units';
COMMENT ON COLUMN ops_model_prices.retired_at IS 'when another version took its place; NULL is the current one';

CREATE TABLE ops_price_providers (
    id bigserial PRIMARY KEY,
    source varchar NOT NULL,
    version varchar NOT NULL,
    provider varchar NOT NULL,
    place integer NOT NULL DEFAULT 0 CHECK (place >= 0),
    provider_pattern text,
    model_pattern text,
    falls_back_to text[] NOT NULL DEFAULT '{}',
    retired_at timestamptz
);

CREATE INDEX idx_ops_price_providers_current ON ops_price_providers (source) WHERE retired_at IS NULL;

COMMENT ON TABLE ops_price_providers IS 'cost: providers of a price list, the names they go by, and whose models they resell';
COMMENT ON COLUMN ops_price_providers.provider_pattern IS 'a regular expression for other names of the provider';
COMMENT ON COLUMN ops_price_providers.model_pattern IS 'a regular expression for models that are this providers, where no provider was named';
COMMENT ON COLUMN ops_price_providers.falls_back_to IS 'providers whose prices hold for models that this one does not list';

ALTER TABLE cost_ledger ALTER COLUMN cost_usd DROP NOT NULL;
ALTER TABLE cost_ledger
    ADD COLUMN source varchar,
    ADD COLUMN unpriced_reason text,
    ADD COLUMN our_cost_usd numeric CHECK (our_cost_usd >= 0 AND our_cost_usd < 'Infinity'),
    ADD COLUMN claimed_cost_usd numeric CHECK (claimed_cost_usd >= 0 AND claimed_cost_usd < 'Infinity'),
    ADD COLUMN price_source varchar,
    ADD COLUMN price_version varchar,
    ADD COLUMN usage jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN occurred_at timestamptz;
COMMENT ON COLUMN cost_ledger.cost_usd IS 'what was booked; NULL where there is no price, with the reason beside it';
COMMENT ON COLUMN cost_ledger.source IS 'who reported the call that was booked: settle, costs, otlp, transcript or sql; of a correction: correction for a person, reprice, or otlp and transcript';
COMMENT ON COLUMN cost_ledger.unpriced_reason IS 'why nothing could be booked; a later entry that points at this one prices it. In a correction: why it was made';
COMMENT ON COLUMN cost_ledger.our_cost_usd IS 'by our price table; NULL where it has no price';
COMMENT ON COLUMN cost_ledger.claimed_cost_usd IS 'what the client said it cost; NULL when it did not say';
COMMENT ON COLUMN cost_ledger.price_source IS 'the price list of our price';
COMMENT ON COLUMN cost_ledger.price_version IS 'the version of that list';
COMMENT ON COLUMN cost_ledger.usage IS 'counts beyond input and output, by unit, and the kind of request: what a later pricing needs';
COMMENT ON COLUMN cost_ledger.occurred_at IS 'when the call was made, which decides its price; NULL: when it was booked';

-- migrate:down

-- Prices go, and a ledger row without a price cannot be told from one of zero any more.
ALTER TABLE cost_ledger
    DROP COLUMN occurred_at, DROP COLUMN usage, DROP COLUMN price_version, DROP COLUMN price_source,
    DROP COLUMN claimed_cost_usd, DROP COLUMN our_cost_usd, DROP COLUMN unpriced_reason, DROP COLUMN source;
ALTER TABLE cost_ledger DISABLE TRIGGER cost_ledger_update;
UPDATE cost_ledger SET cost_usd = 0 WHERE cost_usd IS NULL;
ALTER TABLE cost_ledger ENABLE ALWAYS TRIGGER cost_ledger_update;
-- squawk-ignore adding-not-nullable-field
ALTER TABLE cost_ledger ALTER COLUMN cost_usd SET NOT NULL;
COMMENT ON COLUMN cost_ledger.cost_usd IS NULL;
DROP TABLE ops_price_providers;
DROP TABLE ops_model_prices;
