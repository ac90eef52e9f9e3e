"""The judgments of one command: each file read by the pack, or by what was given, then recorded and shown.

The pack's tools start before the database driver is imported, and read meanwhile.
"""

from __future__ import annotations

import shutil
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self, cast

import click

from cynic.base.errors import ConflictError, CynicError, InvalidDataError, UsageError
from cynic.cli.context import open_memory, say, settings
from cynic.cli.item import read_item

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from cynic.base.settings import Settings
    from cynic.cli.item import Item
    from cynic.clients.model import Asking, Endpoint
    from cynic.flows.record import Recorded
    from cynic.memory import Memory
    from cynic.pack.run import PackReading

PIPED_LINE_CHARACTERS: Final = 200
_DOG_CHARACTERS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a judgment goes by."""

    item_type: str
    votes: Sequence[object]
    dimensions: Mapping[str, float]
    silent: Mapping[str, str] = field(default_factory=dict[str, str])
    of_pack: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One file with its judgment."""

    shown: str
    basis: Basis
    recorded: Recorded
    named: bool
    """Whether the answer names the file: there are several."""

    def document(self) -> dict[str, object]:
        """The judgment as JSON values, with what the pack saw."""
        document = self.recorded.document()
        if self.named:
            document = {"file": self.shown, **document}
        if self.basis.of_pack:
            document |= {
                "dimension_scores": dict(self.basis.dimensions),
                "votes": list(self.basis.votes),
                "silent": dict(self.basis.silent),
            }
        return document


class Judging:
    """The files of one command, one after another. `exit_code` is that of the first that failed."""

    def __init__(
        self,
        fields: Mapping[str, object],
        *,
        schema: str | None,
        votes: Sequence[object],
        dimensions: Mapping[str, float],
    ) -> None:
        self.exit_code = 0
        self._fields = fields
        self._schema = schema
        self._votes = votes
        self._dimensions = dimensions
        self._by_pack = not votes and not dimensions
        self._opened = ExitStack()
        self._memory: Memory | None = None
        self._endpoint: Endpoint | None = None

    def judge_each(self, files: Sequence[Path]) -> Iterator[Judged]:
        """Judge the files in order; of several, one that fails is reported and does not keep the others out."""
        if self._by_pack:
            from cynic.pack.run import require_tools

            require_tools()
            self._endpoint = _endpoint(settings(self._schema))
        for file in files:
            try:
                item = read_item(file)
                with self._basis(item) as basis:
                    recorded, found = self._record(item, basis)
            except (InvalidDataError, UsageError, ConflictError) as error:
                self._report(file, error, alone=len(files) == 1)
            else:
                named = len(files) > 1
                yield Judged(shown=item.shown, basis=found, recorded=recorded, named=named)

    def _record(self, item: Item, basis: Callable[[], Basis]) -> tuple[Recorded, Basis]:
        """Open the memory while the pack reads, then record what it saw."""
        if self._memory is None:
            self._memory = self._opened.enter_context(open_memory(self._schema))
        found = basis()
        recorded = self._memory.judge(
            item_content=item.content,
            votes=list(found.votes),
            dimensions=dict(found.dimensions),
            **{"item_type": found.item_type, **self._fields},
        )
        if item.note:
            say(item.note)
        return recorded, found

    @contextmanager
    def _basis(self, item: Item) -> Generator[Callable[[], Basis]]:
        """What the judgment will go by, ready when it is called."""
        from cynic.pack import run
        from cynic.pack.kinds import item_type_of, kind_of

        if not self._by_pack:
            kind = item_type_of(kind_of(item.file_name or "standard-input.txt", ""))
            given = Basis(item_type=kind, votes=self._votes, dimensions=self._dimensions)
            yield lambda: given
            return
        with run.start(item.content, file_name=item.file_name) as reading:
            asking = None if self._endpoint is None else _ask(self._endpoint, item)
            yield lambda: self._of_pack(reading.result(), asking)

    def _of_pack(self, read: PackReading, asking: Asking | None) -> Basis:
        """What the pack saw; the model's vote stands for that of its dog, or nothing does."""
        votes, silent = list(read.votes), dict(read.silent)
        if asking is not None and self._endpoint is not None:
            dog = self._endpoint.dog
            votes = [vote for vote in votes if vote["dog"] != dog]
            silent.pop(dog, None)
            try:
                votes.append({"dog": dog, **asdict(asking.vote())})
            except CynicError as error:
                silent[dog] = f"the model abstains: {error.message}"
                say(f"{dog}: {silent[dog]}")
        return Basis(
            item_type=read.item_type,
            votes=votes,
            dimensions=read.dimensions,
            silent=silent,
            of_pack=True,
        )

    def _report(self, file: Path, error: CynicError, *, alone: bool) -> None:
        if alone:
            raise error
        say(f"cynic: {file}: {error.message} [{error.code}]")
        self.exit_code = self.exit_code or error.exit_code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.__exit__(kind, error, trace)


