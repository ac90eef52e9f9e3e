"""`cynic learn`: learn from the feedback that waits, and show what the loops know."""

from __future__ import annotations

from typing import Any, cast

import click

from cynic.cli.context import FileProgress, emit, json_option, open_memory, schema_option
from cynic.cli.main import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "run": ("cynic.cli.learn:run", "Learn from all feedback that waits."),
        "retry": ("cynic.cli.learn:retry", "Learn again from what was set aside."),
        "status": ("cynic.cli.learn:status", "Show the eleven loops and what they know."),
    },
)
def learn() -> None:
    """Learning from feedback. A service that runs learns by itself."""


@click.command()
@schema_option
@json_option
def run(*, schema: str | None, as_json: bool) -> None:
    """Learn from all feedback that waits, and say what changed."""
    progress = FileProgress("learning")
    with open_memory(schema) as memory:
        waiting = cast("int", memory.learning()["waiting"])
        done = memory.learn(progress=lambda taken: progress(taken, max(taken, waiting), ""))
        progress.close()
    if as_json:
        emit(done.document())
        return
    click.echo(
        f"{done.learned} answers learned, {done.corrected} of them took a former one back; "
        f"{done.skipped} skipped"
    )
    if done.refused:
        click.echo(
            f"{done.refused} set aside: learning_events says why, cynic learn retry tries again"
        )
    if done.waiting:
        click.echo(f"{done.waiting} answers wait for a transaction that is still open")
    click.echo(f"{done.cycles} cycles, {done.consolidations} consolidations")
    for loop, answers in sorted(done.changes.items()):
        click.echo(f"{answers:>10}  {loop}")


@click.command()
@schema_option
@json_option
def retry(*, schema: str | None, as_json: bool) -> None:
    """Put answers that could not be learned from back; the service, or cynic learn run, tries them again."""
    with open_memory(schema) as memory:
        found = memory.retry_learning()
    if as_json:
        emit({"queued": found})
        return
    click.echo(f"{found} answers wait to be learned from again")


@click.command()
@schema_option
@json_option
def status(*, schema: str | None, as_json: bool) -> None:
    """Show the eleven loops: what they have seen, and what they know."""
    from cynic.cli import learn_text

    with open_memory(schema) as memory:
        found = memory.learning()
    if as_json:
        emit(found)
        return
    for line in learn_text.lines(cast("list[dict[str, Any]]", found["loops"])):
        click.echo(line)
    click.echo(f"{found['waiting']} answers wait to be learned from")
    if found["set_aside"]:
        click.echo(f"{found['set_aside']} were set aside: cynic learn retry")
