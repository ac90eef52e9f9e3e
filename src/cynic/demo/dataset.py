"""Data sets of tasks with the score of everyone who could have done them: read from CSV, or generated.

A CSV file has a column `context`, two to eleven columns `score:NAME` (how well NAME did the task, 0 to 1), and may have
columns `dim:DIMENSION` (the item judged, 0 to 100) and `task` (ignored). Other columns are ignored too. Everybody in it
is stood for by one of the dogs, in the order of the columns. Lines of the file are counted from 1, the head's.
"""

from __future__ import annotations

import csv
import math
import random
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from cynic.base.errors import InvalidDataError
from cynic.domains.core.dimensions import AXIOM_OF
from cynic.domains.dogs.pack import DOGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

SCORE: Final = "score:"
DIMENSION: Final = "dim:"
TASKS_MAX: Final = 20_000
GENERATED_SEED: Final = 618
GENERATED_TASKS: Final = 2400
CONTEXT_CHARACTERS_MAX: Final = 64
CHOICES_MIN: Final = 2
HIDDEN_SHARE: Final = 0.25
"""Of the generated incidents: they fail for a reason that no dimension knows."""


class BadDataSetError(InvalidDataError):
    """The file is no data set of tasks."""

    code = "bad-data-set"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task: where it comes from, how well each dog does it, and what was judged of it beforehand."""

    context: str
    scores: Mapping[str, float]
    """Dog → score, 0 to 1."""
    dimensions: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """Tasks in their order."""

    name: str
    tasks: Sequence[Task]
    stands_for: Mapping[str, str]
    """Dog → whom it stands for in the file."""

    @property
    def dogs(self) -> tuple[str, ...]:
        """Those who can be chosen."""
        return tuple(self.stands_for)

    @property
    def contexts(self) -> list[str]:
        """Where tasks come from, the most frequent first."""
        counts: dict[str, int] = {}
        for task in self.tasks:
            counts[task.context] = counts.get(task.context, 0) + 1
        return sorted(counts, key=lambda name: (-counts[name], name))

    def random_mean(self) -> float:
        """The mean score of choosing blindly."""
        return _mean(_mean(task.scores.values()) for task in self.tasks)

    def best_mean(self) -> float:
        """The mean score of the best dog of each context, which is known only afterwards."""
        sums: dict[str, dict[str, float]] = {}
        for task in self.tasks:
            row = sums.setdefault(task.context, dict.fromkeys(self.dogs, 0.0))
            for dog, score in task.scores.items():
                row[dog] += score
        return sum(max(row.values()) for row in sums.values()) / len(self.tasks)


def read(path: Path) -> DataSet:
    """The tasks of a CSV file; `BadDataSetError` names the column or the line that is wrong."""
    try:
        return _read(path)
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadDataSetError(f"{path} is no CSV in UTF-8: {error}") from error


def _read(path: Path) -> DataSet:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = list(reader.fieldnames or ())
        names = [name for name in columns if name.startswith(SCORE)]
        dimensions = [name for name in columns if name.startswith(DIMENSION)]
        _check_columns(path, columns, names, dimensions)
        for column in columns:
            _text(column, f"{path}, line 1")
        dogs = dict(zip(names, DOGS, strict=False))
        tasks: list[Task] = []
        for row in reader:
            if len(tasks) == TASKS_MAX:
                raise BadDataSetError(
                    f"{path}, line {reader.line_num}: more than {TASKS_MAX:,} tasks"
                )
            where = f"{path}, line {reader.line_num}"
            if extra := cast("Mapping[str | None, list[str]]", row).get(None):
                raise BadDataSetError(
                    f"{where}: {len(columns) + len(extra)} cells for {len(columns)} columns",
                    hint="a cell with a comma in it stands in double quotes",
                )
            context = _text((row["context"] or "").strip(), where)
            if not context or len(context) > CONTEXT_CHARACTERS_MAX:
                raise BadDataSetError(
                    f"{where}: a context has 1 to {CONTEXT_CHARACTERS_MAX} characters"
                )
            tasks.append(
                Task(
                    context=context,
                    scores={dogs[name]: _number(row[name], 1, where, name) for name in names},
                    dimensions={
                        name.removeprefix(DIMENSION): _number(row[name], 100, where, name)
                        for name in dimensions
                        if row[name]
                    },
                )
            )
    if not tasks:
        raise BadDataSetError(f"{path} has no tasks")
    stands_for = {dog: name.removeprefix(SCORE) for name, dog in dogs.items()}
    return DataSet(name=path.name, tasks=tasks, stands_for=stands_for)


def _text(given: str, where: str) -> str:
    """A name that a picture can show."""
    if any(unicodedata.category(character) == "Cc" for character in given):
        raise BadDataSetError(f"{where}: {given!r} holds control characters")
    return given


def generated(tasks: int = GENERATED_TASKS, seed: int = GENERATED_SEED) -> DataSet:
    """A small data set with something to find: who is good at what, and which dimensions foretell it.

    Six dogs in four contexts, each best at some; COHERENCE and ACCURACY foretell success, the others are noise; and in one
    context tasks fail for a reason that no dimension knows.
    """
    rng = random.Random(seed)  # noqa: S311  # no secret: the same data each time
    skill = {
        "code review": (0.85, 0.55, 0.40, 0.60, 0.35, 0.30),
        "refactoring": (0.45, 0.50, 0.80, 0.55, 0.40, 0.30),
        "incident": (0.30, 0.75, 0.35, 0.45, 0.65, 0.40),
        "deployment": (0.40, 0.35, 0.45, 0.30, 0.50, 0.70),
    }
    dogs = ("Guardian", "Analyst", "Architect", "Sage", "Oracle", "Deployer")
    found: list[Task] = []
    for _ in range(tasks):
        context = rng.choices(list(skill), weights=(4, 3, 2, 1))[0]
        ease = rng.gauss(0, 1)
        hidden = context == "incident" and rng.random() < HIDDEN_SHARE
        scores = {
            dog: float(not hidden and rng.random() < _squeezed(able, ease))
            for dog, able in zip(dogs, skill[context], strict=True)
        }
        found.append(Task(context=context, scores=scores, dimensions=_dimensions(rng, ease)))
    return DataSet(
        name=f"generated, seed {seed}", tasks=found, stands_for={dog: dog for dog in dogs}
    )


def _squeezed(able: float, ease: float) -> float:
    """The chance of a dog of this ability at a task of this ease: the logit moves by the ease."""
    return 1 / (1 + math.exp(-(math.log(able / (1 - able)) + ease)))


def _dimensions(rng: random.Random, ease: float) -> dict[str, float]:
    telling = {name: 60 + 14 * ease + rng.gauss(0, 8) for name in ("COHERENCE", "ACCURACY")}
    noise = {name: rng.gauss(60, 16) for name in ("NOVELTY", "IMPACT", "UTILITY")}
    return {
        name: round(min(100.0, max(0.0, score)), 1) for name, score in (telling | noise).items()
    }


def _check_columns(path: Path, columns: list[str], names: list[str], dimensions: list[str]) -> None:
    if "context" not in columns:
        raise BadDataSetError(f"{path} has no column context", hint=_hint(columns))
    for name in names:
        if not name.removeprefix(SCORE).strip():
            raise BadDataSetError(f"{path}, line 1: a column {SCORE} without a name")
    if not CHOICES_MIN <= len(names) <= len(DOGS):
        raise BadDataSetError(
            f"{path} has {len(names)} columns {SCORE}NAME; a pack takes {CHOICES_MIN} to {len(DOGS)}"
        )
    if len(set(columns)) < len(columns):
        raise BadDataSetError(f"{path} names a column twice")
    for name in dimensions:
        if name.removeprefix(DIMENSION) not in AXIOM_OF:
            raise BadDataSetError(f"{path}: {name} is no dimension of the contract")


def _hint(columns: list[str]) -> str | None:
    """What to do about a head whose cells are separated otherwise: it is read as few cells, with the separator in them."""
    head = ",".join(columns)
    for character, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if character in head:
            return f"the cells of this file are separated by {name}; write it with commas (and points in numbers)"
    return None


def _number(text: str | None, most: float, where: str, name: str) -> float:
    try:
        value = float(text or "")
    except ValueError as error:
        raise BadDataSetError(f"{where}: {name} is no number") from error
    if not 0 <= value <= most:
        raise BadDataSetError(f"{where}: {name} lies in [0, {most:g}], not {value}")
    return value


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return math.fsum(listed) / len(listed)
