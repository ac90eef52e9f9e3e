"""Ruff's rules over Python, run once for Janitor and Analyst and parted into what is untidy and what is wrong.

Without any configuration of the place it runs in, and without heeding `noqa`.
"""

from __future__ import annotations

import json
import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, cast

from cynic.pack.look import Remark

if TYPE_CHECKING:
    from cynic.pack.source import Source

LINE_CHARACTERS_MAX: Final = 100
SELECT: Final = "A,ARG,B,BLE,C4,E,ERA,F,PIE,PLE,PLR1714,PLR2004,PLW,RET,S110,S112,SIM,W"


TIDY: Final = re.compile(r"C4|E1|E2|E3|E4|E5|E70|ERA|F401|PIE|PLR1714|RET|SIM|W")
"""What Janitor counts; the other rules are Analyst's."""
_WEIGHTS: Final = (
    (re.compile(r"F82|F70|F50|PLE|B006|E722"), 2.0),
    (re.compile(r"F401|F811|F841|E101|ERA|BLE|S11|E70|E711|E712"), 1.0),
    (re.compile(r"E501|W191|W29|W605|PLR2004|E1"), 0.5),
    (re.compile(r"ARG|C4|RET|SIM|PIE|A0"), 0.3),
)
_IN_TESTS: Final = re.compile(r"ARG|PLR2004|S11|PLW")

Finding = tuple[str, Remark]


def arguments(source: Source) -> list[str]:
    """The command line of ruff after its name; the text goes to its standard input."""
    return [
        "check",
        "--isolated",
        "--no-cache",
        "--ignore-noqa",
        "--exit-zero",
        "--quiet",
        "--output-format=json",
        f"--line-length={LINE_CHARACTERS_MAX}",
        f"--select={SELECT}",
        f"--stdin-filename={PurePath(source.file_name).stem or 'text'}.py",
        "-",
    ]


def findings(source: Source, output: str) -> list[Finding]:
    """Read ruff's JSON: the rule and the remark of each finding that counts in this file."""
    listed = cast("list[dict[str, Any]]", json.loads(output))
    found: list[Finding] = []
    for one in listed:
        code = str(one["code"] or "syntax")
        if source.is_test and _IN_TESTS.match(code):
            continue
        if code == "F401" and PurePath(source.file_name).name == "__init__.py":
            continue
        weight = next((weight for pattern, weight in _WEIGHTS if pattern.match(code)), 0.6)
        text = f"{code} {one['message']}"
        found.append((code, Remark(line=int(one["location"]["row"]), weight=weight, text=text)))
    return found
