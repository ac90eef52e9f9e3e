"""What a call costs, from a table of prices: exact decimals, the provider's own conditions, no guess.

Units form a lattice: a unit with all the dimensions of another one is a part of it (a cached input token is an input
token). Of each count only what no priced part accounts for is paid at its own price, as in genai-prices, whose data
this reads and whose results it equals. A tier holds for the whole call once its input is above it. What cannot be
priced says why.

A count that is not 0 must be covered: by a price of its own, or by that of a whole it is a part of (reasoning by
output). Where the package takes no notice of a count that is not, as of web searches of a model that has no price for
them, there is no price here: part of the call would be free. What is priced by calls alone, or free, covers all.

Own prices are reckoned exactly, those of lists with 28 digits, as there: hours and minutes of audio divide by 3600 and
60, all others by powers of ten.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, localcontext
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final

from cynic.base.exact import DIGITS_28, EXACT
from cynic.domains.cost.lattice import PARTS, Lattice, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import time

OWN: Final = "own"
INPUT: Final = "input_tokens"
OUTPUT: Final = "output_tokens"
REQUESTS: Final = "requests"
FOUND_MAX: Final = 4096
"""Names that are remembered with what was found for them."""
_COMPACT_DATE: Final = re.compile(r"(-)(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")

_TOKENS: Final = {"family": "tokens"}
_CACHE: Final = {**_TOKENS, "direction": "input"}
DIMENSIONS: Final[Mapping[str, Mapping[str, str]]] = {
    INPUT: {**_TOKENS, "direction": "input"},
    OUTPUT: {**_TOKENS, "direction": "output"},
    "cache_read_tokens": {**_CACHE, "token_type": "cache_read"},
    "cache_write_tokens": {**_CACHE, "token_type": "cache_write"},
    "cache_write_5m_tokens": {**_CACHE, "token_type": "cache_write", "cache_ttl": "5m"},
    "cache_write_1h_tokens": {**_CACHE, "token_type": "cache_write", "cache_ttl": "1h"},
}
"""The units that an own price can be set for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """One price, as the table holds it: USD for `per` units under the row's conditions."""

    source: str
    version: str
    provider: str
    model: str
    model_pattern: str
    place: int
    alternative: int
    valid_from: date | None
    daily_from: time | None
    daily_until: time | None
    context: Mapping[str, str]
    unit: str
    dimensions: Mapping[str, str]
    per: int
    tier_above: int
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRow:
    """A provider of a list, the names it goes by, and whose models it resells."""

    source: str
    provider: str
    place: int
    provider_pattern: str | None
    model_pattern: str | None
    falls_back_to: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a call used: counts by unit, parts included in their wholes, and what kind of request it was."""

    counts: Mapping[str, int | Decimal]
    context: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Price:
    """What a call costs by one list."""

    usd: Decimal
    source: str
    version: str


@dataclass(frozen=True, slots=True)
class NoPrice:
    """Why there is no price."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Unit:
    name: str
    per: int
    dimensions: frozenset[tuple[str, str]]
    tiers: tuple[tuple[int, Decimal], ...]
    """Pairs of (above so many input tokens, price), the highest first."""

    def at(self, input_count: int | Decimal) -> Decimal:
        for above, price in self.tiers:
            if input_count > above:
                return price
        return self.tiers[-1][1]


