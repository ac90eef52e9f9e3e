"""A tool that is missing, crashes or stalls is an error vote of its dog, and nothing is approved then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from cynic.flows.evaluate import evaluate
from cynic.flows.submission import read_judgment
from cynic.pack import run
from cynic.pack.run import PackMissingError, judge_text, require_tools

if TYPE_CHECKING:
    from pathlib import Path

    from cynic.pack.run import PackReading

GOOD = '"""Add numbers."""\n\n\ndef add(first: int, second: int) -> int:\n    """The sum."""\n    return first + second\n'
DOGS_OF = {
    "bandit": {"Guardian"},
    "radon": {"Architect"},
    "vulture": {"Scout"},
    "ruff": {"Janitor", "Analyst"},
}


@pytest.fixture
def instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules go before the installed ones, for the processes that read."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def errors(reading: PackReading) -> dict[str, str]:
    return {str(vote["dog"]): str(vote["error"]) for vote in reading.votes if "error" in vote}


def assert_not_approved(reading: PackReading) -> None:
    document = {
        "item_type": "code",
        "item_content": GOOD,
        "votes": list(reading.votes),
        "dimensions": dict(reading.dimensions),
    }
    consensus = evaluate(read_judgment(document)).consensus
    assert consensus is not None
    assert not consensus.approved
    assert "an error" in consensus.reason


@pytest.mark.parametrize("tool", DOGS_OF)
def test_a_missing_tool_is_an_error_vote(tool: str, instead: Path) -> None:
    message = f"No module named '{tool}'"
    (instead / f"{tool}.py").write_text(f"raise ModuleNotFoundError({message!r}, name={tool!r})\n")
    reading = judge_text(GOOD, file_name="x.py")
    found = errors(reading)
    assert found.keys() == DOGS_OF[tool]
    assert all("not installed" in said for said in found.values()), found
    assert_not_approved(reading)


@pytest.mark.parametrize("tool", ["bandit", "radon", "vulture"])
def test_a_tool_that_raises_is_an_error_vote(tool: str, instead: Path) -> None:
    (instead / f"{tool}.py").write_text("raise RuntimeError('out of order')\n")
    reading = judge_text(GOOD, file_name="x.py")
    assert errors(reading).keys() == DOGS_OF[tool]
    assert "out of order" in next(iter(errors(reading).values()))
    assert_not_approved(reading)


def test_ruff_that_fails_is_an_error_of_both_its_dogs(instead: Path) -> None:
    (instead / "ruff.py").write_text("raise ImportError('no')\n")
    program = instead / "ruff"
    program.write_text("#!/bin/sh\necho out of order >&2\nexit 2\n")
    program.chmod(0o755)
    found = errors(judge_text(GOOD, file_name="x.py"))
    assert found.keys() == DOGS_OF["ruff"]
    assert all("out of order" in said for said in found.values())


@pytest.mark.parametrize("tool", ["bandit", "vulture"])
def test_a_tool_that_crashes_the_process_is_an_error_vote(tool: str, instead: Path) -> None:
    (instead / f"{tool}.py").write_text("import os\nos.abort()\n")
    reading = judge_text(GOOD, file_name="x.py")
    found = errors(reading)
    assert found.keys() >= DOGS_OF[tool]
    assert "Scholar" not in found
    assert all("crashed (signal 6)" in said for said in found.values())
    assert_not_approved(reading)


@pytest.mark.parametrize("tool", ["bandit", "vulture"])
def test_a_tool_that_stalls_is_an_error_vote(
    tool: str, instead: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "DOG_SECONDS_MAX", 1.0)
    (instead / f"{tool}.py").write_text("import time\ntime.sleep(60)\n")
    began = time.monotonic()
    reading = judge_text(GOOD, file_name="x.py")
    assert time.monotonic() - began < 20
    assert errors(reading).keys() == DOGS_OF[tool]
    assert "took longer than 1 s" in next(iter(errors(reading).values()))
    assert_not_approved(reading)


def test_a_process_that_cannot_be_interrupted_is_killed(instead: Path) -> None:
    (instead / "bandit.py").write_text(
        "import signal, time\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\ntime.sleep(60)\n"
    )
    began = time.monotonic()
    reading = judge_text(GOOD, file_name="x.py", seconds_max=5)
    assert time.monotonic() - began < 20
    assert "too long" in errors(reading)["Guardian"]


def test_a_module_of_the_folder_one_stands_in_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bandit", "radon", "ruff", "vulture", "json", "ast"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('from here')\n")
    (tmp_path / "ruff.toml").write_text("line-length = 5\n")
    monkeypatch.chdir(tmp_path)
    assert errors(judge_text(GOOD, file_name="x.py")) == {}


def test_without_the_tools_it_says_how_to_install_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "find_spec", lambda _: None)
    with pytest.raises(PackMissingError) as raised:
        require_tools()
    assert "cynic[pack]" in str(raised.value.hint)


@pytest.mark.parametrize(
    ("content", "file_name"),
    [
        ("(" * 5000, "x.py"),
        ("x = " + "-" * 50_000 + "1\n", "x.py"),
        ("x = " + "1+" * 50_000 + "1\n", "x.py"),
        ("x = a" + ".b" * 50_000 + "\n", "x.py"),
        ("a" * 1_000_000, "x.txt"),
        ("[" * 100_000, "x.json"),
        ("```\n" * 50_000, "x.md"),
        ("# a\n" * 50_000, "x.md"),
        ("# TODO\n" * 50_000, "x.py"),
        ("x=1 ;y=2 \n" * 20_000, "x.py"),
        ("](" * 100_000, "x.md"),
        ("/*" * 100_000, "x.js"),
        ("password " * 50_000, "x.js"),
        ("\\" * 1000, "x.py"),
        ("\x1b[2J", "x.py"),
    ],
)
def test_hostile_text_ends_in_time(content: str, file_name: str) -> None:
    began = time.monotonic()
    reading = judge_text(content, file_name=file_name)
    assert reading.votes
    assert time.monotonic() - began < 40
    read_judgment({"item_type": "x", "item_content": "x", "votes": list(reading.votes)})
