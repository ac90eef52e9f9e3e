"""Which operating-system user the embedded server runs as. PostgreSQL refuses to run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cynic.base.errors import UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

DEDICATED = ("postgres", "cynic")
LAST_RESORT = "nobody"


class NoUserError(UnavailableError):
    """There is no operating-system user that the server could run as."""

    code = "no-user"


@dataclass(frozen=True, slots=True)
class OsUser:
    """A user with a name; `switch` says whether a process must change to it."""

    name: str
    uid: int
    gid: int
    switch: bool


def server_user(data_dir: Path) -> OsUser:
    """The user to run the server as: ourselves, or as root the owner of the data, else a dedicated one."""
    if os.geteuid() != 0:
        return _named(os.geteuid(), switch=False)
    if data_dir.exists() and (owner := data_dir.stat().st_uid):
        return _named(owner, switch=True)
    for name in DEDICATED:
        if found := _lookup(name):
            return found
    if useradd := shutil.which("useradd"):
        command = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "cynic"]
        subprocess.run(command, check=False, capture_output=True)
    found = _lookup("cynic") or _lookup(LAST_RESORT)
    if found is None:
        raise NoUserError(
            "PostgreSQL does not run as root, and no other user could be found or made",
            hint="create a system user called cynic, or name a server in CYNIC_DATABASE_URL",
        )
    return found


def reachable(path: Path, user: OsUser) -> bool:
    """Whether `user` can get into `path` through every folder above it, by mode bits alone."""
    existing = path if path.exists() else path.parent
    for folder in (existing, *existing.parents):
        if not folder.exists():
            continue
        info = folder.stat()
        if info.st_uid == user.uid:
            needed = stat.S_IXUSR
        elif info.st_gid == user.gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not info.st_mode & needed:
            return False
    return True


def _lookup(name: str) -> OsUser | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return OsUser(name, entry.pw_uid, entry.pw_gid, switch=True)


def _named(uid: int, *, switch: bool) -> OsUser:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError as error:
        raise NoUserError(
            f"user id {uid} has no name, and PostgreSQL needs one",
            hint="add it to /etc/passwd, or name a server in CYNIC_DATABASE_URL",
        ) from error
    return OsUser(entry.pw_name, uid, entry.pw_gid, switch=switch)