class _Tariff:
    """The prices that hold for a call, the most special unit first, each with the places of its parts."""

    __slots__ = ("_objections", "_priced", "each", "steps", "tiered")

    def __init__(self, units: Iterable[_Unit]) -> None:
        ordered = sorted(units, key=lambda unit: (-len(unit.dimensions), unit.name))
        # A call is one request, whatever is counted.
        self.each = [unit for unit in ordered if unit.name == REQUESTS]
        ordered = [unit for unit in ordered if unit.name != REQUESTS]
        self.steps = tuple(
            (unit, tuple(i for i in range(place) if unit.dimensions < ordered[i].dimensions))
            for place, unit in enumerate(ordered)
        )
        self.tiered = any(len(unit.tiers) > 1 for unit in (*ordered, *self.each))
        self._priced = {unit.name for unit in (*ordered, *self.each)}
        self._objections: dict[tuple[tuple[str, bool], ...], str | None] = {}

    def total(self, given: Mapping[str, int | Decimal], lattice: Lattice) -> Decimal:
        """USD for the counts: of each unit what none of its priced parts accounts for, at its price."""
        objection = self._objection(given, lattice)
        if objection is not None:
            raise UsageError(objection)
        input_count = given.get(INPUT, 0) if self.tiered else 0
        left: list[int | Decimal] = []
        total = sum([unit.at(input_count) / unit.per for unit in self.each], Decimal())
        for unit, parts in self.steps:
            whole = given.get(unit.name, 0)
            rest = whole - sum([left[part] for part in parts]) if parts else whole
            if rest < 0:
                raise UsageError(f"the parts of {unit.name} are more than its {whole}")
            left.append(rest)
            if rest:
                total += unit.at(input_count) * rest / unit.per
        return total

    def _objection(self, given: Mapping[str, int | Decimal], lattice: Lattice) -> str | None:
        """Why counts of these units cannot be priced; None when they can."""
        asked = tuple([(name, count > 0) for name, count in given.items()])
        if asked not in self._objections:
            if len(self._objections) >= FOUND_MAX:
                self._objections.clear()
            self._objections[asked] = self._object(dict(asked), lattice)
        return self._objections[asked]

    def _object(self, asked: Mapping[str, bool], lattice: Lattice) -> str | None:
        told = frozenset(name for name, is_some in asked.items() if is_some)
        for name in told - self._priced:
            dimensions = lattice.dimensions.get(name, frozenset())
            wholes = (unit.dimensions for unit, _ in self.steps)
            if self.steps and not any(whole and whole <= dimensions for whole in wholes):
                return f"no price for {name} of this model"
        needed = [unit.name for unit, _ in self.steps] + ([INPUT] if self.tiered else [])
        objections = (lattice.objection(name, told) for name in needed if name not in asked)
        return next((one for one in objections if one is not None), None)


@dataclass
class _Alternative:
    """One price list of a model, with the conditions under which it holds."""

    valid_from: date | None
    daily_from: time | None
    daily_until: time | None
    context: Mapping[str, str]
    units: dict[str, _Unit]

    @cached_property
    def tariff(self) -> _Tariff:
        return _Tariff(self.units.values())

    def holds(self, at: datetime) -> bool:
        if self.valid_from is not None and at.date() < self.valid_from:
            return False
        if self.daily_from is None or self.daily_until is None:
            return True
        now = at.time()
        if self.daily_until < self.daily_from:
            return now >= self.daily_from or now < self.daily_until
        return self.daily_from <= now < self.daily_until


@dataclass
class _Model:
    provider: str
    source: str
    version: str
    pattern: re.Pattern[str]
    standard: list[_Alternative]
    variants: list[_Alternative]

    @cached_property
    def always(self) -> _Tariff | None:
        """The prices of a list of which there is one alone, for all times."""
        one = self.standard[0]
        bound = one.valid_from is not None or one.daily_from is not None
        return None if len(self.standard) > 1 or bound else one.tariff

    def tariff(self, at: datetime, context: Mapping[str, str]) -> _Tariff | None:
        """The prices that hold at a moment for a kind of request.

        Before the first of a list's dated prices that first one holds; an own price does not hold before its day.
        """
        if self.always is not None and not self.variants:
            return self.always
        first = None if self.source == OWN else self.standard[0]
        chosen = next((a for a in reversed(self.standard) if a.holds(at)), first)
        if chosen is None or not context or not self.variants:
            return chosen and chosen.tariff
        instead: dict[str, _Unit] = {}
        for variant in self.variants:
            if variant.holds(at) and variant.context.items() <= context.items():
                instead = variant.units | instead
        return _Tariff((chosen.units | instead).values()) if instead else chosen.tariff


@dataclass(frozen=True, slots=True)
class _Found:
    own: _Model | None
    listed: _Model | None
    at_home: bool
    """Whether the provider lists the model itself: what it resells has no prices for kinds of request."""
    reason: str


