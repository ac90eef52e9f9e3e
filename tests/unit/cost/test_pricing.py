"""Prices by the table: equal to the package's for all its models, own rows first, and why there is none."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cynic.clients import genai_prices as client
from cynic.domains.cost.pricing import (
    DIMENSIONS,
    NoPrice,
    Price,
    PriceBook,
    PriceRow,
    ProviderRow,
    Usage,
    own_pattern,
)

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
USAGES_PER_MODEL = 4
CONTEXTS: tuple[dict[str, str], ...] = (
    {},
    {},
    {"processing": "batch"},
    {"service_tier": "priority"},
    {"service_tier": "flex"},
    {"speed": "fast"},
)


def row(unit: str = "input_tokens", price: str = "2", **fields: Any) -> PriceRow:
    base = {
        "source": "list",
        "version": "1",
        "provider": "acme",
        "model": "dear",
        "model_pattern": r"\Adear\Z",
        "place": 0,
        "alternative": 0,
        "valid_from": None,
        "daily_from": None,
        "daily_until": None,
        "context": {},
        "unit": unit,
        "dimensions": DIMENSIONS.get(unit, {}),
        "per": 1_000_000,
        "tier_above": 0,
        "price": Decimal(price),
    }
    return PriceRow(**base | fields)


def provider(name: str = "acme", **fields: Any) -> ProviderRow:
    base = {
        "source": "list",
        "provider": name,
        "place": 0,
        "provider_pattern": None,
        "model_pattern": None,
        "falls_back_to": (),
    }
    return ProviderRow(**base | fields)


def cost(book: PriceBook, counts: dict[str, int], at: datetime = NOON, **context: str) -> Decimal:
    found = book.price("acme", "dear", Usage(counts=counts, context=context), at)
    assert isinstance(found, Price), found
    return found.usd


def why(book: PriceBook, name: str | None, model: str, counts: dict[str, int] | None = None) -> str:
    found = book.price(name, model, Usage(counts=counts or {"input_tokens": 1}), NOON)
    assert isinstance(found, NoPrice), found
    return found.reason


BOTH = (row(), row("output_tokens", "8"))


def test_a_part_is_paid_once() -> None:
    book = PriceBook((*BOTH, row("cache_read_tokens", "0.5")), [provider()])
    counts = {"input_tokens": 1_000_000, "cache_read_tokens": 400_000, "output_tokens": 500_000}
    assert cost(book, counts) == Decimal("1.2") + Decimal("0.2") + Decimal(4)


def test_a_tier_holds_for_the_whole_call_once_it_is_passed() -> None:
    book = PriceBook((*BOTH, row(price="4", tier_above=200_000)), [provider()])
    assert cost(book, {"input_tokens": 200_000, "output_tokens": 0}) == Decimal("0.4")
    assert cost(book, {"input_tokens": 200_001, "output_tokens": 0}) == Decimal("0.800004")


def test_dated_prices_hold_from_their_day_and_the_first_one_before() -> None:
    dated = row(price="1", alternative=1, valid_from=date(2026, 6, 15))
    book = PriceBook((row(), dated), [provider()])
    counts = {"input_tokens": 1_000_000}
    assert cost(book, counts, NOON - timedelta(hours=12, microseconds=1)) == 2
    assert cost(book, counts, NOON - timedelta(hours=12)) == 1
    only = PriceBook((dated,), [provider()])
    assert cost(only, counts, NOON - timedelta(days=900)) == 1


def test_hours_of_the_day_also_over_midnight() -> None:
    night = row(price="1", alternative=1, daily_from=time(22), daily_until=time(6))
    book = PriceBook((row(), night), [provider()])
    counts = {"input_tokens": 1_000_000}
    hours = {hour: cost(book, counts, NOON.replace(hour=hour)) for hour in range(24)}
    assert [hour for hour, usd in hours.items() if usd == 1] == [0, 1, 2, 3, 4, 5, 22, 23]


def test_a_kind_of_request_replaces_what_it_names() -> None:
    batch = row(price="1", alternative=1, context={"processing": "batch"})
    book = PriceBook((*BOTH, batch), [provider()])
    counts = {"input_tokens": 1_000_000, "output_tokens": 1_000_000}
    assert cost(book, counts) == 10
    assert cost(book, counts, processing="batch") == 9
    assert cost(book, counts, processing="other") == 10


def test_own_prices_go_first_from_their_day() -> None:
    own = row(price="1", source="own", alternative=1, valid_from=date(2026, 6, 1))
    book = PriceBook((row(), own), [provider()])
    assert cost(book, {"input_tokens": 1_000_000}) == 1
    assert cost(book, {"input_tokens": 1_000_000}, NOON - timedelta(days=30)) == 2
    found = PriceBook((own,)).price("acme", "dear", Usage(counts={"input_tokens": 1}), NOON)
    assert found == Price(Decimal("0.000001"), "own", "1"), "a provider that no list knows"


def test_why_there_is_no_price() -> None:
    book = PriceBook((*BOTH, row("cache_read_tokens", "1")), [provider()])
    assert why(book, "acme", "other") == "no price for this model of acme"
    assert why(book, "else", "dear") == "no price list knows the provider else"
    assert why(book, None, "dear") == "no price list knows the provider of this model"
    more = {"input_tokens": 1, "cache_read_tokens": 2, "output_tokens": 0}
    assert why(book, "acme", "dear", more) == "the parts of input_tokens are more than its 1"
    assert "input_tokens" in why(book, "acme", "dear", {"cache_read_tokens": 2})
    early = row(source="own", valid_from=date(2030, 1, 1))
    assert (
        why(PriceBook((early,), [provider()]), "acme", "dear") == "no price for this model of acme"
    )


@pytest.mark.parametrize(
    "counts",
    [
        {"web_searches": 1000},
        {"input_tokens": 1, "web_searches": 1},
        {"input_tokens": 1, "bananas": 1},
        {"input_tokens": 1, "audio_seconds": 1},
    ],
)
def test_what_no_price_covers_is_not_free(counts: dict[str, int]) -> None:
    reason = why(PriceBook(BOTH, [provider()]), "acme", "dear", counts)
    assert (
        reason
        == f"no price for {max(counts, key=lambda name: name != 'input_tokens')} of this model"
    )
    assert why(PriceBook((row(),), [provider()]), "acme", "dear", {"output_tokens": 1})


def test_a_part_is_covered_by_its_whole_and_everything_by_a_price_of_calls() -> None:
    own = [replace(one, source="own") for one in BOTH]
    parts = {"output_reasoning_tokens": 5, "cache_read_tokens": 1, "input_audio_tokens": 2}
    counts = {"input_tokens": 10, "output_tokens": 10}
    for book in (PriceBook(BOTH, [provider()]), PriceBook(own)):
        assert cost(book, counts | parts | {"web_searches": 0}) == cost(book, counts)
    calls = row("requests", "3", per=1, dimensions={"family": "requests"})
    assert cost(PriceBook((calls,), [provider()]), {**counts, "web_searches": 7}) == 3


@pytest.mark.parametrize("backwards", [False, True])
def test_of_own_patterns_the_most_literal_counts_then_the_newest(backwards: bool) -> None:
    def own(model: str, price: str, version: str = "1") -> PriceRow:
        place = 1 if "*" in model else 0
        return row(
            price=price, source="own", model=model, model_pattern=own_pattern(model), place=place, version=version,
        )  # fmt: skip

    rows = [own("*", "1"), own("de*", "2"), own("dea*", "3"), own("*ear", "4", "2")]
    counts = {"input_tokens": 1_000_000}

    def found(*more: PriceRow) -> Decimal:
        every = [*rows, *more]
        return cost(PriceBook(every[::-1] if backwards else every), counts)

    assert found() == 4
    assert found(own("DEA*", "5", "3")) == 5
    assert found(own("dear", "6", "0")) == 6


def test_own_prices_are_exact_whatever_precision_the_caller_has() -> None:
    price = Decimal("123456789012345.123456789012345678901234567891")
    book = PriceBook((replace(row(source="own"), price=price),))
    with localcontext(Context(prec=3)):
        usd = cost(book, {"input_tokens": 2**31 - 1})
        listed = cost(PriceBook((row(price="0.123456"),), [provider()]), {"input_tokens": 1234567})
    assert int(usd.scaleb(36, Context(prec=99))) == int(price.scaleb(30, Context(prec=99))) * (
        2**31 - 1
    )
    assert listed == Decimal("0.152414703552")


def test_who_resells_a_model_takes_its_prices() -> None:
    reseller = provider("shop", falls_back_to=("acme",), provider_pattern="shop")
    book = PriceBook(BOTH, [provider(), reseller])
    found = book.price("my-shop", "DEAR", Usage(counts={"input_tokens": 1_000_000}), NOON)
    assert isinstance(found, Price)
    assert found.usd == 2


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("gpt-4o", "gpt-4o", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o*", "gpt-4o-mini", True),
        ("*", "anything", True),
        ("a.b", "axb", False),
    ],
)
def test_an_own_pattern_knows_one_sign(pattern: str, name: str, matches: bool) -> None:
    own = row(source="own", model=pattern, model_pattern=own_pattern(pattern))
    found = PriceBook((own,)).price("acme", name, Usage(counts={"input_tokens": 1}), NOON)
    assert isinstance(found, Price) is matches


@given(
    counts=st.lists(st.integers(0, 2**31 - 1), min_size=3, max_size=3),
    prices=st.lists(st.decimals(0, 1000, places=6), min_size=3, max_size=3),
)
def test_nothing_is_rounded(counts: list[int], prices: list[Decimal]) -> None:
    """Against integers: prices in millionths per million units."""
    whole, part, out = max(counts[:2]), min(counts[:2]), counts[2]
    units = ("input_tokens", "cache_read_tokens", "output_tokens")
    rows = [replace(row(unit), price=price) for unit, price in zip(units, prices, strict=True)]
    usd = cost(
        PriceBook(rows, [provider()]),
        {"input_tokens": whole, "cache_read_tokens": part, "output_tokens": out},
    )
    exact = sum(
        count * int(price * 10**6)
        for count, price in zip((whole - part, part, out), prices, strict=True)
    )
    assert usd * 10**12 == exact


def loaded() -> PriceBook:
    """The package's list as the table would give it back."""

    def moment(given: object) -> Any:
        return None if given is None else time.fromisoformat(str(given))

    rows = [
        PriceRow(
            **{
                **one,
                "source": client.SOURCE,
                "version": "x",
                "valid_from": date.fromisoformat(str(one["valid_from"]))
                if "valid_from" in one
                else None,
                "daily_from": moment(one.get("daily_from")),
                "daily_until": moment(one.get("daily_until")),
                "price": Decimal(str(one["price"])),
            }  # type: ignore[arg-type]
        )
        for one in client.prices()
    ]
    return PriceBook(rows, [ProviderRow(source=client.SOURCE, **one) for one in client.providers()])  # type: ignore[arg-type]


