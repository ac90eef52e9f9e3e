"""The embedded PostgreSQL: started by the first process that needs it, stopped when the last one ends.

Locks, never pid lists: `server.lock` is held for life by the one supervisor, `users.lock` is shared by every user of
the server. The kernel frees both whatever happens to a process, so nothing is left to clean up by hand. Processes
that find the server supervised attach to it; it is ours only if it answers on our socket and names our data folder.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING, Self

import psycopg
from psycopg import conninfo, errors

from cynic.base.errors import UnavailableError
from cynic.db import cluster, datadir
from cynic.db.binaries import find_binaries
from cynic.db.datadir import Location, locate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from cynic.db.binaries import Binaries

READY_SECONDS_MAX = 120
POLL_SECONDS = 0.01
# The one that initdb makes: the server is ours alone, and another would cost a tenth of a second at first start.
DATABASE = "postgres"
LOG_TAIL_BYTES = 2000
# Supervisors we started. They outlive us when others use their server; kept so that nobody warns of that.
_SUPERVISORS: list[subprocess.Popen[bytes]] = []

__all__ = ["EmbeddedServer", "Location", "ServerFailedError", "locate", "status"]


class ServerFailedError(UnavailableError):
    """The embedded server did not come up."""

    code = "server-failed"


def _silent(message: str) -> None:
    del message


class EmbeddedServer:
    """A running server and our share in it; leaving the context gives the share back."""

    def __init__(self, location: Location, socket_dir: Path, users: IO[bytes]) -> None:
        self.location = location
        self.socket_dir = socket_dir
        self._users: IO[bytes] | None = users

    @property
    def data_dir(self) -> Path:
        """The PostgreSQL data folder."""
        return self.location.data_dir

    @property
    def conninfo(self) -> str:
        """How to connect, as a libpq keyword string."""
        return self.address(DATABASE)

    def address(self, dbname: str) -> str:
        """How to connect to one database of the server."""
        return conninfo.make_conninfo("", host=str(self.socket_dir), dbname=dbname, user="cynic")

    @property
    def pid(self) -> int | None:
        """The server's process, from its own file; None when it does not run."""
        try:
            return int(
                (self.data_dir / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0]
            )
        except (OSError, ValueError):
            return None

    @classmethod
    def start(
        cls,
        home: Path,
        *,
        progress: Callable[[str], None] | None = None,
        binaries: Binaries | None = None,
        options: Mapping[str, str] | None = None,
    ) -> Self:
        """Start the server of `home`, or attach to it when it runs; make its data folder if there is none.

        `options` are settings of the server, used by whoever starts it. Waits until it answers, up to two
        minutes (crash recovery takes its time). Errors name what is wrong with disk, folder or version.
        """
        say = progress or _silent
        binaries = binaries or find_binaries()
        location = locate(home, binaries)
        datadir.prepare(location)
        users = _share(location)
        try:
            socket_dir = _run(location, binaries, options or {}, say)
        except BaseException:
            users.close()
            raise
        return cls(location, socket_dir, users)

    def stop(self) -> None:
        """Give our share back; the server stops when it was the last. Waits for that. Idempotent."""
        if self._users is None:
            return
        users, self._users = self._users, None
        last = _only_user(users)
        users.close()
        if last:
            _wait_for_stop(self.location)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def status(home: Path) -> str:
    """What can be said of the server of `home` without starting it: running, stopped or absent."""
    location = locate(home)
    if not (location.data_dir / "PG_VERSION").exists():
        return "absent: no data folder yet"
    lock = datadir.supervisor_lock(location)
    if lock is None:
        return "running"
    lock.close()
    return "stopped"


def _share(location: Location) -> IO[bytes]:
    """Count ourselves among the users; waits while a server is on its way down."""
    try:
        users = location.users_file.open("ab")
    except OSError as error:
        raise datadir.unwritable(location.base, error) from error
    fcntl.flock(users, fcntl.LOCK_SH)
    return users


