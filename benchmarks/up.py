"""`cynic up` from nothing on disk to an answering /readyz, against initdb + start of the same server."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Result, paired

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 5
WAIT_SECONDS_MAX = 60.0


def run() -> Iterator[Result]:
    """Five pairs, each in a new folder."""
    ours, limit = paired(_up, _initdb_and_start, ROUNDS)
    yield Result(
        what="cynic up, nothing -> /readyz vs initdb + start",
        ours_seconds=ours,
        limit_seconds=limit,
        ratio_max=2.0,
        more_seconds_max=1.5,
    )


def _initdb_and_start() -> float:
    """The same server, made and started by the same supervisor, and nothing on top."""
    with tempfile.TemporaryDirectory(prefix="cynic-bench-") as folder:
        Path(folder).chmod(0o755)
        command = [sys.executable, "-c", _START, folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return float(done.stdout)


# In a process of its own, like the other side; the interpreter's start counts there and so here.
_START = """
import sys, time
started = time.perf_counter()
from pathlib import Path
with EmbeddedServer.start(Path(sys.argv[1])):
    print(time.perf_counter() - started)
"""


def _up() -> float:
    with tempfile.TemporaryDirectory(prefix="cynic-bench-") as folder:
        Path(folder).chmod(0o755)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "CYNIC_"))}
        environment["CYNIC_HOME"] = folder
        command = [str(Path(sys.executable).with_name("cynic")), "up", "--port", "0"]
        started = time.perf_counter()
        with subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                return _ready(process) - started
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(WAIT_SECONDS_MAX)


def _ready(process: subprocess.Popen[str]) -> float:
    """When /readyz first answered 200."""
    for line in process.stderr or ():
        if match := re.search(r"http://\S+", line):
            with urllib.request.urlopen(
                f"{match.group()}/readyz", timeout=WAIT_SECONDS_MAX
            ) as answer:
                answer.read()
            return time.perf_counter()
    raise RuntimeError("cynic up ended before it was ready")
