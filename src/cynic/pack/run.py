"""Starting the readings of a text, and gathering them: the votes, the dimensions, and who could not see it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Self, cast

from cynic.base.errors import UnavailableError
from cynic.domains.dogs.pack import DOGS
from cynic.pack import look
from cynic.pack.kinds import item_type_of, kind_of
from cynic.pack.together import CYNIC, ORACLE, cynic, oracle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import IO

    from cynic.pack.kinds import Kind
    from cynic.pack.look import Look

DOG_SECONDS_MAX: Final = 20.0
"""How long one dog may look."""
READING_SECONDS_MAX: Final = 30.0
"""How long all of them may; whoever has not answered then gives an error vote."""
TOOLS: Final = ("bandit", "radon", "ruff", "vulture")

READERS: Final = tuple(dog for dog in DOGS if dog not in {ORACLE, CYNIC})
"""The dogs that read the text itself; Oracle and CYNIC look at what these saw."""


class PackMissingError(UnavailableError):
    """None of the tools the pack reads with is installed."""

    code = "pack-missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackReading:
    """What the pack saw, ready to be submitted as a judgment."""

    item_type: str
    votes: Sequence[Mapping[str, object]]
    """As a submission takes them: dog, score, reasoning, veto; or dog and error."""
    dimensions: Mapping[str, float]
    """0 to 100; the mean where several dogs saw the same one."""
    silent: Mapping[str, str]
    """The dogs that do not vote on this item, and why."""


def judge_text(
    content: str, *, file_name: str = "", seconds_max: float = READING_SECONDS_MAX
) -> PackReading:
    """Read a text with the whole pack. The name says what kind of text it is; without one it is guessed."""
    with start(content, file_name=file_name, seconds_max=seconds_max) as reading:
        return reading.result()


def require_tools() -> None:
    """Raise `PackMissingError` when none of the tools is there; one that is missing alone is an error vote."""
    if not any(find_spec(tool) for tool in TOOLS):
        raise PackMissingError(
            f"the pack's tools are not installed ({', '.join(TOOLS)})",
            hint="pip install 'cynic[pack]', or bring votes of your own: --vote Guardian=0.9 --vote Sage=0.7",
        )


def start(
    content: str, *, file_name: str = "", seconds_max: float = READING_SECONDS_MAX
) -> Reading:
    """Start reading in processes of their own and return at once."""
    return Reading(content, file_name, seconds_max)


class Reading:
    """A reading under way, in a process of its own. Use it as a context: what still runs at its end is stopped.

    The process is fed and heard through nameless files: nobody waits for a full pipe, and nothing is left on disk.
    """

    def __init__(self, content: str, file_name: str, seconds_max: float) -> None:
        self._file_name = PurePath(file_name).name
        self._deadline = time.monotonic() + seconds_max
        self._answers: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed at the end of the context
        options = ["-P", "-Wignore", "-m", "cynic.pack.worker"]
        dog_seconds = str(min(DOG_SECONDS_MAX, seconds_max))
        with tempfile.TemporaryFile() as given:
            given.write(content.encode())
            given.seek(0)
            self._process = subprocess.Popen(
                [sys.executable, *options, self._file_name, dog_seconds],
                stdin=given,
                stdout=self._answers,
                stderr=subprocess.DEVNULL,
                cwd="/",  # no configuration and no module of the place it is called from
                env={**os.environ, "PYTHONHASHSEED": "0"},
                start_new_session=True,
            )

    def result(self) -> PackReading:
        """Wait for the readings, and put them together."""
        problem = self._wait()
        # Whoever crashes before the kind is known is not parsed here; the name alone decides then.
        kind, lines = kind_of(self._file_name or "unread.txt", ""), 1
        seen: dict[str, Look] = {}
        crashed: dict[str, str] = {}
        for answer in self._answered():
            if "kind" in answer:
                kind, lines = cast("Kind", answer["kind"]), int(answer["lines"])
            elif "crashed" in answer:
                crashed |= dict.fromkeys(answer["crashed"], answer["problem"])
            else:
                seen[answer["dog"]] = look.Look(**answer)
        looks = [seen.get(dog) or look.failed(dog, crashed.get(dog, problem)) for dog in READERS]
        looks += [oracle(looks), cynic(looks, lines)]
        return PackReading(
            item_type=item_type_of(kind),
            votes=[_vote(one) for one in looks if one.outcome != "silent"],
            dimensions=_dimensions(looks),
            silent={one.dog: one.said for one in looks if one.outcome == "silent"},
        )

    def _wait(self) -> str:
        """Wait for the process, and stop it when the time is over; why a dog that did not answer did not."""
        try:
            code = self._process.wait(max(0.0, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._stop()
            return "the reading took too long"
        return f"the reading crashed ({code})" if code else "the reading ended without an answer"

    def _answered(self) -> list[dict[str, Any]]:
        self._answers.seek(0)
        return [json.loads(line) for line in self._answers.read().split(b"\n")[:-1]]

    def _stop(self) -> None:
        """End the process and everything it started."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()
        self._answers.close()


def _vote(seen: Look) -> dict[str, object]:
    if seen.outcome == "failed":
        return {"dog": seen.dog, "error": seen.said}
    vote: dict[str, object] = {"dog": seen.dog, "score": seen.score, "reasoning": seen.said}
    return {**vote, "veto": True} if seen.veto else vote


def _dimensions(looks: Sequence[Look]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for one in looks:
        for name, value in one.dimensions.items():
            found.setdefault(name, []).append(value)
    return {
        name: round(sum(values) / len(values), look.DIMENSION_PLACES)
        for name, values in sorted(found.items())
    }
