"""The supervisor: a small process that owns the server for as long as anybody uses it.

`python -m cynic.db.supervise LOCK_FD USERS_FILE LOG_FILE UID GID COMMAND…` is started by the first process that
needs the server, with the lock of the data folder already held in LOCK_FD; the kernel frees that lock when this
process ends, however it ends. Every user of the server holds a shared lock on USERS_FILE; when this process gets
the exclusive one, the last user has gone (killed ones too), and it stops the server. The server in turn is told
by the kernel (PR_SET_PDEATHSIG) when this process dies, and shuts down by itself. A server that dies while it has
users is started again, a few times.

Imports the standard library only: it starts in the time of a bare interpreter.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
FAST_STOP_SECONDS = 60
RESTARTS_MAX = 5
RESTART_WINDOW_SECONDS = 60.0
RESTART_PAUSE_SECONDS = 0.2
LOG_BYTES_MAX = 10 * 1024 * 1024


class Supervisor:
    """One server process, from its start to the end of its last user."""

    def __init__(
        self, users_file: str, log_file: str, user: tuple[int, int] | None, command: list[str]
    ) -> None:
        self._users_file = users_file
        self._log_file = Path(log_file)
        self._user = user
        self._command = command
        self._server: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()

    def run(self) -> int:
        """Run until the last user has gone; return 0, or 1 when the server would not stay up."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        threading.Thread(target=self._wait_for_last_user, daemon=True).start()
        starts: list[float] = []
        while not self._stopping.is_set():
            now = time.monotonic()
            starts = [start for start in starts if now - start < RESTART_WINDOW_SECONDS] + [now]
            if len(starts) > RESTARTS_MAX:
                return 1
            # From this thread, which lives as long as the process: the death signal hangs on it.
            self._server = self._start()
            code = self._server.wait()
            if code > 0 and len(starts) == 1 and time.monotonic() - now < 1:
                return 1  # it never ran: starting again would not help
            # Orphaned backends of a killed server need a moment to notice; until then a new one refuses to start.
            self._stopping.wait(RESTART_PAUSE_SECONDS * len(starts))
        return 0

    def _start(self) -> subprocess.Popen[bytes]:
        if self._log_file.exists() and self._log_file.stat().st_size > LOG_BYTES_MAX:
            self._log_file.replace(self._log_file.with_suffix(".log.1"))
        uid, gid = self._user or (None, None)
        with self._log_file.open("ab") as log:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=uid,
                group=gid,
                extra_groups=None if uid is None else [],
                preexec_fn=_die_with_parent,  # noqa: PLW1509  # before any thread of ours holds a lock it needs
            )

    def _wait_for_last_user(self) -> None:
        with Path(self._users_file).open("ab") as users:
            fcntl.flock(users, fcntl.LOCK_EX)
            self._stop()
            # Held until the process ends: who comes now waits, and finds no half-stopped server.
            threading.Event().wait()

    def _on_signal(self, *_: object) -> None:
        threading.Thread(target=self._stop, daemon=True).start()

    def _stop(self) -> None:
        """Fast shutdown; an immediate one when that takes too long. Never SIGKILL."""
        self._stopping.set()
        server = self._server
        if server is None or server.poll() is not None:
            return
        server.send_signal(signal.SIGINT)
        deadline = time.monotonic() + FAST_STOP_SECONDS
        while server.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if server.poll() is None:
            server.send_signal(signal.SIGQUIT)


def _die_with_parent() -> None:
    """In the child, after it changed user: have the kernel interrupt it when this process dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def main(arguments: list[str]) -> int:
    """Entry point; LOCK_FD only has to stay open."""
    _lock_fd, users_file, log_file, uid, gid, *command = arguments
    user = (int(uid), int(gid)) if int(uid) >= 0 else None
    return Supervisor(users_file, log_file, user, command).run()


if __name__ == "__main__":
    # The last word is os._exit: a thread that waits for a lock must not delay the end.
    os._exit(main(sys.argv[1:]))
