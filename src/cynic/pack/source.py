"""The text that is judged: its lines, and its syntax tree when it is Python."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from cynic.pack.kinds import kind_of

if TYPE_CHECKING:
    from cynic.pack.kinds import Kind

_TEST_NAME: Final = re.compile(r"(?:^|[/\\])(?:tests?[/\\]|test_|conftest\.)|_test\.py$")


@dataclass(frozen=True)
class Source:
    """One text to judge."""

    file_name: str
    content: str
    kind: Kind
    warned: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]], compare=False)
    """What Python's parser warned of, once it has parsed: line and message."""

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their ends, numbered from 0; only line feeds part them."""
        parts = self.content.split("\n")
        return parts[:-1] if parts[-1] == "" else parts

    @cached_property
    def written(self) -> int:
        """How many lines hold something, at least 1."""
        return max(1, sum(bool(line.strip()) for line in self.lines))

    @cached_property
    def open_lines(self) -> list[str]:
        """The lines of prose with those of fenced code, and the fences, left blank."""
        fence, kept = "", list[str]()
        for line in self.lines:
            mark = line.lstrip()[:3]
            inside = bool(fence)
            if mark in {"```", "~~~"} and (not fence or mark == fence):
                fence, inside = ("" if fence else mark), True
            kept.append("" if inside else line)
        return kept

    @cached_property
    def _parsed(self) -> ast.Module | str:
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                tree = ast.parse(self.content)
        except SyntaxError as error:
            return f"line {error.lineno or 0}: {error.msg}"
        except (RecursionError, MemoryError, ValueError) as error:
            return f"too deep or too strange to parse ({type(error).__name__})"
        self.warned.extend((warning.lineno, str(warning.message)) for warning in caught)
        return tree

    @property
    def tree(self) -> ast.Module | None:
        """The syntax tree; None when it is no Python, or does not parse."""
        return self._parsed if isinstance(self._parsed, ast.Module) else None

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the syntax tree, outer ones first; walked once for all the dogs."""
        return [] if self.tree is None else list(ast.walk(self.tree))

    @property
    def syntax_error(self) -> str | None:
        """Where and why Python does not parse; None when it does, or is none."""
        if self.kind != "python":
            return None
        return self._parsed if isinstance(self._parsed, str) else None

    @property
    def is_test(self) -> bool:
        """Whether the name says that this tests something: asserts and literal numbers are at home there."""
        return _TEST_NAME.search(self.file_name) is not None


def named(file_name: str, content: str, kind: Kind | None = None) -> Source:
    """The text under its name; a byte order mark belongs to the file, not to the text."""
    content = content.removeprefix("\ufeff").replace("\r\n", "\n")
    return Source(file_name, content, kind or kind_of(file_name, content))
