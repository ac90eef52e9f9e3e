"""What a caller may ask of the budget: a reservation, a settlement, a cost. Checked once for every surface.

Money may be text, a whole number, a Decimal, or a float, which stands for the shortest decimal that is that float. It
is never rounded.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, cast
from uuid import UUID

from cynic.base.checks import NAME_CHARACTERS_MAX, InvalidFieldError, check_text
from cynic.flows.budget_answers import UnknownReservationError
from cynic.flows.submission import MalformedJsonError

if TYPE_CHECKING:
    from collections.abc import Mapping

ID_CHARACTERS_MAX: Final = 255
MONEY_CHARACTERS_MAX: Final = 64
MONEY_MAX: Final = Decimal(10) ** 15
PLACES_MAX: Final = 30
TOKENS_MAX: Final = 2**31 - 1
REQUEST: Final = "request"
"""Under it the kind of request is kept beside the counts, so that no unit can have this name."""
EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)
LATEST: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""A server may show times in any zone: within a day of either end of the calendar there is one where they have no year."""
USAGE_UNITS_MAX: Final = 32
HOLD_SECONDS_DEFAULT: Final = 600
HOLD_SECONDS_MAX: Final = 86_400
ROUTERS: Final = ("llm", "kabbalistic", "unified")
UNTOLD: Final = "the report does not tell what was used"
UNREPORTED: Final = "the call was not reported"
UNSAID: Final = "the answer did not say what it used"
LEFT: Final = "the stream was left before it said what it used"
USAGE_UNKNOWN: Final = frozenset({UNTOLD, UNREPORTED, UNSAID, LEFT})
"""Reasons for which no price list can ever say what a call cost."""
COMPLEXITIES: Final = ("simple", "moderate", "complex")

_AMOUNT: Final = re.compile(r"\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,6})?\s*")
_TASK: Final = {"session_id", "task_id", "task_type", "router_type", "task_complexity"}
_CALL: Final = {"provider", "model"}
_FACTS: Final = {"tokens_input", "tokens_output", "usage", "request", "cost_usd", "occurred_at"}
_KEYS: Final = {"response_id", "trace_id", "span_id"}
RESERVE_FIELDS: Final = frozenset({"estimated_usd", "holds_seconds", *_TASK, *_CALL})
SETTLE_FIELDS: Final = frozenset({*_FACTS, *_KEYS, *_CALL})
COST_FIELDS: Final = frozenset({*_FACTS, *_KEYS, *_CALL, *_TASK})


