"""`cynic judge FILE` with the pack, as in the first five minutes: files of one's own, good and bad ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cynic.cli.item import CHARACTERS_MAX
from cynic.domains.dogs.pack import DOGS
from cynic.flows.submission import CONTENT_CHARACTERS_MAX
from model_endpoint import completion, reply, served

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Done

    Cynic = Callable[..., Done]

GOOD = '"""Add numbers."""\n\n\ndef add(first: int, second: int) -> int:\n    """The sum."""\n    return first + second\n'
VOTE = {"score": 0.31, "probability": 0.9, "reasoning": "I have\nread better."}


@pytest.fixture
def here(cynic: Cynic, fresh_database: str) -> Cynic:
    return lambda *arguments, **given: cynic("--database", fresh_database, *arguments, **given)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    (tmp_path / "good.py").write_text(GOOD, "utf-8")
    return tmp_path / "good.py"


def test_a_good_file_is_approved_and_each_dog_has_its_line(here: Cynic, good: Path) -> None:
    done = here("judge", str(good))
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith("HOWL")
    assert "pack: approved (approved)" in lines
    assert [line.split()[0] for line in lines[3:-1]] == list(DOGS)
    assert "docstrings on 2 of 2" in done.out
    kept = json.loads(here("judgments", lines[-1], "--json").out)
    assert kept["item_type"] == "code"
    assert len(kept["votes"]) == len(DOGS)


def test_a_password_is_vetoed_and_not_repeated(here: Cynic, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text('PASSWORD = "w1nter-Sunrise"\n', "utf-8")
    done = here("judge", str(tmp_path / "x.py"))
    assert done.code == 0
    assert "not approved (Guardian vetoes)" in done.out
    assert "VETO" in done.out
    assert "w1nter" not in done.out


def test_json_says_what_each_dog_saw(here: Cynic, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# Notes\n\nSome words.\n", "utf-8")
    document = json.loads(here("judge", str(tmp_path / "notes.md"), "--json").out)
    voted = [vote["dog"] for vote in document["votes"]]
    assert sorted([*voted, *document["silent"]]) == sorted(DOGS)
    assert "Guardian" in document["silent"]
    assert document["dimension_scores"]


def test_votes_that_are_given_are_not_mixed_with_the_packs(here: Cynic, good: Path) -> None:
    document = json.loads(here("judge", str(good), "--vote", "Sage=0.2", "--json").out)
    assert "votes" not in document
    kept = json.loads(here("judgments", document["judgment_id"], "--json").out)
    assert [vote["dog"] for vote in kept["votes"]] == ["Sage"]


def test_several_files_are_judged_each_and_a_bad_one_keeps_none_out(
    here: Cynic, good: Path, tmp_path: Path
) -> None:
    (tmp_path / "binary").write_bytes(b"\x7fELF\0\0")
    (tmp_path / "b.md").write_text("Words.\n", "utf-8")
    files = [str(good), str(tmp_path / "binary"), str(tmp_path / "gone"), str(tmp_path / "b.md")]
    done = here("judge", *files)
    assert done.code == 5
    assert "[not-text]" in done.err
    assert "gone: No such file" in done.err
    assert f"{good}:" in done.out
    assert f"{tmp_path / 'b.md'}:" in done.out
    listed = json.loads(here("judgments", "--json").out)["judgments"]
    assert len(listed) == 2
    both = json.loads(here("judge", files[0], files[3], "--json").out)["judgments"]
    assert [one["file"] for one in both] == [files[0], files[3]]
    assert here("judge", files[0], files[3], "--id", "x").code == 2


def test_standard_input_is_judged_by_how_it_looks(here: Cynic) -> None:
    done = here("judge", stdin="def run(text):\n    return eval(text)\n")
    assert done.code == 0, done.err
    assert "Guardian vetoes" in done.out
    assert "too few words" in here("judge", "-", stdin="to be or not\n").out


@pytest.mark.parametrize(
    ("content", "code", "name"),
    [
        (b"", 5, "invalid-field"),
        (b"\x7fELF\0\0", 5, "not-text"),
        ("Ω".encode("utf-16"), 5, "not-text"),
        (b"\x81\x8d\x90", 5, "not-text"),
        (b"caf\xe9\x01", 5, "not-text"),
        (b"x" * 50_000_000, 5, "too-large"),
        (b"x" * 1_100_000, 5, "invalid-field"),
    ],
)
def test_what_is_no_text_says_why(
    here: Cynic, tmp_path: Path, content: bytes, code: int, name: str
) -> None:
    (tmp_path / "x.py").write_bytes(content)
    done = here("judge", str(tmp_path / "x.py"))
    assert (done.code, f"[{name}]" in done.err) == (code, True), done.err
    assert "Traceback" not in done.err


def test_latin_1_is_judged_and_named(here: Cynic, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"un caf\xe9 noir, s'il vous pla\xeet\n")
    done = here("judge", str(tmp_path / "x.txt"))
    assert done.code == 0
    assert "is not UTF-8 (byte 6 is" in done.err
    assert "read as cp1252" in done.err
    kept = json.loads(here("judgments", done.out.splitlines()[-1], "--json").out)
    assert kept["item_content"].startswith("un café")


def test_python_that_does_not_parse_is_judged_with_that_fact(here: Cynic, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("def f(:\n", "utf-8")
    done = here("judge", str(tmp_path / "x.py"))
    assert done.code == 0
    assert done.out.startswith("BARK")
    assert "does not parse: line 1" in done.out
    assert "no vote from Guardian: an error" in done.out


def test_a_folder_and_a_loop_of_links_are_no_files(here: Cynic, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "is a folder" in here("judge", str(tmp_path)).err
    done = here("judge", str(tmp_path / "loop"))
    assert (done.code, "Too many levels" in done.err) == (2, True)


def test_what_a_text_holds_does_not_reach_the_terminal_as_an_order(
    here: Cynic, tmp_path: Path
) -> None:
    (tmp_path / "x.md").write_text("[a](#\x1b[2J)\n", "utf-8")
    assert "\x1b" not in here("judge", str(tmp_path / "x.md")).out


def test_a_model_votes_as_a_dog(here: Cynic, good: Path) -> None:
    with served(reply(completion(VOTE))) as (url, asked):
        done = here("judge", str(good), CYNIC_MODEL_URL=url, CYNIC_MODEL="m", CYNIC_MODEL_KEY="k")
    assert (done.code, done.err) == (0, "")
    assert "Sage          0.31  I have?read better." in done.out
    assert len(asked) == 1
    kept = json.loads(here("judgments", done.out.splitlines()[-1], "--json").out)
    (sage,) = [vote for vote in kept["votes"] if vote["dog"] == "Sage"]
    assert float(sage["confidence"]) == pytest.approx(0.618 * 0.9)


def test_a_model_that_fails_abstains(here: Cynic, good: Path) -> None:
    with served(reply(b"out of order", 500)) as (url, _):
        settings = {"CYNIC_MODEL_URL": url, "CYNIC_MODEL": "m", "CYNIC_MODEL_DOG": "Oracle"}
        done = here("judge", str(good), **settings)
    assert done.code == 0
    assert "Oracle: the model abstains: it answered HTTP 500" in done.err
    assert "pack: approved" in done.out
    kept = json.loads(here("judgments", done.out.splitlines()[-1], "--json").out)
    assert "Oracle" not in {vote["dog"] for vote in kept["votes"]}


@pytest.mark.parametrize(
    "settings",
    [
        {"CYNIC_MODEL_URL": "http://127.0.0.1:1/v1"},
        {"CYNIC_MODEL_URL": "file:///etc/passwd", "CYNIC_MODEL": "m"},
        {"CYNIC_MODEL_URL": "http://127.0.0.1:1", "CYNIC_MODEL": "m", "CYNIC_MODEL_DOG": "Rex"},
        {
            "CYNIC_MODEL_URL": "http://127.0.0.1:1",
            "CYNIC_MODEL": "m",
            "CYNIC_MODEL_DOG": "Guardian",
        },
    ],
)
def test_settings_of_a_model_that_cannot_be_asked(
    here: Cynic, good: Path, settings: dict[str, str]
) -> None:
    done = here("judge", str(good), **settings)
    assert (done.code, "[model-setting]" in done.err) == (2, True), done.err


def test_the_limit_is_that_of_a_submission() -> None:
    assert CHARACTERS_MAX == CONTENT_CHARACTERS_MAX
