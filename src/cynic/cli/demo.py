"""`cynic demo`: see on data what cynic does, in a schema of its own."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from cynic.cli.context import emit, json_option, open_database, say
from cynic.cli.main import LazyGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from cynic.db.connect import Database
    from cynic.demo.dataset import DataSet
    from cynic.demo.replay import Replayed
    from cynic.memory import Memory

SCHEMA = "cynic_demo"


@click.group(
    cls=LazyGroup,
    lazy={"learning": ("cynic.cli.demo:learning", "A pack that learns whom to send where.")},
)
def demo() -> None:
    """See on data what cynic does. It works in the schema cynic_demo, which is made anew each time."""


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
    columns `dim:DIMENSION` (0 to 100). Without it a small data set is generated, the same each time.

    For each task a dog is chosen by what was learned so far. Nothing of it touches your own records.
    """
    from cynic.demo import dataset, replay

    found = dataset.generated() if data is None else dataset.read(data)
    if data is None:
        say(
            f"no data given: {len(found.tasks):,} tasks are generated (seed {dataset.GENERATED_SEED})"
        )
    with _open() as memory, _bar(len(found.tasks)) as progress:
        done = replay.replay(memory, found, seed=seed, progress=progress)
        document = _document(memory, found, done)
        files = _draw(memory, found, done, out)
    document["pictures"] = [str(file) for file in files]
    if as_json:
        emit(document)
    else:
        _show(document)


@contextmanager
def _open() -> Generator[Memory]:
    """A memory in a schema of its own, empty. It does not wait for the disk: a demonstration may be lost."""
    from psycopg.conninfo import make_conninfo

    from cynic.memory import Memory, ready

    with open_database() as database:
        ready(database)
        quick = replace(
            database,
            schema=SCHEMA,
            conninfo=make_conninfo(database.conninfo, options="-c synchronous_commit=off"),
        )
        _make_anew(quick)
        with Memory(quick, pool_size=2) as memory:
            yield memory


def _make_anew(database: Database) -> None:
    from cynic.db.migrate import Migrator, drop_schema

    with database.connect(new_schema=True) as conn:
        drop_schema(conn, SCHEMA)
        Migrator(conn, SCHEMA).up()


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


def _document(memory: Memory, found: DataSet, done: Replayed) -> dict[str, Any]:
    return {
        "data": found.name,
        "tasks": len(done.rewards),
        "contexts": len(found.contexts),
        "stands_for": dict(found.stands_for),
        "blind": round(found.random_mean(), 4),
        "earned": round(done.mean(), 4),
        "earned_in_the_last_quarter": round(done.mean(0.25), 4),
        "best_known_afterwards": round(found.best_mean(), 4),
        "learned": done.learned.document(),
        "calibration": memory.calibration(),
        "loops": memory.learning()["loops"],
    }


def _draw(memory: Memory, found: DataSet, done: Replayed, out: Path) -> list[Path]:
    from cynic.demo import pictures
    from cynic.drawing import reliability
    from cynic.reads.learning.values import routing

    with memory.connection() as conn:
        weights = routing(conn)
    drawn = {
        "calibration.svg": reliability.calibration(memory.calibration()),
        "routing.svg": pictures.routing(found, weights, done),
        "learned.svg": pictures.learned(found, done, memory.learning()),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, text in drawn.items():
        (out / name).write_text(text, encoding="utf-8")
    return [out / name for name in drawn]


def _show(document: dict[str, Any]) -> None:
    click.echo(
        f"{document['tasks']:,} tasks in {document['contexts']} contexts: {document['data']}"
    )
    for name, key in (
        ("choosing blindly", "blind"),
        ("the pack, from the first task on", "earned"),
        ("the pack, in the last quarter", "earned_in_the_last_quarter"),
        ("the best of each context, known afterwards", "best_known_afterwards"),
    ):
        click.echo(f"  {document[key]:.3f}  {name}")
    ece = cast("dict[str, Any] | None", document["calibration"]["ece"])
    if ece is not None:
        click.echo(f"  {ece['value']:.3f}  calibration error of {ece['n']:,} confidences")
    for loop in document["loops"]:
        click.echo(f"  {loop['loop']:<15} {loop['state']}")
    click.echo("pictures: " + ", ".join(document["pictures"]))
    click.echo(f"look further: cynic --schema {SCHEMA} learn status")
