"""Who writes and who reads each table: found in the text of statements and function bodies."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cynic.db import sqlfile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from .model import Schema

_TOKEN = re.compile(
    r"""
      --[^\n]* | /\*.*?\*/                 # comments
    | [eE]?'(?:[^'\\]|''|\\.)*'            # strings: names inside them are data
    | (?P<token> "(?:[^"]|"")*" | [A-Za-z_][\w$]* | [(),;.] )
    """,
    re.VERBOSE | re.DOTALL,
)
_BEFORE_TABLE = frozenset({"FROM", "JOIN", "USING"})
_NOT_A_COMMAND = frozenset({"FOR", "KEY", "DO", "ON", "BEFORE", "AFTER", "OR"})
"""Words before UPDATE that make it part of something else: FOR UPDATE, ON CONFLICT DO UPDATE …"""
_END_OF_FROM = frozenset(
    {
        "WHERE",
        "GROUP",
        "HAVING",
        "ORDER",
        "LIMIT",
        "OFFSET",
        "FETCH",
        "FOR",
        "UNION",
        "INTERSECT",
        "EXCEPT",
        "WINDOW",
        "SELECT",
        "SET",
        "RETURNING",
        "ON",
        "VALUES",
        "LOOP",
        "THEN",
        "INTO",
        "RETURN",
    }
)


@dataclass(slots=True)
class Uses:
    """What one text does: the tables it writes, and those it reads."""

    writes: set[str] = field(default_factory=set[str])
    reads: set[str] = field(default_factory=set[str])


@dataclass(slots=True)
class Users:
    """Who uses one table: names of statements and functions, sorted."""

    writers: list[str] = field(default_factory=list[str])
    readers: list[str] = field(default_factory=list[str])


def uses(text: str, tables: AbstractSet[str]) -> Uses:
    """Find the tables after INSERT INTO, UPDATE, DELETE FROM, TRUNCATE (written) and FROM, JOIN (read)."""
    tokens = [match["token"] for match in _TOKEN.finditer(text) if match["token"]]
    words = [token.upper() for token in tokens]
    shadowed = _common_table_expressions(words)
    found = Uses()
    in_from = [False]
    for index, word in enumerate(words):
        previous = words[index - 1] if index else ""
        if word == "(":
            in_from.append(False)
        elif word == ")" and len(in_from) > 1:
            in_from.pop()
        elif word in _BEFORE_TABLE:
            in_from[-1] = True
        elif word in _END_OF_FROM or word == ";":
            in_from[-1] = False
        name = tokens[index].strip('"')
        if name not in tables or name.upper() in shadowed or words[index + 1 : index + 2] == ["."]:
            continue
        if _is_target(words, index):
            found.writes.add(name)
        elif in_from[-1] and (previous in {*_BEFORE_TABLE, ",", "ONLY", "LATERAL"}):
            found.reads.add(name)
    return found


def _is_target(words: list[str], index: int) -> bool:
    """Whether the word at `index` is what an INSERT, UPDATE, DELETE, TRUNCATE or COPY changes."""
    before = words[max(index - 3, 0) : index]
    if before and before[-1] == "ONLY":
        before = before[:-1]
    two = before[-2:]
    if two in (["INSERT", "INTO"], ["DELETE", "FROM"], ["TRUNCATE", "TABLE"]):
        return True
    if before[-1:] in (["TRUNCATE"], ["COPY"]):
        return True
    return before[-1:] == ["UPDATE"] and not (len(two) > 1 and two[0] in _NOT_A_COMMAND)


def _common_table_expressions(words: list[str]) -> set[str]:
    """Names that a WITH gives: they hide tables of the same name."""
    names: set[str] = set()
    for index, word in enumerate(words):
        follows = words[index + 1 : index + 4]
        as_body = follows[:2] == ["AS", "("] or (
            follows[:1] == ["AS"] and follows[-1:] == ["("] and "MATERIALIZED" in follows
        )
        if index and words[index - 1] in {"WITH", "RECURSIVE", ","} and as_body:
            names.add(word)
    return names


def users(schema: Schema, package: Path) -> defaultdict[str, Users]:
    """Map each table to the named statements of the package and the schema's functions that use it."""
    found: defaultdict[str, Users] = defaultdict(Users)
    for name, text in (*_statements(package), *((f"{f.name}()", f.body) for f in schema.functions)):
        used = uses(text, schema.tables.keys())
        for table in sorted(used.writes):
            found[table].writers.append(name)
        for table in sorted(used.reads):
            found[table].readers.append(name)
    for entry in found.values():
        entry.writers.sort()
        entry.readers.sort()
    return found


def _statements(package: Path) -> Iterator[tuple[str, str]]:
    """Every named statement as `cynic.domains.core: name`; what is about the catalogue itself is not meant."""
    for path in sorted(package.rglob("*.sql")):
        if path.parent.name == "migrations":
            continue
        module = ".".join(path.relative_to(package.parent).with_suffix("").parts)
        for name, text in sqlfile.load(path).items():
            yield f"{module.removesuffix('.queries')}: {name}", text
