"""SQL kept in files: named statements, migration parts, and a splitter into single statements.

Statements are sent to the server one by one: an error then names the statement, nothing parses `%` or
`:name` on the way, and a proxy that forwards each message to other nodes can do so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cynic.base.errors import CynicError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_NAME_LINE = re.compile(r"^-- name: (\w+)[ \t]*$", re.MULTILINE)
_UP = re.compile(r"^-- migrate:up[ \t]*$", re.MULTILINE)
_DOWN = re.compile(r"^-- migrate:down[ \t]*$", re.MULTILINE)
_NO_TRANSACTION = re.compile(r"^-- migrate:no-transaction[ \t]*$", re.MULTILINE)

# One token per match: comments and quoted runs are swallowed whole, so that a semicolon inside them is
# not seen; "/*" is handled by hand because block comments nest.
_TOKEN = re.compile(
    r"""
      --[^\n]*                                  # line comment
    | /\*                                       # block comment begins
    | (?<![\w$])[eE]'(?:[^'\\]|\\.|'')*'        # E'...' with backslash escapes
    | '(?:[^']|'')*'                            # '...'
    | "(?:[^"]|"")*"                            # "..."
    | (?<![\w$])\$(?P<tag>[A-Za-z_]\w*)?\$      # $$ or $tag$ begins
    | (?P<word>[A-Za-z_][\w$]*)
    | ;
    """,
    re.VERBOSE | re.DOTALL,
)


class SqlFileError(CynicError):
    """A SQL file that comes with cynic cannot be read as one; the installation is damaged."""

    code = "sql-file"


@dataclass(frozen=True, slots=True)
class Parts:
    """The two parts of a migration file; `transactional` is False after `-- migrate:no-transaction`."""

    up: str
    down: str
    transactional: bool


def load(path: Path) -> Mapping[str, str]:
    """Read a file of statements, each under a line `-- name: x`; the comments stay with them."""
    text = path.read_text(encoding="utf-8")
    marks = list(_NAME_LINE.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    statements: dict[str, str] = {}
    for mark, end in zip(marks, ends, strict=True):
        name = mark.group(1)
        if name in statements:
            raise SqlFileError(f"{path.name}: two statements are called {name}")
        statements[name] = text[mark.end() : end].strip().removesuffix(";")
    return statements


def parts(text: str, name: str) -> Parts:
    """Cut a migration file into its up and down parts (the format that dbmate reads too)."""
    ups, downs = list(_UP.finditer(text)), list(_DOWN.finditer(text))
    if len(ups) != 1 or len(downs) != 1 or ups[0].start() > downs[0].start():
        raise SqlFileError(
            f"{name}: needs one line '-- migrate:up' and, after it, one line '-- migrate:down'"
        )
    up, down = text[ups[0].end() : downs[0].start()], text[downs[0].end() :]
    transactional = not _NO_TRANSACTION.search(text)
    if not transactional and max(len(list(split(up))), len(list(split(down)))) > 1:
        raise SqlFileError(f"{name}: without a transaction each part holds one statement at most")
    return Parts(up=up, down=down, transactional=transactional)


def split(text: str) -> Iterator[str]:
    """Yield the statements of `text` without their semicolons; runs of mere comments are left out.

    Knows quoted strings and names, E'' strings, dollar quotes, nested block comments and
    `BEGIN ATOMIC … END` bodies, inside which a semicolon does not end the statement.
    """
    start = pos = 0
    blocks = _Blocks()
    has_code = False
    while match := _TOKEN.search(text, pos):
        has_code = has_code or bool(text[pos : match.start()].strip())
        piece = match.group()
        pos = match.end()
        if piece == "/*":
            pos = _end_of_comment(text, pos)
        elif piece.startswith("--"):
            continue
        elif piece == ";" and not blocks.depth:
            if has_code:
                yield text[start : match.start()].strip()
            start, has_code = pos, False
        else:
            has_code = True
            if piece.startswith("$"):
                pos = _end_of_dollar_quote(text, pos, piece)
            elif match.lastgroup == "word":
                blocks.see(piece.upper())
    if has_code or text[pos:].strip():
        yield text[start:].strip()


class _Blocks:
    """Counts `BEGIN ATOMIC` bodies and the CASE … END inside them."""

    def __init__(self) -> None:
        self.depth = 0
        self._previous = ""

    def see(self, word: str) -> None:
        opens_body = word == "ATOMIC" and self._previous == "BEGIN"
        if opens_body or (self.depth and word == "CASE"):
            self.depth += 1
        elif self.depth and word == "END":
            self.depth -= 1
        self._previous = word


def _end_of_comment(text: str, pos: int) -> int:
    depth = 1
    for edge in re.compile(r"/\*|\*/").finditer(text, pos):
        depth += 1 if edge.group() == "/*" else -1
        if not depth:
            return edge.end()
    return len(text)


def _end_of_dollar_quote(text: str, pos: int, delimiter: str) -> int:
    end = text.find(delimiter, pos)
    return len(text) if end < 0 else end + len(delimiter)
