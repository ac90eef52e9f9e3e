"""`cynic judge`, `feedback` and `judgments`, as a person at a terminal and a script meet them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest

import cynic as package

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Done

    Cynic = Callable[..., Done]

VOTES = ("--vote", "Guardian=0.9", "--vote", "Sage=0.8", "--vote", "Janitor=0.7")


@pytest.fixture
def here(cynic: Cynic, fresh_database: str) -> Cynic:
    return lambda *arguments: cynic("--database", fresh_database, *arguments)


def test_three_files_judged_answered_and_read_back(
    here: Cynic, tmp_path: Path, fresh_database: str
) -> None:
    ids: list[str] = []
    for name, kind in (("a.py", "code"), ("b.md", "text"), ("c d.sql", "code")):
        (tmp_path / name).write_text(f"-- {name}\n", "utf-8")
        done = here(
            "judge", str(tmp_path / name), *VOTES, "--user", "ada", "--session", "s", "--json"
        )
        assert done.code == 0, done.err
        judged = json.loads(done.out)
        assert judged["verdict"] == "HOWL"
        ids.append(judged["judgment_id"])
        assert json.loads(here("judgments", ids[-1], "--json").out)["item_type"] == kind
    assert here("feedback", ids[0], "correct", "--user", "bob").err.strip() == "correct: noted"
    assert here("feedback", ids[0], "correct", "--user", "bob").err.strip() == (
        "correct: noted before"
    )
    listed = json.loads(here("judgments", "--user", "ada", "--json").out)["judgments"]
    assert [one["judgment_id"] for one in listed] == ids[::-1]
    assert all(judgment_id in here("judgments").out for judgment_id in ids)
    with package.connect(fresh_database) as memory:
        assert memory.judgment(ids[0])["item_content"] == "-- a.py\n"
        assert [line.judgment_id for line in memory.judgments(session_id="s").lines] == ids[::-1]
    with psycopg.connect(fresh_database) as conn:
        # Without a service the command itself folds what it left for the shared counters.
        assert conn.execute("SELECT judgment_count FROM sessions").fetchone() == (3,)


def test_dimensions_and_votes_from_a_file(here: Cynic, tmp_path: Path) -> None:
    (tmp_path / "votes.json").write_text(
        json.dumps([{"dog": "Guardian", "score": 0.2, "reasoning": "a password in clear"}]), "utf-8"
    )
    (tmp_path / "x.py").write_text("password = 'x'\n", "utf-8")
    done = here(
        "judge", str(tmp_path / "x.py"), "--votes", str(tmp_path / "votes.json"),
        "--dimension", "INTEGRITY=20", "--probability", "0.9", "--id", "mine",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "BARK  20.00 of 100, confidence 0.5562 of 0.618" in done.out
    assert "not approved (Guardian vetoes)" in done.out
    shown = here("judgments", "mine").out
    assert "a password in clear" in shown


def test_standard_input_is_judged(cynic: Cynic, fresh_database: str) -> None:
    done = cynic("--database", fresh_database, "judge", "-", *VOTES, stdin="to be or not\n")
    assert done.code == 0, done.err
    assert "HOWL" in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "name"),
    [
        (("--vote", "Sage"), 2, "usage"),
        (("--vote", "Rex=1"), 5, "invalid-field"),
        (("--dimension", "COHERENCE=101"), 5, "invalid-field"),
        (("--dimension", "COHERENCE=80", "--dimension", "COHERENCE=10"), 2, "usage"),
        ((*VOTES, "--confidence", "0.7"), 5, "invalid-field"),
        ((*VOTES, "--probability", "nan"), 5, "invalid-field"),
    ],
)
def test_each_fault_has_its_exit_code(
    here: Cynic, tmp_path: Path, arguments: tuple[str, ...], code: int, name: str
) -> None:
    (tmp_path / "x").write_text("x", "utf-8")
    done = here("judge", str(tmp_path / "x"), *arguments)
    assert (done.code, f"[{name}]" in done.err) == (code, True), done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("content", "code", "name"),
    [
        (b"", 5, "invalid-field"),
        (b"\x81", 5, "not-text"),
        (b"a\0b", 5, "not-text"),
        (b"x" * 1_100_000, 5, "invalid-field"),
        (b"x" * 5_000_000, 5, "too-large"),
    ],
)
def test_a_file_that_cannot_be_judged_says_why(
    here: Cynic, tmp_path: Path, content: bytes, code: int, name: str
) -> None:
    (tmp_path / "x").write_bytes(content)
    done = here("judge", str(tmp_path / "x"), *VOTES)
    assert (done.code, f"[{name}]" in done.err) == (code, True), done.err


def test_votes_were_to_be_read_and_there_are_none(here: Cynic, tmp_path: Path) -> None:
    (tmp_path / "votes.json").write_text("[]", "utf-8")
    done = here("judge", str(tmp_path / "votes.json"), "--votes", str(tmp_path / "votes.json"))
    assert (done.code, "[nothing-to-go-by]" in done.err) == (2, True)


def test_a_folder_a_missing_file_and_an_unknown_judgment(here: Cynic, tmp_path: Path) -> None:
    assert here("judge", str(tmp_path), *VOTES).code == 2
    assert here("judge", str(tmp_path / "nowhere"), *VOTES).code == 2
    assert here("judgments", "nowhere").code == 3
    assert here("feedback", "nowhere", "correct").code == 3


def test_a_database_that_is_behind_names_the_way(cynic: Cynic, empty_database: str) -> None:
    done = cynic("--database", empty_database, "judge", "-", *VOTES, stdin="x")
    assert (done.code, "cynic db migrate" in done.err) == (69, True)
