"""The process that reads: `python -P -m cynic.pack.worker FILE_NAME SECONDS`, the text on descriptor 0.

It parses once and forks into two, for two cores: one for bandit, which takes as long as all the others, and one for
them. Both write JSON lines: what each dog saw, as soon as it saw it. So a dog that crashes or stalls costs the dogs
after it in its process at most; the parent says how that process ended. Runs no line of the text.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict
from typing import TYPE_CHECKING, Final, NoReturn

from cynic.pack import look, source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cynic.pack.look import Look
    from cynic.pack.rules import Finding
    from cynic.pack.source import Source

GROUPS: Final = (
    ("Guardian",),
    ("Scholar", "Sage", "Cartographer", "Deployer", "Architect", "Scout", "Janitor", "Analyst"),
)
"""Which dogs share a process; what is quick and needs no tool goes first."""
_PYTHON_TOOLS: Final = {"Guardian": "bandit", "Architect": "radon", "Scout": "vulture"}


class _TooSlowError(Exception):
    """A dog's time is over."""


def main(file_name: str, dog_seconds: float) -> None:
    """Read with every dog."""
    # Syntax trees are many objects that stay: looking for garbage among them takes longer than leaving it.
    gc.disable()
    # What tools print goes to standard error; the answers have a descriptor of their own.
    answers = os.dup(1)
    os.dup2(2, 1)
    with open(0, "rb", closefd=False) as opened:  # a descriptor, not a path
        text = source.named(file_name, opened.read().decode())
    _write(answers, {"kind": text.kind, "lines": text.written})
    if text.kind == "python":
        _ = text.nodes
    groups = {_fork(dogs, text, answers, dog_seconds): dogs for dogs in GROUPS}
    for pid, dogs in groups.items():
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code:
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            _write(answers, {"crashed": dogs, "problem": f"the reading crashed ({how})"})


def _fork(dogs: tuple[str, ...], text: Source, answers: int, dog_seconds: float) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        _read(dogs, text, answers, dog_seconds)
    except BaseException:  # noqa: BLE001  # the parent reports it by the exit code, and nothing else runs here
        os._exit(1)
    os._exit(0)


def _read(dogs: tuple[str, ...], text: Source, answers: int, dog_seconds: float) -> None:
    signal.signal(signal.SIGALRM, _too_slow)
    if dogs == GROUPS[0]:
        _own_input(text)
    ruff = _start_ruff(text) if "Janitor" in dogs else None
    for dog, read in _readings(dogs, text, ruff):
        signal.setitimer(signal.ITIMER_REAL, dog_seconds)
        try:
            seen = read()
        except _TooSlowError:
            seen = look.failed(dog, f"took longer than {dog_seconds:g} s")
        except ModuleNotFoundError as error:
            seen = look.failed(dog, f"{error.name} is not installed")
        except Exception as error:  # noqa: BLE001  # whatever a tool raises is that dog's error vote, and no other's
            tool = _PYTHON_TOOLS.get(dog, "its measurement")
            seen = look.failed(dog, f"{tool} failed: {type(error).__name__}: {error}"[:500])
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        _write(answers, asdict(seen))


def _own_input(text: Source) -> None:
    """Give this process a descriptor 0 of its own, at its beginning: bandit reads there, as text was read before."""
    with tempfile.TemporaryFile() as given:
        given.write(text.content.encode())
        given.seek(0)
        os.dup2(given.fileno(), 0)


def _readings(
    dogs: tuple[str, ...], text: Source, ruff: subprocess.Popen[str] | None
) -> Iterator[tuple[str, Callable[[], Look]]]:
    found: list[Finding] | None = None

    def ruled(dog: str) -> Look:
        nonlocal found
        if found is None:
            from cynic.pack import rules

            found = [] if ruff is None else rules.findings(text, _finish(ruff))
        return importlib.import_module(f"cynic.pack.{dog.lower()}").read(text, found)

    for dog in dogs:
        if dog in {"Janitor", "Analyst"}:
            yield dog, lambda dog=dog: ruled(dog)
        else:
            yield (
                dog,
                lambda dog=dog: importlib.import_module(f"cynic.pack.{dog.lower()}").read(text),
            )


def _start_ruff(text: Source) -> subprocess.Popen[str] | None:
    """Start ruff beside us; None where it has nothing to read. A missing ruff shows when its answer is asked for."""
    if text.kind != "python":
        return None
    from cynic.pack import rules

    try:
        program = importlib.import_module("ruff.__main__").find_ruff_bin()
    except (ImportError, FileNotFoundError):
        program = "ruff"
    given = tempfile.TemporaryFile("w+b")  # noqa: SIM115  # lives as long as ruff reads it
    given.write(text.content.encode())
    given.seek(0)
    try:
        return subprocess.Popen(
            [program, *rules.arguments(text)],
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
    except OSError:
        return subprocess.Popen(
            [sys.executable, "-c", "raise SystemExit('ruff is not installed')"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )


def _finish(ruff: subprocess.Popen[str]) -> str:
    output, errors = ruff.communicate()
    if ruff.returncode:
        raise RuntimeError(errors.strip()[:300] or f"ruff ended with {ruff.returncode}")
    return output


def _write(answers: int, document: object) -> None:
    """One line in one write, so that lines of two processes do not mix."""
    os.write(answers, json.dumps(document).encode() + b"\n")


def _too_slow(number: int, frame: object) -> NoReturn:
    del number, frame
    raise _TooSlowError


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
