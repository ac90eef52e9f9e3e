"""The price list of the package genai-prices, as rows. Offline: the list comes with the package, nothing is fetched.

The package states which names a clause matches; here each becomes one regular expression, to be searched in a
lower-cased name. Left out: the ten seconds that Groq bills at least for a transcription, which stand in the package's
code and not in its data.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, Final, cast

from cynic.base.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE: Final = "genai-prices"
FREE: Final = {
    "unit": "requests",
    "dimensions": {"family": "requests"},
    "per": 1000,
    "tier_above": 0,
    "price": "0",
}


class NoPricesPackageError(UnavailableError):
    """The package with the prices is not installed."""

    code = "no-prices-package"


def available() -> bool:
    """Whether the package is installed; does not import it, which takes half a second."""
    return importlib.util.find_spec("genai_prices") is not None


def version() -> str:
    """The version of the list."""
    _require()
    return importlib.metadata.version("genai-prices")


def providers() -> Iterator[dict[str, object]]:
    """The providers, in the order in which they are asked."""
    for place, one in enumerate(_snapshot()):
        yield {
            "provider": one.id,
            "place": place,
            "provider_pattern": None
            if one.provider_match is None
            else _pattern(one.provider_match),
            "model_pattern": None if one.model_match is None else _pattern(one.model_match),
            "falls_back_to": list(one.fallback_model_providers or ()),
        }


def prices() -> Iterator[dict[str, object]]:
    """Every price of every model: one row for each unit, tier and condition."""
    for provider in _snapshot():
        for place, model in enumerate(provider.models):
            named = {
                "provider": provider.id,
                "model": model.id,
                "model_pattern": _pattern(model.match),
                "place": place,
            }
            for alternative, (condition, context, listed) in enumerate(_lists(model)):
                head = named | {"alternative": alternative, "context": context} | condition
                rows = list(_units(listed))
                # An empty list says that the model is free; here that is said by a price.
                for row in rows or ([] if context else [FREE]):
                    yield head | row


def _require() -> None:
    if not available():
        raise NoPricesPackageError(
            "the package genai-prices is not installed", hint="pip install 'cynic[prices]'"
        )


def _snapshot() -> Any:
    _require()
    from genai_prices.data_snapshot import get_snapshot

    return get_snapshot().providers


def _lists(model: Any) -> Iterator[tuple[dict[str, object], dict[str, str], Any]]:
    """The standard prices with their conditions, then those for kinds of request."""
    if isinstance(model.prices, list):
        for one in cast("list[Any]", model.prices):
            yield _condition(one.constraint), {}, one.prices
    else:
        yield {}, {}, model.prices
    for variant in model.price_variants or ():
        yield _condition(variant.constraint), dict(variant.when), variant.prices


def _condition(constraint: Any) -> dict[str, object]:
    if constraint is None:
        return {}
    if hasattr(constraint, "start_date"):
        return {"valid_from": constraint.start_date.isoformat()}
    return {
        "daily_from": _utc(constraint.start_time).isoformat(),
        "daily_until": _utc(constraint.end_time).isoformat(),
    }


def _utc(moment: time) -> time:
    if moment.tzinfo is None:
        return moment
    return datetime.combine(date(1970, 1, 1), moment).astimezone(UTC).time()


def _units(listed: Any) -> Iterator[dict[str, object]]:
    from genai_prices.data_units import unit_data

    by_price = {one.get("price_key", name): (name, one) for name, one in unit_data.items()}
    for key, value in cast("dict[str, Any]", vars(listed)).items():
        if value is None:
            continue
        unit, described = by_price[key]
        row: dict[str, object] = {
            "unit": unit,
            "dimensions": described.get("dimensions", {}),
            "per": described["per"],
        }
        tiers = [(tier.start, tier.price) for tier in getattr(value, "tiers", ())]
        for above, price in [(0, getattr(value, "base", value)), *tiers]:
            yield row | {"tier_above": above, "price": str(price)}


def _pattern(clause: Any) -> str:
    """One regular expression for a clause; the package compares in lower case, save in regular expressions."""
    for kind, made in (
        ("equals", r"\A(?:{})\Z"),
        ("starts_with", r"\A(?:{})"),
        ("ends_with", r"(?:{})\Z"),
        ("contains", "(?:{})"),
    ):
        if (text := getattr(clause, kind, None)) is not None:
            return made.format(re.escape(text.lower()))
    if (regex := getattr(clause, "regex", None)) is not None:
        return f"(?:{regex})"
    if (parts := getattr(clause, "or_", None)) is not None:
        return "(?:" + "|".join(map(_pattern, parts)) + ")"
    return r"\A" + "".join(rf"(?=[\s\S]*?{_pattern(part)})" for part in clause.and_)
