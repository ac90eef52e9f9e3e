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
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from benchmarks.measure import Result, paired
from cynic.db import cluster, datadir
from cynic.db.binaries import find_binaries

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

ROUNDS = 5
WAIT_SECONDS_MAX = 60.0
POLL_SECONDS = 0.005


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
    """Run initdb and the server with the same options by hand; the end is its first answered connection."""
    binaries = find_binaries()
    with tempfile.TemporaryDirectory(prefix="cynic-bench-") as folder:
        Path(folder).chmod(0o755)
        location = datadir.locate(Path(folder), binaries)
        user = location.user
        ids = (user.uid, user.gid) if user.switch else (None, None)
        bin_dir = cluster.usable_binaries(location, binaries)
        if user.switch:
            os.chown(folder, user.uid, user.gid)
        started = time.perf_counter()
        # Later options win: whoever runs this benchmark is not the server's user, and must get in.
        initdb = [
            bin_dir / "initdb",
            "-D",
            location.data_dir,
            *cluster.INITDB_OPTIONS,
            "--auth=trust",
        ]
        subprocess.run(
            initdb, check=True, capture_output=True, user=ids[0], group=ids[1], cwd=folder
        )
        options = datadir.CONF | {
            "unix_socket_directories": folder,
            "unix_socket_permissions": "0777",
        }
        given = [f"--{name}={value}" for name, value in options.items()]
        command = [bin_dir / "postgres", "-D", location.data_dir, *given]
        with subprocess.Popen(
            command, stderr=subprocess.DEVNULL, user=ids[0], group=ids[1], cwd=folder
        ) as process:
            try:
                return _first_answer(folder) - started
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(WAIT_SECONDS_MAX)


def _first_answer(socket_folder: str) -> float:
    """When the server first let a client in."""
    while True:
        try:
            psycopg.connect(host=socket_folder, user="cynic", dbname="postgres").close()
        except psycopg.OperationalError:
            time.sleep(POLL_SECONDS)
        else:
            return time.perf_counter()


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


@contextmanager
def served(home: Path) -> Generator[str]:
    """The address of a service that runs on an embedded database of its own, and answers."""
    home.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "CYNIC_"))}
    command = [str(Path(sys.executable).with_name("cynic")), "up", "--port", "0"]
    with subprocess.Popen(
        command, env=environment | {"CYNIC_HOME": str(home)}, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            for line in process.stderr or ():
                if match := re.search(r"http://[\d.:]+", line):
                    yield match.group()
                    break
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