def _only_user(users: IO[bytes]) -> bool:
    """Whether nobody else uses the server (the supervisor waits for exactly this)."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _run(
    location: Location, binaries: Binaries, options: Mapping[str, str], say: Callable[[str], None]
) -> Path:
    """Have a supervised server that answers; return the folder of its socket."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    supervisor: subprocess.Popen[bytes] | None = None
    told = False
    while True:
        if supervisor is None and (lock := datadir.supervisor_lock(location)) is not None:
            with lock:
                supervisor = _launch(location, binaries, options, lock, say)
        socket_dir = datadir.socket_dir(location)
        if _answers(location, socket_dir):
            return socket_dir
        if supervisor is not None and supervisor.poll() is not None:
            raise ServerFailedError(
                f"the embedded server ended at once: {_log_tail(location)}",
                hint=f"its log: {location.log_file}",
            )
        if time.monotonic() > deadline:
            raise ServerFailedError(
                f"the embedded server does not answer after {READY_SECONDS_MAX} s: {_log_tail(location)}",
                hint=f"its log: {location.log_file}",
            )
        if not told and deadline - time.monotonic() < READY_SECONDS_MAX - 3:
            say("waiting for PostgreSQL (it recovers after a crash) …")
            told = True
        time.sleep(POLL_SECONDS)


def _launch(
    location: Location,
    binaries: Binaries,
    options: Mapping[str, str],
    lock: IO[bytes],
    say: Callable[[str], None],
) -> subprocess.Popen[bytes]:
    """With the lock held: make the cluster if it is missing, and hand the lock to a new supervisor."""
    bin_dir = cluster.ready(location, binaries, say)
    socket_dir = datadir.socket_dir(location)
    datadir.clear_stale_locks(location, bin_dir / "postgres", socket_dir)
    datadir.write_conf(location, socket_dir, options)
    user = location.user
    ids = (str(user.uid), str(user.gid)) if user.switch else ("-1", "-1")
    command = [
        sys.executable,
        "-S",
        "-E",
        str(datadir.__file__).replace("datadir.py", "supervise.py"),
    ]
    arguments = [str(lock.fileno()), str(location.users_file), str(location.log_file), *ids]
    server = [str(bin_dir / "postgres"), "-D", str(location.data_dir)]
    _SUPERVISORS[:] = [one for one in _SUPERVISORS if one.poll() is None]
    supervisor = subprocess.Popen(
        [*command, *arguments, *server],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[lock.fileno()],
        start_new_session=True,
        cwd=location.base,
    )
    _SUPERVISORS.append(supervisor)
    return supervisor


def _answers(location: Location, socket_dir: Path) -> bool:
    """Whether our server answers."""
    address = conninfo.make_conninfo("", host=str(socket_dir), user="cynic", connect_timeout=5)
    try:
        with psycopg.connect(address, dbname=DATABASE, autocommit=True) as conn:
            return _is_ours(conn, location)
    except errors.OperationalError:
        return False


def _is_ours(conn: psycopg.Connection, location: Location) -> bool:
    row = conn.execute("SHOW data_directory").fetchone()
    return row is not None and os.path.realpath(row[0]) == os.path.realpath(location.data_dir)


def _wait_for_stop(location: Location) -> None:
    """Until the supervisor let go of its lock: the server has shut down."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < deadline:
        lock = datadir.supervisor_lock(location)
        if lock is not None:
            lock.close()
            for supervisor in _SUPERVISORS:
                supervisor.poll()
            return
        time.sleep(POLL_SECONDS)


def _log_tail(location: Location) -> str:
    try:
        with location.log_file.open("rb") as log:
            log.seek(max(0, location.log_file.stat().st_size - LOG_TAIL_BYTES))
            text = log.read().decode(errors="replace")
    except OSError:
        return "it left no log"
    lines = [
        line for line in text.splitlines() if "FATAL" in line or "PANIC" in line or "ERROR" in line
    ]
    return lines[-1] if lines else (text.strip().splitlines() or ["its log is empty"])[-1]
