"""Guardian: security. Bandit over Python, and secrets of well-known forms in any text.

It vetoes on what is a flaw wherever it stands. On other languages and on text it looks for secrets only: that can
convict and never acquit, so without a finding Guardian does not vote on them.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import logging
import re
import sys
from typing import TYPE_CHECKING, Any, Final

from cynic.pack import look
from cynic.pack.look import Look, Remark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cynic.pack.source import Source

DOG: Final = "Guardian"
VETO_SCORE_MAX: Final = 0.3
"""What a veto leaves of the score: below 0.382, where a score vetoes by itself."""
PASSING_SCORE_MIN: Final = 0.39
"""Findings that are no veto by their kind do not become one by their number."""

ALWAYS_VETO: Final = frozenset({"B105", "B106", "B107", "B602"})
"""Hard-coded passwords and shell=True: bandit calls them low, and they are flaws wherever they stand."""
ASKS_FOR_AUDIT: Final = frozenset({"B103", "B310"})
"""Questions rather than flaws below high severity: any urlopen, any chmod that lets the group in."""
ONLY_AN_IMPORT: Final = frozenset({f"B4{number:02}" for number in range(1, 16)})
ASSERT: Final = "B101"
SQL: Final = "B608"

_WEIGHTS: Final = {"HIGH": 6.0, "MEDIUM": 3.0, "LOW": 0.5}
_SURE: Final = frozenset({"MEDIUM", "HIGH"})

SECRETS: Final = (
    ("a private key", re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----")),
    ("an AWS access key", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("a GitHub token", re.compile(r"\b(?:gh[pousr]_[0-9A-Za-z]{36}|github_pat_[0-9A-Za-z_]{60,})")),
    ("a GitLab token", re.compile(r"\bglpat-[0-9A-Za-z_-]{20}")),
    ("a Slack token", re.compile(r"\bxox[abprs]-[0-9A-Za-z-]{10,}")),
    ("a Google API key", re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b")),
    ("a Stripe live key", re.compile(r"\b[rs]k_live_[0-9A-Za-z]{16}")),
    (
        "a model provider's key",
        re.compile(r"\bsk-(?:ant-|proj-|svcacct-)?(?=[A-Za-z_-]{0,40}\d)[A-Za-z0-9_-]{32}"),
    ),
    ("an npm token", re.compile(r"\bnpm_[0-9A-Za-z]{36}\b")),
    (
        "a JSON web token",
        re.compile(r"\beyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{10}"),
    ),
    (
        "a password in a URL",
        re.compile(r"\b[a-z][a-z0-9+.-]{1,15}://[^\s:/@<>{}$]{1,99}:[^\s:/@<>{}$*]{6,99}@"),
    ),
)
_ASSIGNED: Final = re.compile(
    r"""(?ix) \b (?: password | passwd | secret | api_?key | access_?token | auth_?token | private_?key ) ["']? \s*
    (?: = | : | => ) \s* (?P<quote>["']) (?P<value> [^"'\s$<>{}]{6,200} ) (?P=quote)"""
)
_PLACEHOLDER: Final = re.compile(
    r"(?i)example|changeme|change_me|your|placeholder|redacted|xxx|\*\*\*|\.\.\.|^none$|^null$"
)


def read(source: Source) -> Look:
    """Look for security flaws; a file that bandit cannot read is an error, never a pass."""
    found = list(secrets(source))
    if source.kind != "python":
        if not found:
            return look.silent(DOG, "no known secret in it, and bandit reads Python only")
        return _judged(source, found, found, "secrets")
    if source.syntax_error and not found:
        return look.failed(
            DOG, f"bandit reads no Python that does not parse ({source.syntax_error})"
        )
    vetoing = list(found)
    if not source.syntax_error:
        for remark, vetoes in _bandit(source):
            if vetoes:
                vetoing.append(remark)
            found.append(remark)
    return _judged(source, found, vetoing, "bandit and secrets")


def secrets(source: Source) -> Iterator[Remark]:
    """Secrets of well-known forms, at most one a line; quoted passwords too, where bandit does not look."""
    for number, line in enumerate(source.lines, 1):
        what = next((what for what, pattern in SECRETS if pattern.search(line)), None)
        assigned = _ASSIGNED.search(line) if source.kind in {"code", "data"} else None
        if what is None and assigned and not _PLACEHOLDER.search(assigned["value"]):
            what = "a hard-coded password or key"
        if what is not None:
            yield Remark(line=number, weight=6.0, text=what)


def _judged(source: Source, found: list[Remark], vetoing: list[Remark], how: str) -> Look:
    score = look.soundness(found, source.written)
    score = min(score, VETO_SCORE_MAX) if vetoing else max(score, PASSING_SCORE_MIN)
    word = f", {look.counted(len(vetoing), 'of them a veto', 'of them vetoes')}" if vetoing else ""
    said = (
        f"{how}: {look.counted(len(found), 'finding')} in {source.written} lines{word}"
        f"{look.listing(found)}"
    )
    small = [remark for remark in found if remark not in vetoing]
    watchful = look.soundness(small, source.written) if source.kind == "python" else None
    return look.vote(
        DOG,
        score,
        said,
        remarks=found,
        veto=bool(vetoing),
        INTEGRITY=look.soundness(vetoing, source.written) * (0.3 if vetoing else 1.0),
        VIGILANCE=watchful,
    )


def _bandit(source: Source) -> Iterator[tuple[Remark, bool]]:
    """Each finding of bandit, and whether it vetoes. Bandit reads descriptor 0, which the worker has rewound."""
    executed = _executed_names(source)
    for issue in _issues():
        if issue.test_id == ASSERT and source.is_test:
            continue
        if issue.test_id in ONLY_AN_IMPORT and issue.severity == "LOW":
            continue
        weight = _WEIGHTS.get(issue.severity, 0.5) * (1.0 if issue.confidence in _SURE else 0.5)
        # Bandit quotes the password it found; what is kept of a judgment should not spread it.
        what = issue.text.split(":" if issue.test_id in ALWAYS_VETO else ".")[0]
        text = f"{issue.test_id} {what} ({issue.severity.lower()})"
        remark = Remark(line=issue.lineno, weight=weight, text=text)
        yield remark, _vetoes(issue, executed)


def _issues() -> list[Any]:
    logging.disable(logging.CRITICAL)
    _import_when_used("rich.progress")
    config: Any = importlib.import_module("bandit.core.config").BanditConfig()
    manager: Any = importlib.import_module("bandit.core.manager").BanditManager(
        config, "file", ignore_nosec=True
    )
    manager.discover_files(["-"])
    manager.run_tests()
    if manager.skipped:
        raise RuntimeError(f"bandit could not read it: {manager.skipped[0][1]}")
    return list(manager.results)


def _import_when_used(name: str) -> None:
    """Put a module in place that loads itself on first use.

    Bandit imports rich for the progress bar that it shows over many files; we give it one, and the import takes a
    quarter of its time.
    """
    if name in sys.modules or (spec := importlib.util.find_spec(name)) is None or not spec.loader:
        return
    parent, _, child = name.rpartition(".")
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    setattr(sys.modules[parent], child, module)
    spec.loader.exec_module(module)


def _vetoes(issue: Any, executed: frozenset[int]) -> bool:
    if issue.test_id in ALWAYS_VETO:
        return not issue.text.endswith("''")  # an empty password gives nothing away
    if issue.test_id == SQL and issue.confidence not in _SURE:
        # Bandit is unsure of text that looks like SQL until it sees it executed; we see that across statements.
        return any(line in executed for line in (issue.lineno, *issue.linerange))
    if issue.test_id in ASKS_FOR_AUDIT and issue.severity != "HIGH":
        return False
    return issue.severity in _SURE and issue.confidence in _SURE


def _executed_names(source: Source) -> frozenset[int]:
    """The lines of the statements that give a name its value, where that name is executed as SQL somewhere."""
    names = {
        argument.id
        for node in source.nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"execute", "executemany", "executescript", "raw", "text"}
        for argument in node.args
        if isinstance(argument, ast.Name)
    }
    lines: set[int] = set()
    for node in source.nodes:
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id in names for target in targets):
                lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return frozenset(lines)
