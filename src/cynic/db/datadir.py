"""The folders of the embedded server: where they are, who holds them, what a stale one needs.

Nothing here ever deletes a data folder, changes a parent folder, or signals a process.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cynic.base.errors import UnavailableError
from cynic.db.osuser import OsUser, reachable, server_user

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cynic.db.binaries import Binaries

POINTER = "postgres-location"
RELOCATED_BASE = Path("/var/lib/cynic")
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_BYTES_MAX = 107
GONE_WAIT_SECONDS = 60

CONF = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_locks_per_transaction": "256",
    "log_destination": "stderr",
    "logging_collector": "off",
}


class DiskFullError(UnavailableError):
    """The disk has no room for the database, or too little to take more in."""

    code = "disk-full"


class ReadOnlyError(UnavailableError):
    """The folder for the database cannot be written."""

    code = "read-only"


@dataclass(frozen=True, slots=True)
class Location:
    """Where everything of one CYNIC_HOME lies."""

    home: Path
    base: Path
    """Holds data, locks, log and socket: the home itself, or a folder under /var/lib/cynic."""
    user: OsUser

    @property
    def relocated(self) -> bool:
        """Whether the data is not under the home, because the server's user could not get there."""
        return self.base != self.home

    @property
    def data_dir(self) -> Path:
        """The PostgreSQL data folder."""
        return self.base / "data"

    @property
    def run_dir(self) -> Path:
        """The usual folder of the socket, private to the server's user."""
        return self.base / "run"

    @property
    def lock_file(self) -> Path:
        """Locked for life by whoever supervises the server."""
        return self.base / "server.lock"

    @property
    def users_file(self) -> Path:
        """Locked, shared, by every process that uses the server."""
        return self.base / "users.lock"

    @property
    def log_file(self) -> Path:
        """What the server says."""
        return self.base / "server.log"


def locate(home: Path, binaries: Binaries | None = None) -> Location:
    """Where the data of `home` is or would be; makes nothing.

    Only as root can it lie elsewhere: under /var/lib/cynic, when the user that the server runs as cannot get
    into the home or to the programs. A pointer in the home, once written, decides.
    """
    user = server_user(home / "data")
    if not user.switch or (home / "data" / "PG_VERSION").exists():
        return Location(home, home, user)
    pointer = home / POINTER
    if pointer.exists():
        base = Path(pointer.read_text(encoding="utf-8").strip())
        return Location(home, base, server_user(base / "data"))
    programs_reachable = binaries is None or reachable(binaries.bin_dir, user)
    if reachable(home, user) and programs_reachable:
        return Location(home, home, user)
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:16]
    base = RELOCATED_BASE / digest
    return Location(home, base, server_user(base / "data"))


def prepare(location: Location) -> None:
    """Make the folders that are missing, with the modes they need; existing ones stay as they are."""
    try:
        location.home.mkdir(parents=True, exist_ok=True)
        if location.relocated:
            location.base.mkdir(parents=True, exist_ok=True)
            (location.home / POINTER).write_text(f"{location.base}\n", encoding="utf-8")
        if not location.run_dir.exists():
            _make_private(location.run_dir, location.user)
    except OSError as error:
        raise unwritable(location.base, error) from error


def supervisor_lock(location: Location) -> IO[bytes] | None:
    """The lock of whoever supervises the server or makes its cluster; None when somebody has it."""
    try:
        lock = location.lock_file.open("ab")
    except OSError as error:
        raise unwritable(location.base, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def unwritable(folder: Path, error: OSError) -> UnavailableError:
    """The error of an operating-system failure to write in `folder`."""
    import errno

    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFullError(
            f"no space left for the database in {folder}", hint="free some, or move CYNIC_HOME"
        )
    return ReadOnlyError(
        f"{folder} cannot be written: {error.strerror}",
        hint="choose another folder with CYNIC_HOME",
    )


def write_conf(location: Location, socket_dir: Path, options: Mapping[str, str]) -> None:
    """State the options in cynic.conf, which postgresql.conf includes."""
    settings = CONF | {"unix_socket_directories": str(socket_dir)} | dict(options)
    lines = ["# Written by cynic at every start."]
    for name, value in settings.items():
        quoted = value.replace("\\", "\\\\").replace("'", "''")
        lines.append(f"{name} = '{quoted}'")
    try:
        write(location.data_dir / "cynic.conf", "\n".join(lines) + "\n", location.user)
    except OSError as error:
        raise unwritable(location.data_dir, error) from error


def socket_dir(location: Location) -> Path:
    """A private folder for the socket whose path is short enough; made if missing.

    The folder beside the data, or for a long path one in the system's temporary folder, which is
    recorded beside the data and trusted only while it is still ours alone.
    """
    if len(os.fsencode(location.run_dir / SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX and "," not in str(
        location.run_dir
    ):
        return location.run_dir
    record = location.base / "socket-dir"
    if record.exists():
        known = Path(record.read_text(encoding="utf-8").strip())
        if _is_private(known, location.user):
            return known
    made = Path(tempfile.mkdtemp(prefix="cynic-", dir=os.environ.get("XDG_RUNTIME_DIR") or "/tmp"))  # noqa: S108  # mkdtemp is private
    give(made, location.user)
    record.write_text(f"{made}\n", encoding="utf-8")
    return made


def clear_stale_locks(location: Location, postgres: Path, socket_folder: Path) -> None:
    """With our lock held: wait until no process of an old server is left, then remove its lock files.

    A process is an old server's only if it runs a program called postgres inside the data folder. What the
    files say proves nothing: their number may belong to any other process by now, or to a dead one that
    nobody has collected yet, and PostgreSQL would take either for a live server.
    """
    stale = [
        location.data_dir / "postmaster.pid",
        socket_folder / f"{SOCKET_NAME}.lock",
        socket_folder / SOCKET_NAME,
    ]
    if not any(file.exists() for file in stale):
        return
    deadline = time.monotonic() + GONE_WAIT_SECONDS
    while left := _processes_inside(location.data_dir, postgres):
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"another PostgreSQL still runs on {location.data_dir} (processes {', '.join(map(str, left))})",
                hint="stop it; cynic does not signal a server it did not start",
            )
        time.sleep(0.05)
    for file in stale:
        file.unlink(missing_ok=True)


def _processes_inside(data_dir: Path, postgres: Path) -> list[int]:
    """Processes of a server on this folder; without /proc, none can be proved."""
    found: list[int] = []
    if not Path("/proc/self/cwd").exists():
        return found
    target = data_dir.resolve()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            inside = (entry / "cwd").readlink() == target
            program = Path(str((entry / "exe").readlink()).removesuffix(" (deleted)")).name
        except OSError:
            continue
        if inside and program == postgres.name:
            found.append(int(entry.name))
    return found


def write(path: Path, text: str, user: OsUser) -> None:
    """Write a file of the server's user, whole or not at all, that only this user can read."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.chmod(0o600)
    if user.switch:
        os.chown(partial, user.uid, user.gid)
    partial.replace(path)


def _make_private(folder: Path, user: OsUser) -> None:
    folder.mkdir(mode=0o700)
    give(folder, user)


def give(folder: Path, user: OsUser) -> None:
    """Make a folder private to the server's user."""
    folder.chmod(0o700)
    if user.switch:
        os.chown(folder, user.uid, user.gid)


def _is_private(folder: Path, user: OsUser) -> bool:
    try:
        info = folder.lstat()
    except OSError:
        return False
    return (
        folder.is_dir()
        and not folder.is_symlink()
        and info.st_uid == user.uid
        and not info.st_mode & 0o077
    )
