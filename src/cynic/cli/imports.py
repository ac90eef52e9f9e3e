"""`cynic import`: bring in what people already have."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cynic.cli.context import emit, json_option, open_memory, say, schema_option
from cynic.cli.main import LazyGroup

if TYPE_CHECKING:
    from collections.abc import Generator

    from rich.progress import Progress, TaskID

    from cynic.flows.ingest_transcripts import Report
    from cynic.flows.otlp_money import Booked

EXIT_FOUND_WRONG = 6
FAULTS_SHOWN = 10


@click.group(
    name="import",
    cls=LazyGroup,
    lazy={
        "claude-code": (
            "cynic.cli.imports:claude_code",
            "The session transcripts that Claude Code keeps.",
        ),
        "otlp": (
            "cynic.cli.imports:otlp",
            "Files of OpenTelemetry: protobuf, JSON, JSON lines, gzip or not.",
        ),
    },
)
def import_() -> None:
    """Bring in what you already have. The same import again changes nothing."""


@click.command()
@click.argument(
    "folder",
    metavar="[DIR]",
    required=False,
    type=click.Path(path_type=Path),
)
@schema_option
@json_option
def claude_code(*, folder: Path | None, schema: str | None, as_json: bool) -> None:
    """Import the transcripts under DIR (~/.claude/projects): sessions, prompts, calls of tools and models.

    Only what is new is read. Exit code 6 says that some lines or files did not go in; the rest did.
    """
    from cynic.base import clock
    from cynic.flows import ingest_transcripts, transcript_files
    from cynic.flows.otlp_money import Book

    folder = (folder or Path("~/.claude/projects")).expanduser()
    if not folder.exists():  # before a database is started for nothing
        transcript_files.find(folder)
    with open_memory(schema) as memory, memory.writing() as conn, _shown() as bar:
        report = ingest_transcripts.import_claude_code(conn, folder, clock.now(), bar)
        booked = Book().catch_up(conn, clock.now())
    if as_json:
        emit(report.document() | {"booked": booked.document()})
    else:
        _show(report)
        _show_booked(booked)
    if not report.clean:
        click.get_current_context().exit(EXIT_FOUND_WRONG)


@click.command()
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@schema_option
@json_option
def otlp(*, files: tuple[Path, ...], schema: str | None, as_json: bool) -> None:
    """Import export requests of traces and logs, as exporters and collectors write them to files.

    Exit code 6 says that some did not go in (`cynic telemetry retry` tries those that were set aside); the rest did.
    """
    from cynic.flows import otlp_files
    from cynic.flows.otlp_money import Book
    from cynic.flows.otlp_receiver import Receiver

    with open_memory(schema) as memory, _shown() as bar:
        receiver = Receiver(memory.database, Book(is_history=True))
        receiver.start()
        try:
            report = otlp_files.import_files(receiver, files, bar)
        finally:
            receiver.stop()
    if as_json:
        emit(report.document())
    else:
        click.echo(
            f"{report.requests} requests in {report.files} files: {report.spans} spans, {report.log_records} log records"
        )
        for reason, number in report.reasons.most_common():
            say(f"set aside: {number} {reason}")
        for fault in report.faults[:FAULTS_SHOWN]:
            say(f"not read: {fault.path}, request {fault.place}: {fault.reason}")
    if not report.clean:
        click.get_current_context().exit(EXIT_FOUND_WRONG)


class _Bar:
    """The progress of an import on a terminal; silent elsewhere, except for a wait."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def begin(self, total_bytes: int) -> None:
        """Show how much is to be read."""
        if self._progress is not None:
            self._task = self._progress.add_task("reading", total=total_bytes)

    def advance(self, read_bytes: int) -> None:
        """Show that so much more was read."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task, read_bytes)

    def wait(self) -> None:
        """Say why nothing moves."""
        say("another import is under way; this one goes on after it")


@contextmanager
def _shown() -> Generator[_Bar]:
    if not sys.stderr.isatty():
        yield _Bar(None)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bar(progress)


def _show_booked(booked: Booked) -> None:
    from cynic.flows.submission import plain

    if not booked.calls:
        return
    line = f"{booked.calls} model calls booked: {plain(booked.cost_usd)} USD by the price list"
    if booked.past_usd:
        line += f", {plain(booked.past_usd)} of them from before this period of the budget, which is not charged"
    click.echo(line)
    if booked.unpriced:
        say(f"calls without a price, see `cynic budget unpriced`: {booked.unpriced}")


def _show(report: Report) -> None:
    new = report.stored
    click.echo(
        f"{report.files_read} of {report.files} files read: {new.sessions} sessions, {new.prompts} prompts, "
        f"{new.tool_calls} tool calls, {new.model_calls} model calls are new "
        f"({new.tokens_input:,} tokens in, {new.tokens_output:,} out)"
    )
    if report.unknown_kinds:
        listed = ", ".join(f"{kind} ({number})" for kind, number in report.unknown_kinds.items())
        say(f"kinds of records that this version does not know, left out: {listed}")
    if new.results_without_call:
        say(f"results of tools whose call is not in the transcripts: {new.results_without_call}")
    if report.unfinished_lines:
        say(f"last lines that are cut in half, left for the next time: {report.unfinished_lines}")
    if report.clean:
        return
    say(f"did not go in: {report.broken_lines} lines, {report.unreadable_files} files")
    for fault in report.faults[:FAULTS_SHOWN]:
        place = fault.path if fault.line is None else f"{fault.path}:{fault.line}"
        say(f"  {place} {fault.reason}")
    if report.broken_lines + report.unreadable_files > FAULTS_SHOWN:
        say("  … (--json lists more)")