def show(judged: Judged) -> None:
    """Show one judgment to a person."""
    recorded = judged.recorded
    if judged.named:
        click.echo(f"{_printable(judged.shown)}:")
    click.echo(
        f"{recorded.verdict}  {recorded.q_score} of 100, "
        f"confidence {recorded.confidence.normalize():f} of 0.618"
    )
    measured = [
        f"{name} {value:g}" for name, value in recorded.axiom_scores.items() if value is not None
    ]
    if measured:
        click.echo(f"axioms: {', '.join(measured)}")
    if recorded.consensus is not None:
        word = "approved" if recorded.consensus["approved"] else "not approved"
        click.echo(f"pack: {word} ({recorded.consensus['reason']})")
    if judged.basis.of_pack:
        for line in _dog_lines(judged.basis):
            click.echo(line)
    click.echo(recorded.judgment_id)


def _dog_lines(basis: Basis) -> Iterator[str]:
    """One line for each dog: its score, and what it measured, cut to the terminal's width."""
    from cynic.domains.dogs.pack import DOGS

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPED_LINE_CHARACTERS
    cast_votes = cast("Sequence[Mapping[str, Any]]", basis.votes)
    votes = {str(vote["dog"]): vote for vote in cast_votes}
    for dog in DOGS:
        vote = votes.get(dog)
        if vote is None:
            score, said = "-", f"no vote: {basis.silent.get(dog, 'not asked')}"
        elif "error" in vote:
            score, said = "error", str(vote["error"])
        else:
            score = f"{vote['score']:.2f}"
            said = f"{'VETO ' if vote.get('veto') else ''}{vote['reasoning']}"
        line = _printable(f"  {dog:{_DOG_CHARACTERS}} {score:>5}  {said}")
        yield line if len(line) <= width else f"{line[: width - 1]}…"


def _printable(text: str) -> str:
    """Text without what a terminal would obey: names and reasonings come from elsewhere."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _endpoint(chosen: Settings) -> Endpoint | None:
    """The model that votes, if one is configured; Guardian's veto is not left to a model."""
    if chosen.model_url is None:
        return None
    from cynic.clients.model import Endpoint, ModelSettingError
    from cynic.domains.dogs.pack import DOGS, GUARDIAN

    if chosen.model is None:
        raise ModelSettingError("CYNIC_MODEL_URL is set, and CYNIC_MODEL is not")
    if chosen.model_dog not in DOGS or chosen.model_dog == GUARDIAN:
        others = ", ".join(dog for dog in DOGS if dog != GUARDIAN)
        raise ModelSettingError(
            f"CYNIC_MODEL_DOG cannot be {chosen.model_dog}", hint=f"one of {others}"
        )
    return Endpoint(
        url=chosen.model_url, model=chosen.model, dog=chosen.model_dog, key=chosen.model_key
    )


def _ask(endpoint: Endpoint, item: Item) -> Asking:
    from cynic.clients.model import Asking

    return Asking(endpoint, item.content, item.file_name)
