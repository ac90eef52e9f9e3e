"""`cynic telemetry`: drive dead letters again, derive facts again, compare claims with what is counted."""

from __future__ import annotations

import click

from cynic.cli.context import FileProgress, emit, json_option, open_memory, schema_option
from cynic.cli.main import LazyGroup

EXIT_FOUND_WRONG = 6


@click.group(
    cls=LazyGroup,
    lazy={
        "retry": ("cynic.cli.telemetry:retry", "Try again what could not be stored."),
        "rederive": (
            "cynic.cli.telemetry:rederive",
            "Derive facts again, after the table of names has grown.",
        ),
        "claims": (
            "cynic.cli.telemetry:claims",
            "Compare what agents claim to have used with what is counted.",
        ),
    },
)
def telemetry() -> None:
    """Traces, spans and log records that came by OpenTelemetry."""


@click.command()
@schema_option
@json_option
def retry(*, schema: str | None, as_json: bool) -> None:
    """Try every dead letter once more. Exit code 6 says that some remain."""
    from cynic.base import clock
    from cynic.flows import otlp_again
    from cynic.flows.otlp_money import Book

    bar = FileProgress("trying")
    with open_memory(schema) as memory, memory.connection() as conn:
        run = otlp_again.retry(
            conn, clock.now(), lambda done, total: bar(done, total, ""), Book(is_history=True)
        )
        bar.close()
    remain = run.letters - run.stored
    if as_json:
        emit(
            {
                "letters": run.letters,
                "stored": run.stored,
                "remaining": remain,
                "reasons": run.reasons,
            }
        )
    else:
        click.echo(f"{run.letters} letters tried: {run.stored} stored, {remain} remain")
        for reason, number in run.reasons.most_common():
            click.echo(f"{number:>10}  {reason}")
    if remain:
        click.get_current_context().exit(EXIT_FOUND_WRONG)


@click.command()
@click.option("--all", "every", is_flag=True, help="Also what the table of today gave already.")
@schema_option
@json_option
def rederive(*, every: bool, schema: str | None, as_json: bool) -> None:
    """Derive kinds, sessions, tokens and calls again from what spans and log records said. What they said stays."""
    from cynic.base import clock
    from cynic.flows import otlp_again
    from cynic.flows.otlp_money import Book

    bar = FileProgress("deriving")
    with open_memory(schema) as memory, memory.connection() as conn:
        run = otlp_again.rederive(
            conn,
            clock.now(),
            every=every,
            progress=lambda done, total: bar(done, total, ""),
            book=Book(is_history=True),
        )
        bar.close()
    if as_json:
        emit(
            {
                "version": run.version,
                "spans": run.spans,
                "log_records": run.events,
                "calls": {
                    "new": run.new_calls,
                    "changed": run.changed_calls,
                    "dropped": run.dropped_calls,
                },
            }
        )
        return
    click.echo(
        f"{run.spans} spans and {run.events} log records derived with table {run.version}: "
        f"{run.new_calls} calls are new, {run.changed_calls} changed, {run.dropped_calls} dropped"
    )


@click.command()
@click.argument("trace_id", required=False)
@schema_option
@json_option
def claims(*, trace_id: str | None, schema: str | None, as_json: bool) -> None:
    """Compare what agents and chains claim with the calls counted below them, in one trace or the newest."""
    from cynic.reads import claims as compared

    with open_memory(schema) as memory, memory.connection() as conn:
        found = compared.compared(conn, trace_id)
    if as_json:
        emit(found)
        return
    for claim in found["claims"]:
        word = {True: "agrees", False: "DIFFERS", None: "nothing counted"}[claim["agrees"]]
        click.echo(
            f"{claim['trace_id']}  {claim['operation']:<30.30} claimed {claim['claimed_input'] or '-'}"
            f"/{claim['claimed_output'] or '-'} counted {claim['counted_input'] or '-'}"
            f"/{claim['counted_output'] or '-'}  {word}"
        )
    click.echo(f"{len(found['claims'])} claims, {len(found['duplicates'])} calls reported twice")
