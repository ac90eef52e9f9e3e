"""The facts of a span or an event: what it stands for, which model or tool, how many tokens, whose session.

Counts arrive as integers, doubles or strings; what is none of them, or negative, is a rejected fact, not a zero. Input
includes what was cached and output includes reasoning (semantic conventions for generative AI, v0.1.0). A client that
tells input without the cached parts is found by its parts being more than the whole, or is known for it; then they are
added. The same for reasoning.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from cynic.domains.telemetry.otlp import aliases

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cynic.domains.telemetry.otlp.aliases import Client

COUNT_MAX: Final = 2**31 - 1
NAME_CHARACTERS_MAX: Final = 255
OUTPUT_CHARACTERS_MAX: Final = 1 << 16
COST_DIGITS_MAX: Final = 40
MODEL_KINDS: Final = frozenset({"model", "embedding"})
USAGE: Final = (
    "tokens_input",
    "tokens_output",
    "tokens_cache_read",
    "tokens_cache_write",
    "tokens_reasoning",
)
_LEADING_ID: Final = re.compile(r'\{\s*"id"\s*:\s*"([^"\\]{1,255})"')
_DIGITS: Final = re.compile(r"[0-9]{1,10}(\.0*)?")


class OverLongError(Exception):
    """A name or an id is longer than any that can be kept and searched; the argument says which."""


@dataclass(slots=True, kw_only=True)
class Facts:
    """What is known; None is not told."""

    kind: str = "other"
    operation: str | None = None
    provider: str | None = None
    model: str | None = None
    response_id: str | None = None
    tokens_input: int | None = None
    tokens_output: int | None = None
    tokens_cache_read: int | None = None
    tokens_cache_write: int | None = None
    tokens_reasoning: int | None = None
    is_input_exclusive: bool = False
    cost_usd: Decimal | None = None
    session_id: str | None = None
    user: str | None = None
    agent: str | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None
    tool_arguments: object = None
    tool_result: object = None
    has_global_call_id: bool = False
    error_type: str | None = None
    duration_ms: int | None = None
    is_failure: bool = False
    rejected: tuple[str, ...] = ()
    """Facts that were told in a form that is none."""

    @property
    def is_usage_told(self) -> bool:
        """Whether a count of the call itself is known, and none was told in a form that is none.

        What was used is not known either when one count of several cannot be read: it is not 0.
        """
        return (self.tokens_input is not None or self.tokens_output is not None) and not any(
            fact in self.rejected for fact in USAGE
        )


def derive(attributes: Mapping[str, object], name: str) -> Facts:
    """The facts in the attributes of a span or an event of this name.

    Raises `OverLongError` for names and ids over 255 characters.
    """
    table = aliases.CURRENT
    client = _client(name) if name.startswith(table.client_prefixes) else None
    found = _collect(attributes, client.names if client else table.names)
    kind, said = _kind(attributes, name, client)
    get = found.get
    facts = Facts(kind=kind)
    session, error = get("session"), get("error")
    facts.session_id = _name(session, "session") if session is not None else None
    facts.user = _short(get("user"))
    facts.agent = _short(get("agent"))
    facts.error_type = _short(error) if error is not None else None
    if kind == "other" and not said and _looks_like_a_call(found):
        facts.kind = kind = "model"
    if client is not None:
        _of_client(facts, client, found, name)
    if kind in MODEL_KINDS:
        _model(facts, found, attributes, client)
    elif kind == "tool":
        _tool(facts, found, name, client)
    _usage(facts, found, client)
    return facts


def is_of_client(name: str) -> bool:
    """Whether a span or an event of this name is one of a client with names of its own."""
    return name.startswith(aliases.CURRENT.client_prefixes)


def _client(name: str) -> Client | None:
    for client in aliases.CURRENT.clients:
        if name.startswith(client.name_prefix):
            return client
    return None


def _collect(attributes: Mapping[str, object], names: aliases.Names) -> dict[str, Any]:
    """Fact -> the value under the name that is believed most."""
    found: dict[str, Any] = {}
    places: dict[str, int] = {}
    for attribute in names.keys() & attributes.keys():
        for fact, place in names[attribute]:
            if fact not in found or place < places[fact]:
                found[fact] = attributes[attribute]
                places[fact] = place
    return found


def _kind(attributes: Mapping[str, object], name: str, client: Client | None) -> tuple[str, bool]:
    """The kind, and whether anything said one."""
    if client is not None and name in client.kinds:
        condition = client.only_when.get(name)
        if condition is None or attributes.get(condition[0]) == condition[1]:
            return client.kinds[name], True
        return "other", True
    for attribute, kinds in aliases.CURRENT.kinds:
        told = attributes.get(attribute)
        if isinstance(told, str):
            kind = kinds.get(told) or kinds.get(told.lower()) or kinds.get(told.upper())
            if kind is not None:
                return kind, True
    return "other", client is not None


def _looks_like_a_call(found: Mapping[str, object]) -> bool:
    """Spans of old instrumentations name no kind: a model that was asked, with its usage, is a call."""
    return (
        "provider" in found
        and ("model_asked" in found or "model_answered" in found)
        and ("tokens_input" in found or "tokens_output" in found)
        and "agent" not in found
    )


def _of_client(facts: Facts, client: Client, found: Mapping[str, object], name: str) -> None:
    facts.has_global_call_id = client.has_global_call_ids
    facts.duration_ms = count(found.get("duration_ms"))
    facts.is_failure = name in client.failures or str(found.get("success", "")).lower() == "false"


def _model(
    facts: Facts, found: Mapping[str, Any], attributes: Mapping[str, object], client: Client | None
) -> None:
    table = aliases.CURRENT
    facts.model = _text(found.get("model_answered"), "model") or _text(
        found.get("model_asked"), "model"
    )
    operation = found.get("operation")
    if operation is None:
        asked = attributes.get("llm.request.type")
        operation = table.request_operations.get(asked) if isinstance(asked, str) else None
    facts.operation = _text(operation, "operation") or table.kind_operations.get(facts.kind)
    facts.provider = _provider(found.get("provider"), facts.model, client)
    facts.response_id = _text(found.get("response_id"), "response id") or _id_inside(
        found.get("output_value")
    )
    cost = found.get("cost")
    if cost is not None:
        facts.cost_usd = money(cost)
        if facts.cost_usd is None:
            facts.rejected += ("cost",)


def _provider(told: object, model: str | None, client: Client | None) -> str | None:
    table = aliases.CURRENT
    if isinstance(told, str) and told:
        spelled = told.strip().lower()
        return _name(table.providers.get(spelled, spelled), "provider")
    if client is not None:
        return client.provider
    if model is not None:
        for prefix, provider in table.model_prefixes:
            if model.startswith(prefix):
                return provider
    return None


def _id_inside(output: object) -> str | None:
    """The response's id, where only its whole JSON was kept (OpenInference)."""
    if not isinstance(output, str) or not output.startswith("{"):
        return None
    if leading := _LEADING_ID.match(output):
        return leading[1]
    if len(output) > OUTPUT_CHARACTERS_MAX or '"id"' not in output:
        return None
    try:
        found = json.loads(output)["id"]
    except (ValueError, KeyError, RecursionError):
        return None
    if not isinstance(found, str) or not found.isprintable():
        return None  # an escape inside may stand for what cannot be stored
    return found if 0 < len(found) <= NAME_CHARACTERS_MAX else None


