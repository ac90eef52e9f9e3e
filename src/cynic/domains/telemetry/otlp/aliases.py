"""The table of names, read once from `aliases.json`: which attribute tells which fact, in whose spelling.

Names of a fact are listed in the order in which they are believed. A client with names of its own (`input_tokens`
alone says little) is known by the prefix of its span and event names; its names come after the common ones.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

Names = dict[str, tuple[tuple[str, int], ...]]
"""Attribute -> the facts it tells, each with its place in the order of belief (0 first)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A program whose spans and events have names of their own."""

    name_prefix: str
    provider: str
    names: Names
    kinds: Mapping[str, str]
    only_when: Mapping[str, tuple[str, str]]
    failures: frozenset[str]
    is_input_exclusive: bool
    """It tells input without the tokens that came from a cache or went into one."""
    is_output_exclusive: bool
    """It tells output without reasoning."""
    has_global_call_ids: bool
    """Its ids of tool calls are those that its transcripts and hooks tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aliases:
    """The whole table."""

    version: int
    names: Names
    kinds: tuple[tuple[str, Mapping[str, str]], ...]
    """Attributes that tell a kind, the most exact first."""
    request_operations: Mapping[str, str]
    kind_operations: Mapping[str, str]
    providers: Mapping[str, str]
    model_prefixes: tuple[tuple[str, str], ...]
    clients: tuple[Client, ...]
    client_prefixes: tuple[str, ...]


def _names(*tables: Mapping[str, list[str]]) -> Names:
    found: dict[str, list[tuple[str, int]]] = {}
    for number, table in enumerate(tables):
        for fact, attributes in table.items():
            for place, attribute in enumerate(attributes):
                found.setdefault(attribute, []).append((fact, 100 * number + place))
    return {attribute: tuple(facts) for attribute, facts in found.items()}


def _client(described: Mapping[str, Any], common: Mapping[str, list[str]]) -> Client:
    return Client(
        name_prefix=described["name_prefix"],
        provider=described["provider"],
        names=_names(common, described["facts"]),
        kinds=described["kinds"],
        only_when={
            name: (attribute, value)
            for name, (attribute, value) in described.get("only_when", {}).items()
        },
        failures=frozenset(described.get("failures", ())),
        is_input_exclusive=described.get("is_input_exclusive", False),
        is_output_exclusive=described.get("is_output_exclusive", False),
        has_global_call_ids=described.get("has_global_call_ids", False),
    )


def read(text: str) -> Aliases:
    """Read the table from its JSON."""
    table: dict[str, Any] = json.loads(text)
    clients = tuple(_client(described, table["facts"]) for described in table["clients"].values())
    return Aliases(
        version=table["version"],
        names=_names(table["facts"]),
        kinds=tuple((attribute, kinds) for attribute, kinds in table["kinds"]),
        request_operations=table["operations"]["llm.request.type"],
        kind_operations=table["operations"]["kind"],
        providers=table["providers"],
        model_prefixes=tuple((prefix, provider) for prefix, provider in table["model_prefixes"]),
        clients=clients,
        client_prefixes=tuple(client.name_prefix for client in clients),
    )


CURRENT: Final = read(Path(__file__).with_name("aliases.json").read_text(encoding="utf-8"))
