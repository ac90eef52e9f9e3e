"""What an earlier life left behind neither stops a start nor harms anybody."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest
from conftest_embedded import alive, answers

from cynic.db.cluster import ForeignFolderError, VersionMismatchError
from cynic.db.datadir import locate
from cynic.db.embedded import EmbeddedServer

if TYPE_CHECKING:
    from pathlib import Path


def leave_pid_file(home: Path, text: str) -> None:
    location = locate(home)
    pid_file = location.data_dir / "postmaster.pid"
    pid_file.write_text(text, encoding="utf-8")
    os.chown(pid_file, location.user.uid, location.user.gid)
    pid_file.chmod(0o600)


def test_a_pid_file_that_names_an_unrelated_live_process_is_no_obstacle_and_no_target(
    ready_home: Path,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    ) as bystander:
        leave_pid_file(
            ready_home,
            f"{bystander.pid}\n{locate(ready_home).data_dir}\n1700000000\n5432\n\n\n\nready\n",
        )
        with EmbeddedServer.start(ready_home) as server:
            assert answers(server.conninfo)
            assert server.pid != bystander.pid
        assert alive(bystander.pid)


@pytest.mark.parametrize(
    "text", ["", "\n", "not a number\n", "12", "-1\n\n", "99999999\n/elsewhere\n"]
)
def test_an_empty_or_torn_pid_file_is_no_obstacle(ready_home: Path, text: str) -> None:
    leave_pid_file(ready_home, text)
    with EmbeddedServer.start(ready_home) as server:
        assert answers(server.conninfo)


def test_half_a_cluster_from_a_killed_start_is_cleared_away_and_a_whole_one_made(
    home: Path,
) -> None:
    home.mkdir()
    (home / "initdb-abc.partial").mkdir()
    (home / "initdb-abc.partial" / "PG_VERSION").write_text("18\n")
    with EmbeddedServer.start(home) as server:
        assert answers(server.conninfo)
    assert not list(home.glob("*.partial"))


def test_a_folder_with_foreign_files_is_refused_and_left_alone(home: Path) -> None:
    (home / "data").mkdir(parents=True)
    (home / "data" / "diary.txt").write_text("mine")
    with pytest.raises(ForeignFolderError, match="not empty"):
        EmbeddedServer.start(home)
    assert (home / "data" / "diary.txt").read_text() == "mine"


def test_data_of_another_major_version_is_refused_with_the_way_out(ready_home: Path) -> None:
    marker = ready_home / "data" / "PG_VERSION"
    marker.write_text("16\n")
    with pytest.raises(VersionMismatchError) as caught:
        EmbeddedServer.start(ready_home)
    assert "CYNIC_PG_BIN" in (caught.value.hint or "")
    assert "cynic db backup" in (caught.value.hint or "")
    marker.write_text("18\n")
    with EmbeddedServer.start(ready_home) as server:
        assert answers(server.conninfo)


def test_data_and_rows_survive_a_stop(ready_home: Path) -> None:
    with EmbeddedServer.start(ready_home) as server, psycopg.connect(server.conninfo) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    with EmbeddedServer.start(ready_home) as server, psycopg.connect(server.conninfo) as conn:
        assert conn.execute("SELECT answer FROM kept").fetchone() == (42,)