def _tool(facts: Facts, found: Mapping[str, Any], name: str, client: Client | None) -> None:
    told = _text(found.get("tool_name"), "tool name") or _text(
        found.get("entity_name"), "tool name"
    )
    facts.tool_name = told or _name(name.removeprefix("execute_tool ") or "unknown", "tool name")
    facts.tool_call_id = _text(found.get("tool_call_id"), "tool call id")
    facts.tool_arguments = found.get("tool_arguments")
    facts.tool_result = found.get("tool_result")
    if client is not None and facts.tool_call_id is None:
        facts.has_global_call_id = False


def _usage(facts: Facts, found: Mapping[str, object], client: Client | None) -> None:
    claims = facts.kind not in MODEL_KINDS
    for fact in USAGE:
        told = found.get(fact)
        if claims and told is None:
            told = found.get(fact.replace("tokens", "claimed"))
        if told is None:
            continue
        number = count(told)
        if number is None:
            facts.rejected += (fact,)
        else:
            setattr(facts, fact, number)
    cached = (facts.tokens_cache_read or 0) + (facts.tokens_cache_write or 0)
    if cached and facts.tokens_input is not None:
        known = client is not None and client.is_input_exclusive
        if (known or cached > facts.tokens_input) and facts.tokens_input + cached <= COUNT_MAX:
            facts.tokens_input += cached
            facts.is_input_exclusive = True
    reasoning = facts.tokens_reasoning
    if reasoning and facts.tokens_output is not None:
        known = client is not None and client.is_output_exclusive
        if (
            known or reasoning > facts.tokens_output
        ) and facts.tokens_output + reasoning <= COUNT_MAX:
            facts.tokens_output += reasoning


def count(told: object) -> int | None:
    """A count told as an integer, a double or a string; None for anything else, a negative one, or one over 2^31 - 1."""
    if isinstance(told, bool):
        return None
    if isinstance(told, int):
        number = told
    elif isinstance(told, float):
        if not (math.isfinite(told) and told.is_integer()):
            return None
        number = int(told)
    elif isinstance(told, str) and _DIGITS.fullmatch(told):
        number = int(told.partition(".")[0])
    else:
        return None
    return number if 0 <= number <= COUNT_MAX else None


def money(told: object) -> Decimal | None:
    """An amount in dollars as it was told, exact; None for what is none."""
    if isinstance(told, bool) or not isinstance(told, (int, float, str)):
        return None
    try:
        amount = Decimal(str(told))
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount < 0 or abs(amount.adjusted()) > COST_DIGITS_MAX:
        return None
    return amount if len(amount.as_tuple().digits) <= COST_DIGITS_MAX else None


def _text(told: object, what: str) -> str | None:
    """A name that was told as text."""
    return _name(told, what) if isinstance(told, str) and told else None


def _name(told: object, what: str) -> str | None:
    text = told if isinstance(told, str) else str(told) if isinstance(told, int) else None
    if not text:
        return None
    if len(text) > NAME_CHARACTERS_MAX:
        raise OverLongError(f"{what} has {len(text)} characters; at most {NAME_CHARACTERS_MAX}")
    return text


def _short(told: object) -> str | None:
    """A word for people: cut, since nothing is found by it."""
    return told[:NAME_CHARACTERS_MAX] if isinstance(told, str) and told else None
