"""What kind of text a file is."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Final, Literal

Kind = Literal["python", "code", "data", "prose"]

PYTHON_SUFFIXES: Final = frozenset({".py", ".pyi", ".pyw"})
CODE_SUFFIXES: Final = frozenset(
    {
        ".c",
        ".cc",
        ".cpp",
        ".cs",
        ".css",
        ".go",
        ".h",
        ".hpp",
        ".html",
        ".java",
        ".js",
        ".jsx",
        ".kt",
        ".lua",
        ".php",
        ".pl",
        ".rb",
        ".rs",
        ".scala",
        ".sh",
        ".sql",
        ".swift",
        ".ts",
        ".tsx",
    }
)
DATA_SUFFIXES: Final = frozenset(
    [
        ".cfg",
        ".conf",
        ".csv",
        ".env",
        ".ini",
        ".json",
        ".jsonl",
        ".lock",
        ".properties",
        ".svg",
        ".toml",
        ".tsv",
        ".xml",
        ".yaml",
        ".yml",
    ]
)
CODE_NAMES: Final = frozenset({"Dockerfile", "Jenkinsfile", "Makefile", "Rakefile"})
_PYTHON_SHEBANG: Final = re.compile(r"#!.*\bpython")
_PYTHON_LINE: Final = re.compile(
    r"^(?:from [\w.]+ import \w|import [\w.]+$|(?:async )?def \w+\(.*|class \w+.*:$)", re.MULTILINE
)


def kind_of(file_name: str, content: str) -> Kind:
    """The kind by the file's name; without a telling one, by how the content begins and looks.

    In doubt code is taken for Python: reading too much costs a vote, reading too little hides a flaw.
    """
    suffix = PurePath(file_name).suffix.lower()
    if suffix in PYTHON_SUFFIXES:
        return "python"
    if suffix in CODE_SUFFIXES or PurePath(file_name).name in CODE_NAMES:
        return "code"
    if suffix in DATA_SUFFIXES or PurePath(file_name).name == ".env":
        return "data"
    if content.startswith("#!"):
        return "python" if _PYTHON_SHEBANG.match(content) else "code"
    if suffix or not _PYTHON_LINE.search(content):
        return "prose"
    from cynic.pack.source import (
        Source,  # here: most names tell, and starting a reading should not wait for it
    )

    return "python" if Source("", content, "python").tree else "prose"


def item_type_of(kind: Kind) -> str:
    """The judgment's item type: code or text."""
    return "code" if kind in {"python", "code"} else "text"
