"""Sage: how it reads. Names in Python and other code, sentences in prose."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from cynic.pack import look
from cynic.pack.look import Look, Remark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cynic.pack.source import Source

DOG: Final = "Sage"
POOR_SHARE: Final = (0.0, 0.4)
SENTENCE_WORDS: Final = (20.0, 45.0)
"""Mean words of a sentence: up to 20 is plain language; nobody follows 45."""
SENTENCE_WORDS_MAX: Final = 40
PARAGRAPH_WORDS_MAX: Final = 150
WORDS_MIN: Final = 20

SHORT_AND_KNOWN: Final = frozenset({*"_ijknmxyzefTKVP", "fd", "db", "os", "re", "np", "pd", "df"})
SAYS_NOTHING: Final = frozenset(
    [
        "foo",
        "bar",
        "baz",
        "qux",
        "spam",
        "eggs",
        "stuff",
        "thing",
        "things",
        "blah",
        "asdf",
        "tmp",
        "temp",
        "xxx",
        "aaa",
        "dummy",
        "whatever",
    ]
)
_SNAKE: Final = re.compile(r"_*[a-z0-9][a-z0-9_]*$|_+$")
_CONSTANT: Final = re.compile(r"_*[A-Z][A-Z0-9_]*$")
_CAPITALISED: Final = re.compile(r"_*[A-Z][A-Za-z0-9]*$")
_FRAMEWORK: Final = re.compile(
    r"(?:visit|depart|do)_[A-Z]|(?:test|assert)[A-Z_]|(?:setUp|tearDown|maxDiff|addCleanup)"
)
"""Names that the standard library asks for."""
_NUMBERED: Final = re.compile(r"(?:[a-z]{1,4}|data|value|result|func|item)_?\d$")

_SENTENCE_END: Final = re.compile(r"[.!?…]+[\"')\]*_]*(?:\s+|$)|\n\s*\n|\n\s*(?:[-*+]|\d+[.)])\s")
_ASIDE: Final = re.compile(r" {4}|\t|\||#")
"""Indented code, a table's row, a heading."""
_TOKEN: Final = re.compile(r"`[^`\n]{1,200}`|https?://\S{1,2000}|\]\([^)\n]{0,500}\)")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_UNSPACED: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]")


def read(source: Source) -> Look:
    """Measure naming or sentences."""
    if source.kind == "python":
        if source.tree is None:
            return look.silent(DOG, "no names can be found in Python that does not parse")
        return _python(source)
    if source.kind == "prose":
        return _prose(source)
    if source.kind == "code":
        return _code(source)
    return look.silent(DOG, "data is not read aloud")


def _python(source: Source) -> Look:
    names = {(kind, name): line for kind, name, line in reversed(list(_names(source.nodes)))}
    if not names:
        return look.silent(DOG, "it names nothing")
    poor = [
        Remark(line=line, weight=1.0, text=f"{name} says nothing")
        for (kind, name), line in sorted(names.items(), key=lambda item: (item[1], item[0]))
        if _is_poor(name, kind)
    ]
    odd = [
        Remark(line=line, weight=0.8, text=f"{name} is no {kind}'s name by PEP 8")
        for (kind, name), line in sorted(names.items(), key=lambda item: (item[1], item[0]))
        if not _is_usual(name, kind)
    ]
    telling = look.ramp(len(poor) / len(names), *POOR_SHARE)
    usual = look.ramp(len(odd) / len(names), *POOR_SHARE)
    remarks = [*poor, *odd]
    said = f"{look.counted(len(names), 'name')}: {len(poor)} say nothing, {len(odd)} unlike PEP 8{look.listing(remarks)}"
    return look.vote(
        DOG, (2 * telling + usual) / 3, said, remarks=remarks, RESONANCE=telling, LINEAGE=usual
    )


def _names(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str, int]]:
    """What the module names: kind, name, line. Names of loops and comprehensions may be short, and are left out."""
    for node in nodes:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield "function", node.name, node.lineno
                given = node.args
                for one in (*given.posonlyargs, *given.args, *given.kwonlyargs):
                    yield "variable", one.arg, one.lineno
            case ast.ClassDef():
                yield "class", node.name, node.lineno
            case ast.Assign():
                for target in node.targets:
                    yield from (
                        ("variable", one.id, one.lineno)
                        for one in ast.walk(target)
                        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
                    )
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.NamedExpr(target=ast.Name(id=name)):
                yield "variable", name, node.lineno
            case _:
                pass


def _is_poor(name: str, kind: str) -> bool:
    bare = name.strip("_").lower()
    if name in SHORT_AND_KNOWN or not bare:
        return False
    if len(bare) == 1:
        return kind != "class" or not name.isupper()
    return (
        bare in SAYS_NOTHING
        or bare.rstrip("0123456789_") in SAYS_NOTHING
        or bool(_NUMBERED.fullmatch(bare))
    )


def _is_usual(name: str, kind: str) -> bool:
    if kind == "class":
        return _CAPITALISED.match(name) is not None
    if kind == "function":
        return bool(_SNAKE.match(name) or _FRAMEWORK.match(name))
    # A variable may hold a class, a type or a constant.
    return any(form.match(name) for form in (_SNAKE, _CONSTANT, _CAPITALISED))


def _code(source: Source) -> Look:
    words = set(re.findall(r"\b[A-Za-z_]\w*\b", source.content))
    if not words:
        return look.silent(DOG, "it names nothing")
    poor = sorted(word for word in words if _is_poor(word, "variable"))
    telling = look.ramp(len(poor) / len(words), *POOR_SHARE)
    shown = f": {', '.join(poor[: look.SHOWN_MAX])}" if poor else ""
    said = f"{look.counted(len(words), 'different word')}: {len(poor)} say nothing{shown}"
    return look.vote(DOG, telling, said, RESONANCE=telling)


def _prose(source: Source) -> Look:
    lines = ["" if _ASIDE.match(line) else line for line in source.open_lines]
    text = _TOKEN.sub("x", "\n".join(lines))
    words = len(_WORD.findall(text))
    if words < WORDS_MIN or 5 * len(_UNSPACED.findall(text)) > len(text):
        return look.silent(DOG, f"too few words to measure sentences by ({words})")
    sentences = [count for part in _SENTENCE_END.split(text) if (count := len(_WORD.findall(part)))]
    average = words / len(sentences)
    long = sum(count > SENTENCE_WORDS_MAX for count in sentences)
    paragraphs = [len(_WORD.findall(part)) for part in re.split(r"\n\s*\n", text)]
    walls = sum(count > PARAGRAPH_WORDS_MAX for count in paragraphs)
    score = (
        0.5 * look.ramp(average, *SENTENCE_WORDS)
        + 0.3 * look.ramp(long / len(sentences), 0.0, 0.3)
        + 0.2 * look.ramp(walls / len(paragraphs), 0.0, 0.5)
    )
    said = (
        f"{look.counted(len(sentences), 'sentence')} of {average:.1f} words, {long} over {SENTENCE_WORDS_MAX}; "
        f"{look.counted(walls, 'paragraph')} over {PARAGRAPH_WORDS_MAX} words"
    )
    return look.vote(DOG, score, said, RESONANCE=score)