@dataclass(slots=True, kw_only=True)  # not frozen, which takes three times as long to make
class Task:
    """What the money is spent for."""

    session_id: str | None = None
    task_id: str | None = None
    task_type: str | None = None
    router_type: str | None = None
    task_complexity: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request to spend up to an estimate, in USD."""

    estimated_usd: Decimal
    provider: str
    model: str
    holds_seconds: int = HOLD_SECONDS_DEFAULT
    task: Task = field(default_factory=Task)


@dataclass(slots=True, kw_only=True)  # as above: telemetry brings thousands a second
class Report:
    """What a call used and, as far as known, what it cost. Counts of parts are included in those of their wholes."""

    provider: str | None
    model: str | None
    tokens_input: int
    tokens_output: int
    usage: Mapping[str, int | Decimal] = field(default_factory=dict[str, "int | Decimal"])
    """Counts beyond input and output, by unit of the price table: cache_read_tokens, input_audio_tokens …"""
    request: Mapping[str, str] = field(default_factory=dict[str, str])
    """The kind of request where its price depends on it: {"processing": "batch"}."""
    cost_usd: Decimal | None = None
    """The bill, as the caller knows it."""
    occurred_at: datetime | None = None
    response_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    task: Task = field(default_factory=Task)
    source: str = "costs"
    """Who reports: settle or costs, whose `cost_usd` is the bill; otlp or transcript, where our price is booked and it is a claim."""
    unpriced_reason: str | None = None
    """Why this cannot be priced, where the reporter knows."""


def loads(text: bytes | str) -> object:
    """Read one JSON document with its numbers exact: a fraction becomes a Decimal."""
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        return json.loads(decoded, parse_float=Decimal, parse_constant=_no_constant)
    except RecursionError as error:
        raise MalformedJsonError("the JSON is nested too deeply") from error
    except (UnicodeDecodeError, ValueError) as error:
        raise MalformedJsonError(f"the text is no JSON: {error}") from error


def read_ask(document: object) -> Ask:
    """Check the document of a reservation; raise `InvalidFieldError` at the first rule that is broken."""
    fields = known_fields(document, RESERVE_FIELDS)
    held = fields.get("holds_seconds", HOLD_SECONDS_DEFAULT)
    if not _is_count(held) or not 1 <= cast("int", held) <= HOLD_SECONDS_MAX:
        raise InvalidFieldError("holds_seconds", f"a whole number from 1 to {HOLD_SECONDS_MAX}")
    return Ask(
        estimated_usd=required_money(fields, "estimated_usd"),
        provider=_required(fields, "provider"),
        model=_required(fields, "model"),
        holds_seconds=cast("int", held),
        task=_task(fields),
    )


def read_settlement(document: object) -> Report:
    """Check the document of a settlement; who was called may be left to the reservation."""
    fields = known_fields(document, SETTLE_FIELDS)
    return _report(fields, _name(fields, "provider"), _name(fields, "model"), "settle")


def read_cost(document: object) -> Report:
    """Check the document of a call that was not reserved."""
    fields = known_fields(document, COST_FIELDS)
    return _report(fields, _required(fields, "provider"), _required(fields, "model"), "costs")


def telemetry_report(  # noqa: PLR0913  # one argument for each column of llm_usage that decides about money
    *,
    source: str = "otlp",
    adapter: str,
    model: str,
    tokens_input: int,
    tokens_output: int,
    tokens_cache_read: int | None,
    tokens_cache_write: int | None,
    tokens_reasoning: int | None,
    claimed_cost_usd: Decimal | None,
    occurred_at: datetime | None,
    response_id: str | None,
    trace_id: str | None,
    span_id: str | None,
    session_id: str | None,
    is_usage_told: bool,
) -> Report:
    """What is booked for a row of `llm_usage`: our price, with the claim beside it; a call that tells no usage has none."""
    return Report(
        provider=adapter,
        model=model,
        tokens_input=tokens_input,
        tokens_output=tokens_output,
        usage=telemetry_usage(tokens_cache_read, tokens_cache_write, tokens_reasoning),
        cost_usd=claimed_cost_usd,
        occurred_at=occurred_at,
        response_id=response_id,
        trace_id=trace_id,
        span_id=span_id,
        task=Task(session_id=session_id),
        source=source,
        unpriced_reason=None if is_usage_told else UNTOLD,
    )


def telemetry_usage(
    cache_read: int | None, cache_write: int | None, reasoning: int | None
) -> dict[str, int]:
    """Counts beyond input and output, by unit of the price table; what was not told, or is 0, is none."""
    usage: dict[str, int] = {}
    if cache_read:
        usage["cache_read_tokens"] = cache_read
    if cache_write:
        usage["cache_write_tokens"] = cache_write
    if reasoning:
        usage["output_reasoning_tokens"] = reasoning
    return usage


def reservation_id(given: UUID | str) -> UUID:
    """The id of a reservation; what cannot be one is unknown."""
    try:
        return given if isinstance(given, UUID) else UUID(given)
    except ValueError as error:
        raise UnknownReservationError("no reservation can have this id") from error


def known_fields(document: object, known: frozenset[str]) -> Mapping[str, object]:
    """The fields of an object, none but the known ones."""
    if not isinstance(document, dict):
        raise InvalidFieldError("(all)", f"must be an object, not {type(document).__name__}")
    fields = cast("Mapping[str, object]", document)
    if not fields.keys() <= known:
        name = min(map(str, fields.keys() - known))[:NAME_CHARACTERS_MAX] or "(no name)"
        raise InvalidFieldError(name, "no such field", hint=", ".join(sorted(known)))
    return fields


def required_money(fields: Mapping[str, object], name: str) -> Decimal:
    """An amount that must be there."""
    amount = money(fields.get(name), name)
    if amount is None:
        raise InvalidFieldError(name, 'is missing; an amount in USD, as "0.25"')
    return amount


def money(given: object, where: str) -> Decimal | None:
    """An amount in USD of at least 0, exactly as given; None stays None."""
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, str | int | float | Decimal):
        raise InvalidFieldError(where, f"must be an amount of money, not {type(given).__name__}")
    if isinstance(given, int) and abs(given) >= MONEY_MAX:  # longer ones have no text
        raise InvalidFieldError(where, "must be below 10^15")
    text = repr(given) if isinstance(given, float) else str(given)
    if len(text) > MONEY_CHARACTERS_MAX:
        raise InvalidFieldError(where, f"has more than {MONEY_CHARACTERS_MAX} characters")
    if not _AMOUNT.fullmatch(text):
        raise InvalidFieldError(where, 'must be an amount in USD, as "0.25"')
    amount = Decimal(text)
    if not 0 <= amount < MONEY_MAX or _places(amount) > PLACES_MAX:
        raise InvalidFieldError(
            where, f"must be at least 0, below 10^15, with at most {PLACES_MAX} decimal places"
        )
    return amount.copy_abs()  # abs() would round to what the caller's own arithmetic keeps


def _places(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else PLACES_MAX + 1


def _report(
    fields: Mapping[str, object], provider: str | None, model: str | None, source: str
) -> Report:
    trace_id, span_id = _name(fields, "trace_id"), _name(fields, "span_id")
    if span_id is not None and trace_id is None:
        raise InvalidFieldError("trace_id", "is missing; a span is one within its trace")
    return Report(
        provider=provider,
        model=model,
        tokens_input=_tokens(fields, "tokens_input"),
        tokens_output=_tokens(fields, "tokens_output"),
        usage=_usage(fields.get("usage")),
        request=_words(fields.get("request")),
        cost_usd=money(fields.get("cost_usd"), "cost_usd"),
        occurred_at=moment(fields.get("occurred_at"), "occurred_at"),
        response_id=_name(fields, "response_id"),
        trace_id=trace_id,
        span_id=span_id,
        task=_task(fields),
        source=source,
    )


def _task(fields: Mapping[str, object]) -> Task:
    return Task(
        session_id=_name(fields, "session_id", NAME_CHARACTERS_MAX),
        task_id=_name(fields, "task_id"),
        task_type=_name(fields, "task_type", NAME_CHARACTERS_MAX),
        router_type=_one_of(fields, "router_type", ROUTERS),
        task_complexity=_one_of(fields, "task_complexity", COMPLEXITIES),
    )


def _required(fields: Mapping[str, object], name: str) -> str:
    found = _name(fields, name)
    if found is None:
        raise InvalidFieldError(name, "is missing")
    return found


def _name(
    fields: Mapping[str, object], name: str, characters_max: int = ID_CHARACTERS_MAX
) -> str | None:
    given = fields.get(name)
    if given is not None:
        check_text(given, name, characters_max)
    return cast("str | None", given)


def _one_of(fields: Mapping[str, object], name: str, allowed: tuple[str, ...]) -> str | None:
    given = fields.get(name)
    if given is not None and given not in allowed:
        raise InvalidFieldError(name, f"one of {', '.join(allowed)}")
    return cast("str | None", given)


def _is_count(given: object) -> bool:
    return isinstance(given, int) and not isinstance(given, bool)


def _tokens(fields: Mapping[str, object], name: str) -> int:
    given = fields.get(name)
    if not _is_count(given) or not 0 <= cast("int", given) <= TOKENS_MAX:
        raise InvalidFieldError(name, f"must be a whole number from 0 to {TOKENS_MAX}")
    return cast("int", given)


def _usage(given: object) -> Mapping[str, int | Decimal]:
    counts: dict[str, int | Decimal] = {}
    for unit, count in _pairs(given, "usage"):
        where = f"usage.{unit}"
        if unit == REQUEST:
            raise InvalidFieldError(
                where, "no unit has this name; the kind of request is `request`"
            )
        number = Decimal(repr(count)) if isinstance(count, float) else count
        if isinstance(number, bool) or not isinstance(number, int | Decimal):
            raise InvalidFieldError(where, "must be a number")
        if isinstance(number, Decimal) and _places(number) > PLACES_MAX:  # of NaN as well
            raise InvalidFieldError(
                where, f"must be finite, with at most {PLACES_MAX} decimal places"
            )
        if not 0 <= number <= TOKENS_MAX:
            raise InvalidFieldError(where, f"must be from 0 to {TOKENS_MAX}")
        counts[unit] = number
    return counts


def _words(given: object) -> Mapping[str, str]:
    words: dict[str, str] = {}
    for name, word in _pairs(given, "request"):
        check_text(word, f"request.{name}", NAME_CHARACTERS_MAX)
        words[name] = cast("str", word)
    return words


def _pairs(given: object, where: str) -> list[tuple[str, object]]:
    if given is None:
        return []
    if not isinstance(given, dict):
        raise InvalidFieldError(where, f"must be an object, not {type(given).__name__}")
    pairs = cast("dict[object, object]", given)
    if len(pairs) > USAGE_UNITS_MAX:
        raise InvalidFieldError(where, f"has {len(pairs)} entries; at most {USAGE_UNITS_MAX}")
    for name in pairs:
        check_text(name, where, NAME_CHARACTERS_MAX)
    return list(cast("dict[str, object]", pairs).items())


def moment(given: object, where: str) -> datetime | None:
    """A time with its zone, in UTC; None stays None. What cannot be kept and read again everywhere is refused."""
    if given is None:
        return None
    try:
        found = given if isinstance(given, datetime) else datetime.fromisoformat(cast("str", given))
    except (TypeError, ValueError) as error:
        raise InvalidFieldError(where, "must be a time as ISO 8601 writes it") from error
    if found.utcoffset() is None:
        raise InvalidFieldError(where, "needs a time zone, as Z or +02:00")
    try:
        kept = found.astimezone(UTC)
    except OverflowError:
        kept = None
    if kept is None or not EARLIEST <= kept < LATEST:
        raise InvalidFieldError(
            where, f"must be from {EARLIEST.date()} to before {LATEST.date()}, in UTC"
        )
    return kept


def later(given: object, where: str, now: datetime) -> datetime | None:
    """A time that is still to come."""
    found = moment(given, where)
    if found is not None and found <= now:
        raise InvalidFieldError(where, "must be later than now")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")