def usage(rng: random.Random) -> dict[str, int]:
    whole = rng.choice([0, 1, 100, rng.randrange(300_000), rng.randrange(2_000_000)])
    counts = {"input_tokens": whole, "output_tokens": rng.randrange(5000)}
    if rng.random() < 0.5:
        counts["cache_read_tokens"] = rng.randrange(whole + 1) // 2
    if rng.random() < 0.5:
        counts["cache_write_tokens"] = rng.randrange(whole + 1) // 3
        if rng.random() < 0.5:
            counts["cache_write_1h_tokens"] = counts["cache_write_tokens"] // 2
    if rng.random() < 0.1:
        counts["input_audio_tokens"] = whole // 6
    if rng.random() < 0.1:
        counts["output_reasoning_tokens"] = 1
    if rng.random() < 0.1:
        counts["web_searches"] = rng.randrange(4)
    if rng.random() < 0.02:
        del counts["input_tokens"]
    return counts


def overlooked(prices: Any, counts: dict[str, int]) -> list[str]:
    """The counts of which the package takes no notice: neither they nor a whole of them have a price in its list."""
    from genai_prices.data_units import unit_data

    by_price = {one.get("price_key", name): one["dimensions"] for name, one in unit_data.items()}
    priced = [by_price[key] for key, price in vars(prices).items() if price is not None]
    tokens = [one for one in priced if one != {"family": "requests"}]
    return [
        name
        for name, many in counts.items()
        if many and tokens and not any(one.items() <= unit_data[name]["dimensions"].items() for one in tokens)
    ]  # fmt: skip


