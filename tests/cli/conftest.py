from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

CYNIC = str(Path(sys.executable).with_name("cynic"))


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@pytest.fixture
def cynic() -> Callable[..., Done]:
    """Run the installed command, in an environment without settings of its own."""

    def run(*arguments: str, stdin: str | None = None, **settings: str) -> Done:
        done = subprocess.run(
            [CYNIC, *arguments],
            capture_output=True,
            input=stdin,
            text=True,
            env=os.environ | settings,
            check=False,
            timeout=120,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run
