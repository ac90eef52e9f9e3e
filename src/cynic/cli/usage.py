"""`cynic usage`: tokens and cost by day and model."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from cynic.cli.context import emit, json_option, open_memory, say, schema_option

if TYPE_CHECKING:
    from datetime import datetime


@click.command()
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 3660))
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Last day (UTC); today unless it is given.",
)
@schema_option
@json_option
def usage(*, days: int, until: datetime | None, schema: str | None, as_json: bool) -> None:
    """Show tokens and cost by day and model, exact at the moment of asking."""
    from cynic.base import clock
    from cynic.cli import trace_text

    last = (until or clock.now()).date()
    with open_memory(schema) as memory:
        found = memory.usage(since=last - timedelta(days=days - 1), until=last)
    if as_json:
        emit(found.document())
        return
    if not found.lines:
        say(f"no model call from {found.since} to {found.until}")
        return
    click.echo(trace_text.usage(found))
