-- Prices of models: kept as versions of lists, read whole into memory.

-- name: stamp
-- What changes when a price does: every list or own price that is added gets a new id, and one taken away is one less.
SELECT coalesce((SELECT max(p.id) FROM ops_model_prices AS p), 0),
       (SELECT count(*) FROM ops_model_prices AS p WHERE p.source = 'own' AND p.retired_at IS NULL);

-- name: prices
-- The current prices, with what decides when each holds.
SELECT p.source, p.version, p.provider, p.model, p.model_pattern, p.place, p.alternative, p.valid_from, p.daily_from,
       p.daily_until, p.context, p.unit, p.dimensions, p.per, p.tier_above, p.price
FROM ops_model_prices AS p
WHERE p.retired_at IS NULL
ORDER BY p.id;

-- name: providers
-- The current providers of the lists.
SELECT p.source, p.provider, p.place, p.provider_pattern, p.model_pattern, p.falls_back_to
FROM ops_price_providers AS p
WHERE p.retired_at IS NULL
ORDER BY p.source, p.place, p.provider;

-- name: one_updater
-- One list at a time: two that start at once must not both fill the table.
SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.ops_model_prices', 0));

-- name: current_version
-- The version of a list that counts now.
SELECT p.version FROM ops_model_prices AS p WHERE p.source = %(source)s::varchar AND p.retired_at IS NULL LIMIT 1;

-- name: retire_prices
-- What a new version replaces stays, for the ledger rows that name it.
UPDATE ops_model_prices AS p SET retired_at = %(now)s::timestamptz WHERE p.source = %(source)s::varchar AND p.retired_at IS NULL;

-- name: retire_providers
-- The providers of the list go with its prices.
UPDATE ops_price_providers AS p SET retired_at = %(now)s::timestamptz WHERE p.source = %(source)s::varchar AND p.retired_at IS NULL;

-- name: retire_own
-- An own price is replaced by the next one for the same model, in whatever case, from the same day on; without a day all
-- of them go.
UPDATE ops_model_prices AS p SET retired_at = %(now)s::timestamptz
WHERE p.source = 'own' AND p.retired_at IS NULL AND p.provider = %(provider)s::varchar AND lower(p.model) = %(model)s::varchar
  AND (%(all)s::boolean OR p.valid_from IS NOT DISTINCT FROM %(valid_from)s::date);

-- name: add_prices
-- A whole list in one statement.
INSERT INTO ops_model_prices (source, version, provider, model, model_pattern, place, alternative, valid_from, daily_from,
                              daily_until, context, unit, dimensions, per, tier_above, price, created_at)
SELECT %(source)s::varchar, %(version)s::varchar, g.provider, g.model, g.model_pattern, g.place, g.alternative, g.valid_from,
       g.daily_from, g.daily_until, coalesce(g.context, '{}'), g.unit, g.dimensions, g.per, g.tier_above, g.price,
       %(now)s::timestamptz
FROM jsonb_to_recordset(%(prices)s::jsonb) AS g (
    provider varchar, model varchar, model_pattern text, place integer, alternative integer, valid_from date, daily_from time,
    daily_until time, context jsonb, unit varchar, dimensions jsonb, per integer, tier_above bigint, price numeric);

-- name: add_providers
-- The providers of the list.
INSERT INTO ops_price_providers (source, version, provider, place, provider_pattern, model_pattern, falls_back_to)
SELECT %(source)s::varchar, %(version)s::varchar, g.provider, g.place, g.provider_pattern, g.model_pattern,
       ARRAY(SELECT jsonb_array_elements_text(g.falls_back_to))
FROM jsonb_to_recordset(%(providers)s::jsonb) AS g (
    provider varchar, place integer, provider_pattern text, model_pattern text, falls_back_to jsonb);
