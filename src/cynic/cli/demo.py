"""`cynic demo`: see on data what cynic does, in a schema of its own."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from cynic.base.errors import UsageError
from cynic.cli.context import emit, json_option, open_database, say
from cynic.cli.main import LazyGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from cynic.demo.dataset import DataSet
    from cynic.demo.policy import Weights
    from cynic.demo.replay import Replayed
    from cynic.memory import Memory

PICTURES = ("calibration.svg", "routing.svg", "learned.svg")


@click.group(
    cls=LazyGroup,
    lazy={"learning": ("cynic.cli.demo:learning", "A pack that learns whom to send where.")},
)
def demo() -> None:
    """See on data what cynic does.

    It works in the schema cynic_demo, which is made anew each time; one that no demo made is left alone.
    """


@click.command()
@click.argument(
    "data",
    metavar="[DATA.csv]",
    required=False,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("cynic-demo"),
    show_default=True,
    help="Where the pictures go.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the order of the tasks.")
@json_option
def learning(*, data: Path | None, out: Path, seed: int, as_json: bool) -> None:
    """Replay tasks through judge, feedback and learn, and draw what was learned.

    DATA.csv has a column `context`, two to eleven columns `score:NAME` (how well NAME did the task, 0 to 1), and may have
    columns `dim:DIMENSION` (0 to 100). It has at most 20,000 tasks, and a context at most 64 characters; cells are
    separated by commas. Without it a small data set is generated, the same each time.

    For each task a dog is chosen by what was learned so far. Nothing of it touches your own records.
    """
    from cynic.demo import dataset, policy, replay, room
    from cynic.reads.learning.values import routing

    found = dataset.generated() if data is None else dataset.read(data)
    room.make_folder(out, PICTURES)
    if data is None:
        say(
            f"no data given: {len(found.tasks):,} tasks are generated (seed {dataset.GENERATED_SEED})"
        )
    with _open() as memory, _bar(len(found.tasks)) as progress:
        done = replay.replay(memory, found, seed=seed, progress=progress)
        with memory.connection() as conn:
            weights = policy.among(routing(conn), found.dogs)
        document = _document(memory, found, done, weights)
        files = room.write(out, _pictures(memory, found, done, weights))
    document["pictures"] = [str(file) for file in files]
    if as_json:
        emit(document)
    else:
        _show(document)


@contextmanager
def _open() -> Generator[Memory]:
    """A memory in a schema of its own, empty. It does not wait for the disk: a demonstration may be lost."""
    from psycopg.conninfo import make_conninfo

    from cynic.demo import room
    from cynic.memory import Memory, ready

    with open_database() as database:
        if database.schema == room.SCHEMA:
            raise UsageError(
                f"{room.SCHEMA} is the demo's own schema, which it makes anew; your records are in another",
                hint="leave --schema out",
            )
        with room.held(database) as holder:
            ready(database)
            room.make_anew(holder)
            quick = replace(
                database,
                schema=room.SCHEMA,
                conninfo=make_conninfo(database.conninfo, options="-c synchronous_commit=off"),
            )
            with Memory(quick, pool_size=2) as memory:
                yield memory


@contextmanager
def _bar(total: int) -> Generator[Callable[[int], None]]:
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("judge, feedback, learn"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("tasks", total=total)
        yield lambda done: progress.update(task, completed=done)


def _document(memory: Memory, found: DataSet, done: Replayed, weights: Weights) -> dict[str, Any]:
    from cynic.demo import pictures, policy, trend

    return {
        "data": found.name,
        "tasks": len(done.rewards),
        "contexts": len(found.contexts),
        "drawn": pictures.drawn_contexts(found),
        "contexts_drawn": min(len(found.contexts), pictures.CONTEXTS_MAX),
        "stands_for": dict(found.stands_for),
        "blind": round(found.random_mean(), 4),
        "earned": round(done.mean(), 4),
        "earned_in_the_last_quarter": round(done.mean(0.25), 4),
        "best_known_afterwards": round(found.best_mean(), 4),
        "trend": trend.of(done.rewards).document(),
        "weights": policy.document(found, weights),
        "learned": done.learned.document(),
        "calibration": memory.calibration(),
        "loops": memory.learning()["loops"],
    }


def _pictures(memory: Memory, found: DataSet, done: Replayed, weights: Weights) -> dict[str, str]:
    from cynic.demo import pictures
    from cynic.drawing import reliability

    drawn = (
        reliability.calibration(memory.calibration()),
        pictures.routing(found, weights, done),
        pictures.learned(found, done, memory.learning()),
    )
    return dict(zip(PICTURES, drawn, strict=True))


def _show(document: dict[str, Any]) -> None:
    from cynic.demo.pictures import counted
    from cynic.demo.room import SCHEMA

    tasks, contexts = counted(document["tasks"], "task"), counted(document["contexts"], "context")
    click.echo(f"{tasks} in {contexts}: {document['data']}")
    weights = document["weights"]
    unlearned = document["contexts"] - weights["contexts_learned"]
    where = f" (blindly in {unlearned} of {contexts})" if unlearned else ""
    for name, value in (
        ("choosing blindly", document["blind"]),
        ("the pack, from the first task on", document["earned"]),
        ("the pack, in the last quarter", document["earned_in_the_last_quarter"]),
        (f"sending by the learned weights{where}", weights["would_earn"]),
        ("sending all to the heaviest of them", weights["heaviest_would_earn"]),
        ("the best of each context, known afterwards", document["best_known_afterwards"]),
    ):
        if value is not None:
            click.echo(f"  {value:.3f}  {name}")
    ece = cast("dict[str, Any] | None", document["calibration"]["ece"])
    if ece is not None:
        click.echo(f"  {ece['value']:.3f}  calibration error of {counted(ece['n'], 'confidence')}")
    click.echo(document["trend"]["words"])
    if document["contexts_drawn"] < document["contexts"]:
        click.echo(f"routing.svg shows {document['drawn']}")
    for loop in document["loops"]:
        click.echo(f"  {loop['loop']:<15} {loop['state']}")
    click.echo("pictures: " + ", ".join(document["pictures"]))
    click.echo(f"look further: cynic --schema {SCHEMA} learn status")
