"""Judgments with eleven votes over HTTP from eight clients, against the Python API with eight threads.

The service runs all the while, so that its worker folds the counters of both sides.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import ground, load
from benchmarks.judge import judge
from benchmarks.measure import Throughput, pairs
from cynic.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from cynic.db.connect import Database

ROUNDS = 5
SECONDS = 2.0
CLIENTS = 8
WAIT_SECONDS_MAX = 60.0
CYNIC = (str(Path(sys.executable).with_name("cynic")),)


def run() -> Iterator[Throughput]:
    """Five pairs of two seconds."""
    bodies = [json.dumps(ground.judgment(agent)).encode() for agent in range(CLIENTS)]
    with ground.server() as address:
        database = ground.migrated(address, "http")
        with service(database) as port, Memory(database) as memory:

            def over_http(duration_seconds: float = SECONDS) -> float:
                return load.rate(port, "/api/v1/judgments", bodies, duration_seconds)

            judge(memory, CLIENTS, 0.5)
            over_http(0.5)
            yield Throughput(
                what=f"judge over HTTP, {CLIENTS} clients vs {CLIENTS} threads",
                rounds=pairs(over_http, lambda: judge(memory, CLIENTS, SECONDS), ROUNDS),
                ratio_min=0.4,
            )


@contextmanager
def service(database: Database, program: Sequence[str] = CYNIC) -> Generator[int]:
    """Run `cynic up` on a database in a process of its own; the port it listens on. `program` stands for `cynic`."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "CYNIC_"))}
    environment["CYNIC_DATABASE_URL"] = database.conninfo
    command = [*program, "up", "--port", "0"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield _port(process)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(WAIT_SECONDS_MAX)


def _port(process: subprocess.Popen[str]) -> int:
    """The port, which the service says once it answers."""
    for line in process.stderr or ():
        if match := re.search(r"http://[^ ]+:(\d+)", line):
            return int(match.group(1))
    raise RuntimeError("cynic up ended before it was ready")