def test_every_model_of_the_package_costs_what_the_package_says() -> None:
    """Save where it leaves out part of a call: that is no price here."""
    package = pytest.importorskip("genai_prices")
    from genai_prices.data_snapshot import get_snapshot

    book, rng = loaded(), random.Random(618)
    wrong: list[object] = []
    models = silent = 0
    for seller in get_snapshot().providers:
        for model in seller.models:
            models += 1
            for _ in range(USAGES_PER_MODEL):
                counts, context = usage(rng), rng.choice(CONTEXTS)
                at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(
                    minutes=rng.randrange(3 * 525_600)
                )
                try:
                    said = package.calc_price(
                        package.Usage(**counts), model.id, provider_id=seller.id,
                        genai_request_timestamp=at, price_context=context or None,
                    )  # fmt: skip
                    left_out = overlooked(said.model_price, counts)
                    wanted = None if left_out else said.total_price
                    silent += bool(left_out)
                except (LookupError, ValueError):
                    wanted = None
                found = book.price(seller.id, model.id, Usage(counts=counts, context=context), at)
                if (found.usd if isinstance(found, Price) else None) != wanted:
                    wrong.append((seller.id, model.id, counts, context, at, wanted, found))
    assert models > 2000
    assert silent > 0
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("aws", "us.anthropic.claude-sonnet-4-20250514-v1:0"),
        ("azure", "gpt-4o-2024-08-06"),
        ("gcp.gemini", "gemini-2.5-flash"),
        ("litellm", "openai/gpt-4o-mini"),
        (None, "claude-sonnet-4-5"),
        (None, "gpt-4.1"),
        ("OpenAI", "GPT-4o-Mini"),
        ("google", "claude-sonnet-4@20250514"),
        ("openrouter", "openai/gpt-5.2-20251211"),
        ("nobody", "gpt-4o"),
        ("openai", "gpt-0"),
    ],
)
def test_names_are_found_as_the_package_finds_them(name: str | None, model: str) -> None:
    package = pytest.importorskip("genai_prices")
    counts = {"input_tokens": 1200, "cache_read_tokens": 1024, "output_tokens": 85}
    try:
        wanted = package.calc_price(
            package.Usage(**counts), model, provider_id=name, genai_request_timestamp=NOON
        ).total_price
    except LookupError:
        wanted = None
    found = loaded().price(name, model, Usage(counts=counts), NOON)
    assert (found.usd if isinstance(found, Price) else None) == wanted
