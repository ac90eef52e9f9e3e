"""Homes of embedded servers. A cluster is made once and copied for tests that do not concern its making."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from cynic.db.datadir import RELOCATED_BASE, locate
from cynic.db.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE_SECONDS = 60

# A process that uses the server of its first argument until its standard input closes.
USER = """
import sys
from pathlib import Path
from cynic.db.embedded import EmbeddedServer
with EmbeddedServer.start(Path(sys.argv[1])) as server:
    print(server.conninfo, flush=True)
    sys.stdin.read()
"""


def wait_until(what: Callable[[], object], message: str) -> None:
    """Until `what()` is true; fails after a minute."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not what():
        assert time.monotonic() < deadline, message
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def home() -> Iterator[Path]:
    """A new home in a folder that any user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="cynic-home-"))
    folder.chmod(0o755)
    yield folder / "home"
    base = locate(folder / "home").base
    shutil.rmtree(folder, ignore_errors=True)
    if base.is_relative_to(RELOCATED_BASE):
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
def made_home() -> Iterator[Path]:
    """A home with a stopped cluster in it, to copy."""
    folder = Path(tempfile.mkdtemp(prefix="cynic-made-"))
    folder.chmod(0o755)
    with EmbeddedServer.start(folder / "home"):
        pass
    yield folder / "home"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def ready_home(made_home: Path, home: Path) -> Path:
    """A home whose cluster is made and stopped."""
    subprocess.run(["cp", "-a", str(made_home), str(home)], check=True)
    return home


class User:
    """Another process that uses the server."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.conninfo = ""

    def ready(self) -> str:
        """Wait until it is connected; its connection string."""
        assert self.process.stdout is not None
        self.conninfo = self.process.stdout.readline().strip()
        assert self.conninfo, "the process ended before it had a server"
        return self.conninfo

    def leave(self) -> None:
        """End in order."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(DEADLINE_SECONDS) == 0

    def kill(self) -> None:
        """End as by `kill -9`."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(DEADLINE_SECONDS)


@pytest.fixture
def new_user() -> Iterator[Callable[[Path], User]]:
    """Start processes that use a server; those still there at the end are killed."""
    users: list[User] = []

    def make(home: Path) -> User:
        users.append(User(home))
        return users[-1]

    yield make
    for user in users:
        if user.process.poll() is None:
            user.kill()
        for pipe in (user.process.stdin, user.process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()


def server_pid(home: Path) -> int:
    """The postmaster of a home, from the file it wrote itself."""
    text = (locate(home).data_dir / "postmaster.pid").read_text(encoding="utf-8")
    return int(text.split("\n", 1)[0])


def supervisor_pid(home: Path) -> int:
    """The supervisor of a home: the postmaster's parent."""
    stat = Path(f"/proc/{server_pid(home)}/stat").read_text(encoding="utf-8")
    return int(stat.rsplit(")", 1)[1].split()[1])


def answers(conninfo: str) -> bool:
    """Whether the server answers a query."""
    try:
        with psycopg.connect(conninfo, connect_timeout=2) as conn:
            return conn.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="concerns root alone")
