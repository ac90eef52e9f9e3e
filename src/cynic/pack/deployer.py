"""Deployer: whether it runs elsewhere: it compiles, knows no one machine's paths, and has no debugging left in it."""

from __future__ import annotations

import ast
import importlib
import json
import re
import warnings
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from cynic.pack import look
from cynic.pack.look import Look, Remark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cynic.pack.source import Source

DOG: Final = "Deployer"

ONE_MACHINE: Final = re.compile(
    r"(?<![\w.~/-])/(?:home|Users|root|mnt|media|Volumes)/[\w.-]+|(?<![A-Za-z0-9])[A-Za-z]:(?:\\\\?|/)[\w.-]{2,}|"
    r"\b(?:10\.\d{1,3}|192\.168)\.\d{1,3}\.\d{1,3}\b"
)
_DEBUGGERS: Final = frozenset(
    {
        "breakpoint",
        "pdb.set_trace",
        "ipdb.set_trace",
        "pudb.set_trace",
        "ic",
        "pprint.pprint",
        "pprint",
    }
)
_DEBUG_TEXT: Final = re.compile(
    r"(?i)^\W*(?:debug|here\b|got here|xxx|test\d*\W*$|trace|before\b|after\b)|^[\W_]{3,}|=\s*$"
)
_OTHER_DEBUG: Final = re.compile(
    r"\bconsole\.(?:log|debug)\(|^\s*debugger\b|\bvar_dump\(|\bdbg!\(|\bbinding\.pry\b|^\s*set -x\b"
)


def read(source: Source) -> Look:
    """Compile or parse, and look for what ties it to one machine."""
    if source.kind == "prose":
        return look.silent(DOG, "prose is not deployed")
    try:
        done, warned = _compile(source)
    except _UnreadableError as error:
        broken = [Remark(line=error.line, weight=5.0, text="does not parse")]
        said = f"does not parse: {error}"
        return look.vote(DOG, 0.0, said, remarks=broken, VERIFIABILITY=0.05, COMMITMENT=0.05)
    found = _python(source) if source.kind == "python" else _other(source)
    remarks = [*warned, *found]
    score = look.soundness(remarks, source.written)
    said = (
        f"{done or 'not compiled'}; {look.counted(len(remarks), 'thing')} tied to one machine or left "
        f"from debugging{look.listing(remarks)}"
    )
    parsed = 1.0 if done else None
    return look.vote(DOG, score, said, remarks=remarks, VERIFIABILITY=parsed, COMMITMENT=score)


class _UnreadableError(Exception):
    """What the text is for cannot read it."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message[: look.SHOWN_CHARACTERS_MAX])
        self.line = line


def _compile(source: Source) -> tuple[str | None, list[Remark]]:
    """What was done with the text, None where nobody here can; and the compiler's warnings. Nothing is ever run."""
    suffix = PurePath(source.file_name).suffix.lower()
    try:
        if source.kind == "python":
            return "compiles", _warnings(source)
        if suffix == ".json":
            json.loads(source.content)
        elif suffix == ".toml":
            tomllib = importlib.import_module("tomllib")
            tomllib.loads(source.content)
        elif suffix in {".yaml", ".yml"}:
            _parse_yaml(source.content)
        else:
            return None, []
    except SyntaxError as error:
        raise _UnreadableError(
            f"line {error.lineno or 1}: {error.msg}", error.lineno or 1
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise _UnreadableError(str(error) or "nested too deeply") from error
    return "parses", []


def _warnings(source: Source) -> list[Remark]:
    """Compile the tree that was parsed; what the parser and the compiler warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        compile(source.tree or source.content, "text", "exec", dont_inherit=True)
    said = [*source.warned, *((warning.lineno, str(warning.message)) for warning in caught)]
    return [Remark(line=line, weight=1.0, text=f"compiler: {message}") for line, message in said]


def _parse_yaml(content: str) -> None:
    yaml: Any = importlib.import_module("yaml")
    try:
        for _ in yaml.parse(content, Loader=yaml.SafeLoader):
            pass
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def _python(source: Source) -> Iterator[Remark]:
    documentation = {
        id(node.value)
        for node in source.nodes
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    program = re.search(
        r"(?m)^if __name__ == |^(?:async )?def main\(|^import (?:argparse|click)\b", source.content
    )
    for node in source.nodes:
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in documentation
        ):
            if hit := ONE_MACHINE.search(node.value):
                yield Remark(line=node.lineno, weight=2.0, text=f"holds {hit.group()}")
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func) if isinstance(node.func, ast.Name | ast.Attribute) else ""
            if name in _DEBUGGERS:
                yield Remark(line=node.lineno, weight=3.0, text=f"calls {name}")
            elif name == "print" and not node.keywords:
                if _prints_to_debug(node):
                    yield Remark(line=node.lineno, weight=1.0, text="prints to debug")
                elif not program and not source.is_test:
                    yield Remark(line=node.lineno, weight=0.4, text="prints, and is no program")


def _prints_to_debug(node: ast.Call) -> bool:
    if len(node.args) > 1 and isinstance(node.args[0], ast.Constant):
        return _DEBUG_TEXT.search(str(node.args[0].value)) is not None
    if len(node.args) != 1:
        return False
    only = node.args[0]
    if isinstance(only, ast.JoinedStr):
        texts = [str(part.value) for part in only.values if isinstance(part, ast.Constant)]
        return any(_DEBUG_TEXT.search(text) for text in texts[:1]) or any(
            text.endswith("=") for text in texts
        )
    return isinstance(only, ast.Constant) and _DEBUG_TEXT.search(str(only.value)) is not None


def _other(source: Source) -> Iterator[Remark]:
    for number, line in enumerate(source.lines, 1):
        if hit := ONE_MACHINE.search(line):
            yield Remark(line=number, weight=2.0, text=f"holds {hit.group()}")
        if source.kind == "code" and (hit := _OTHER_DEBUG.search(line)):
            yield Remark(line=number, weight=1.0, text=f"holds {hit.group().strip()}")
