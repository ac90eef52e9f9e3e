"""`cynic --help` against `python -c pass`: what a person waits for before the first word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Result, paired, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 11


def run() -> Iterator[Result]:
    """Eleven pairs."""
    cynic = Path(sys.executable).with_name("cynic")

    def timed(*command: str) -> float:
        return seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))

    ours, limit = paired(
        lambda: timed(str(cynic), "--help"), lambda: timed(sys.executable, "-c", "pass"), ROUNDS
    )
    yield Result(
        what="cynic --help vs python -c pass",
        ours_seconds=ours,
        limit_seconds=limit,
        more_seconds_max=0.15,
    )