class PriceBook:
    """Prices held in memory. Own rows win over those of a list. Safe to share between threads."""

    def __init__(self, prices: Iterable[PriceRow], providers: Iterable[ProviderRow] = ()) -> None:
        rows = list(prices)
        self._own: dict[str, list[_Model]] = defaultdict(list)
        self._listed: dict[str, list[_Model]] = defaultdict(list)
        for model in _models(rows):
            (self._own if model.source == OWN else self._listed)[model.provider].append(model)
        dimensions = {name: frozenset(one.items()) for name, one in {**PARTS, **DIMENSIONS}.items()}
        dimensions |= {row.unit: frozenset(row.dimensions.items()) for row in rows}
        self._lattice = Lattice(dimensions)
        self._providers = sorted(providers, key=lambda one: one.place)
        self._names = {one.provider: one for one in self._providers}
        self._find = lru_cache(FOUND_MAX)(self._look_up)

    def __len__(self) -> int:
        """How many models have a price."""
        return sum(map(len, (*self._own.values(), *self._listed.values())))

    def price(
        self, provider: str | None, model: str, usage: Usage, at: datetime
    ) -> Price | NoPrice:
        """What a call costs that was made at `at`; `provider` None is found by the model's name."""
        found = self._find(provider, model)
        moment = at.astimezone(UTC)
        chosen, tariff = found.own, found.own and found.own.tariff(moment, usage.context)
        if tariff is None and found.listed is not None:
            chosen = found.listed
            tariff = chosen.tariff(moment, usage.context if found.at_home else {})
        if chosen is None or tariff is None:
            return NoPrice(found.reason)
        try:
            with localcontext(EXACT if chosen.source == OWN else DIGITS_28):
                usd = tariff.total(usage.counts, self._lattice)
        except UsageError as error:
            return NoPrice(str(error))
        return Price(usd, chosen.source, chosen.version)

    def _look_up(self, provider: str | None, model: str) -> _Found:
        name = model.lower()
        if provider is not None and provider.lower() == "litellm" and "/" in name:
            actual, rest = name.split("/", 1)
            if self._named(actual) is not None:
                provider, name = actual, rest
        known = self._provider(provider, name)
        own: _Model | None = None
        for called in (provider.lower().strip() if provider else None, known and known.provider):
            own = own or (_match(self._own[called], name) if called in self._own else None)
        if known is None:
            return _Found(
                own, None, False, f"no price list knows the provider {provider or 'of this model'}"
            )
        for spelled in dict.fromkeys((name, _dashed(name))):
            for place, seller in enumerate((known.provider, *known.falls_back_to)):
                if seller in self._listed and (found := _match(self._listed[seller], spelled)):
                    return _Found(own, found, place == 0, "no price holds for this call")
        return _Found(own, None, False, f"no price for this model of {known.provider}")

    def _provider(self, given: str | None, model: str) -> ProviderRow | None:
        if given is not None and (found := self._named(given)):
            return found
        if given is not None and given.lower() != "litellm":
            return None
        for one in self._providers:
            if one.model_pattern is not None and re.search(one.model_pattern, model):
                return one
        return None

    def _named(self, given: str) -> ProviderRow | None:
        name = given.lower().strip()
        if found := self._names.get(name):
            return found
        for one in self._providers:
            if one.provider_pattern is not None and re.search(one.provider_pattern, name):
                return one
        return None


def own_pattern(model: str) -> str:
    """The pattern of a model's name in which `*` stands for anything."""
    pieces = (re.escape(piece) for piece in model.lower().split("*"))
    return rf"\A{'.*'.join(pieces)}\Z"


def _models(rows: Iterable[PriceRow]) -> list[_Model]:
    grouped: dict[tuple[object, ...], list[PriceRow]] = defaultdict(list)
    for row in rows:
        # An own price stands by itself: the newest one set for a name is the one.
        grouped[row.source, row.provider, row.place, row.model].append(row)
    newest = sorted(grouped.values(), key=lambda one: max(row.version for row in one), reverse=True)
    return [_model(one) for one in sorted(newest, key=_precedence)]


def _precedence(rows: list[PriceRow]) -> tuple[str, int, int]:
    """Which model a name is, of several that match: the first of a list; of own ones the most literal."""
    first = rows[0]
    literal = len(first.model) - first.model.count("*") if first.source == OWN else 0
    return first.provider, first.place, -literal


def _model(rows: list[PriceRow]) -> _Model:
    lists: dict[tuple[int, bool], _Alternative] = {}
    for row in sorted(rows, key=lambda one: one.alternative):
        key = (row.alternative, bool(row.context))
        made = lists.setdefault(
            key, _Alternative(row.valid_from, row.daily_from, row.daily_until, row.context, {})
        )
        former = made.units.get(row.unit)
        tiers = [*(former.tiers if former else ()), (row.tier_above, row.price)]
        made.units[row.unit] = _Unit(
            row.unit,
            row.per,
            frozenset(row.dimensions.items()),
            tuple(sorted(tiers, reverse=True)),
        )
    first = rows[0]
    return _Model(
        first.provider,
        first.source,
        first.version,
        re.compile(first.model_pattern),
        [made for (_, special), made in lists.items() if not special],
        [made for (_, special), made in lists.items() if special],
    )


def _match(models: Sequence[_Model], name: str) -> _Model | None:
    return next((model for model in models if model.pattern.search(name)), None)


def _dashed(name: str) -> str:
    """A compact date in a model's name (-20251211) as the lists spell it (-2025-12-11), where it is a date."""

    def spell(match: re.Match[str]) -> str:
        year, month, day = (int(match.group(index)) for index in range(2, 5))
        try:
            date(year, month, day)
        except ValueError:
            return match.group(0)
        return f"-{year:04d}-{month:02d}-{day:02d}"

    return _COMPACT_DATE.sub(spell, name)
