"""Where the demo works: a schema that it made, that no other demo works in, and a folder that can be written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from cynic.demo import room

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from conftest import Done

CYNIC = str(Path(sys.executable).with_name("cynic"))
FEW = "context,score:red,score:blue\n" + "a,1,0\n" * 5
UNTIL_SECONDS = 60


def asked(database: str, question: str) -> bool:
    with psycopg.connect(database, autocommit=True) as conn:
        row = conn.execute(question.encode()).fetchone()
        return bool(row and row[0])


HELD = (
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND ((classid::bigint << 32) | objid::bigint) = hashtextextended('cynic demo in cynic_demo', 0))"
)


def wait_until(database: str, question: str, *, answer: bool) -> None:
    deadline = time.monotonic() + UNTIL_SECONDS
    while asked(database, question) is not answer:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def working(database: str, out: Path) -> Generator[subprocess.Popen[bytes]]:
    """A demo of the generated data that has the schema."""
    with subprocess.Popen(
        [CYNIC, "demo", "learning", "--out", str(out)],
        env=os.environ | {"CYNIC_DATABASE_URL": database},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as demo:
        try:
            wait_until(database, HELD, answer=True)
            yield demo
        finally:
            demo.kill()


def few(tmp_path: Path) -> str:
    path = tmp_path / "few.csv"
    path.write_text(FEW, encoding="utf-8")
    return str(path)


@pytest.mark.slow
def test_a_second_demo_ends_at_once_and_the_first_is_unharmed(
    cynic: Callable[..., Done], fresh_database: str, tmp_path: Path
) -> None:
    with working(fresh_database, tmp_path / "first") as first:
        second = cynic(
            "demo", "learning", few(tmp_path), "--out", str(tmp_path / "second"),
            CYNIC_DATABASE_URL=fresh_database,
        )  # fmt: skip
        assert first.poll() is None, "the first still works"
        assert second.code == 75
        assert "[demo-running]" in second.err
        assert "Traceback" not in second.err
        assert first.wait(120) == 0
    assert (tmp_path / "first" / "learned.svg").stat().st_size > 0


@pytest.mark.slow
def test_a_demo_that_was_killed_holds_nobody_up(
    cynic: Callable[..., Done], fresh_database: str, tmp_path: Path
) -> None:
    with working(fresh_database, tmp_path / "first") as first:
        first.send_signal(signal.SIGKILL)
        first.wait(10)
    wait_until(fresh_database, HELD, answer=False)
    where = {"CYNIC_DATABASE_URL": fresh_database}
    done = cynic("demo", "learning", few(tmp_path), "--out", str(tmp_path / "next"), **where)
    assert done.code == 0, done.err
    assert "5 tasks in 1 context:" in done.out


@pytest.mark.parametrize("comment", [None, "ours"])
def test_a_schema_that_no_demo_made_is_left_alone(
    cynic: Callable[..., Done], fresh_database: str, tmp_path: Path, comment: str | None
) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        conn.execute("CREATE SCHEMA cynic_demo")
        conn.execute("CREATE TABLE cynic_demo.mine (a integer)")
        if comment:
            conn.execute("COMMENT ON SCHEMA cynic_demo IS 'ours'")
    where = {"CYNIC_DATABASE_URL": fresh_database}
    done = cynic("demo", "learning", few(tmp_path), "--out", str(tmp_path / "out"), **where)
    assert done.code == 4
    assert "[not-a-demo]" in done.err
    assert asked(fresh_database, "SELECT to_regclass('cynic_demo.mine') IS NOT NULL")


def test_the_demos_schema_cannot_be_ones_own(
    cynic: Callable[..., Done], empty_database: str, tmp_path: Path
) -> None:
    where = {"CYNIC_DATABASE_URL": empty_database}
    out = ("--out", str(tmp_path / "out"))
    done = cynic("--schema", "cynic_demo", "demo", "learning", few(tmp_path), *out, **where)
    assert done.code == 2
    assert not asked(empty_database, "SELECT to_regnamespace('cynic_demo') IS NOT NULL")


def test_pictures_that_cannot_be_written_are_told_before_the_work(
    cynic: Callable[..., Done], fresh_database: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    taken = tmp_path / "taken"
    (taken / "learned.svg").mkdir(parents=True)
    for out in (tmp_path / "file" / "below", taken):
        where = {"CYNIC_DATABASE_URL": fresh_database}
        done = cynic("demo", "learning", few(tmp_path), "--out", str(out), **where)
        assert done.code == 69
        assert "[output-not-writable]" in done.err
        assert "Traceback" not in done.err
    assert not asked(fresh_database, "SELECT to_regnamespace('cynic_demo') IS NOT NULL")
    assert sorted(path.name for path in taken.iterdir()) == ["learned.svg"], "the probe is gone"


def test_a_picture_that_cannot_be_written_after_all_is_told_too(tmp_path: Path) -> None:
    room.make_folder(tmp_path / "out", ["a.svg"])
    (tmp_path / "out" / "a.svg").mkdir()
    with pytest.raises(room.OutputError, match="pictures cannot be written to"):
        room.write(tmp_path / "out", {"a.svg": "<svg/>"})
