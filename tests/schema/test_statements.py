"""Every named statement is one that the server can plan against the real schema."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cynic
from cynic.db import sqlfile

if TYPE_CHECKING:
    import psycopg

PACKAGE = Path(cynic.__file__).parent
FILES = [path for path in PACKAGE.rglob("*.sql") if path.parent.name != "migrations"]
STATEMENTS = [
    (path, name, text) for path in sorted(FILES) for name, text in sqlfile.load(path).items()
]
# Statements that PREPARE does not take (DO, CREATE …); each is run by the tests of its module.
UTILITY = {
    "listen",
    "make_roles",
    "make_extension",
    "grant_rights",
}


def positional(text: str) -> tuple[str, int]:
    """Turn psycopg's named placeholders into numbered ones; return their count too."""
    numbers: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"${numbers.setdefault(match[1], len(numbers) + 1)}"

    return re.sub(r"%\((\w+)\)s", number, text).replace("%%", "%"), len(numbers)


@pytest.mark.parametrize(
    ("path", "name", "text"),
    STATEMENTS,
    ids=[f"{path.parent.name}/{path.stem}/{name}" for path, name, _ in STATEMENTS],
)
def test_a_statement_can_be_prepared(
    db: psycopg.Connection, path: Path, name: str, text: str
) -> None:
    if path.name in {"roles.sql", "grants.sql"}:
        assert name in UTILITY
        return
    if "\nCOPY " in f"\n{text}":
        with db.cursor() as cursor, cursor.copy(text.encode()):
            return  # no row: the server has looked at the table and the columns
    if name in UTILITY:
        return
    code, _ = positional(text)
    if re.search(
        r"^COPY ", text, re.MULTILINE
    ):  # not for PREPARE either, but no rows can be copied
        with db.cursor().copy(code.encode()) as rows:
            rows.write(b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\xff\xff")
        return
    db.execute(f"PREPARE it AS {code}".encode())
