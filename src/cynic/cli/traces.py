"""`cynic traces`: what was traced, or one trace as a tree with times, tokens and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from cynic.cli.context import emit, json_option, open_memory, say, schema_option

if TYPE_CHECKING:
    from datetime import datetime


@click.command()
@click.argument("trace_id", required=False)
@click.option("--session", "session_id", metavar="ID", help="Only those of this session.")
@click.option("--service", metavar="NAME", help="Only those of this service.")
@click.option("--operation", metavar="NAME", help="Only those whose root span has this name.")
@click.option("--failed", is_flag=True, help="Only those in which a span ended in an error.")
@click.option("--since", type=click.DateTime(), help="Begun at this moment or later (UTC).")
@click.option("--until", type=click.DateTime(), help="Begun before this moment (UTC).")
@click.option(
    "--order",
    type=click.Choice(["newest", "cost"]),
    default="newest",
    show_default=True,
    help="cost: the dearest first, without those of which no price is known.",
)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500))
@click.option("--after", "cursor", metavar="CURSOR", help="The cursor the page before ended with.")
@schema_option
@json_option
def traces(  # noqa: PLR0913  # one argument for each option
    *,
    trace_id: str | None,
    session_id: str | None,
    service: str | None,
    operation: str | None,
    failed: bool,
    since: datetime | None,
    until: datetime | None,
    order: Literal["newest", "cost"],
    limit: int,
    cursor: str | None,
    schema: str | None,
    as_json: bool,
) -> None:
    """Show TRACE_ID as a tree of spans, or list traces, newest or dearest first."""
    from cynic.cli import trace_text

    with open_memory(schema) as memory:
        if trace_id is not None:
            found = memory.trace(trace_id)
            if as_json:
                emit(found.document())
            else:
                click.echo(trace_text.whole(found))
            return
        page = memory.traces(
            order=order,
            limit=limit,
            cursor=cursor,
            session_id=session_id,
            service=service,
            operation=operation,
            failed=failed,
            since=since,
            until=until,
        )
    if as_json:
        emit({"traces": [line.document() for line in page.lines], "cursor": page.cursor})
        return
    for line in page.lines:
        click.echo(trace_text.entry(line))
    if page.cursor:
        say(f"more: --after {page.cursor}")
    elif not page.lines and cursor is None:
        say("no trace")
