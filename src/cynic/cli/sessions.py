"""`cynic sessions`: what agents did when, or one session with its tools, files, failures and turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cynic.cli.context import emit, json_option, open_memory, say, schema_option

if TYPE_CHECKING:
    from datetime import datetime


@click.command()
@click.argument("session_id", required=False)
@click.option("--since", type=click.DateTime(), help="Active at this moment or later (UTC).")
@click.option("--until", type=click.DateTime(), help="Begun before this moment (UTC).")
@click.option("--directory", metavar="PART", help="Part of the working directory.")
@click.option("--agent", metavar="NAME", help="For example claude-code.")
@click.option("--failed", is_flag=True, help="Only those in which a tool call failed.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500))
@click.option("--after", "cursor", metavar="CURSOR", help="The cursor the page before ended with.")
@click.option(
    "--turn",
    "from_turn",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="With SESSION_ID: the turn to begin with.",
)
@schema_option
@json_option
def sessions(  # noqa: PLR0913  # one argument for each option
    *,
    session_id: str | None,
    since: datetime | None,
    until: datetime | None,
    directory: str | None,
    agent: str | None,
    failed: bool,
    limit: int,
    cursor: str | None,
    from_turn: int,
    schema: str | None,
    as_json: bool,
) -> None:
    """Show SESSION_ID with its tools, files, failures and turns, or list sessions, newest activity first."""
    from cynic.cli import session_text

    with open_memory(schema) as memory:
        if session_id is not None:
            found = memory.session(session_id, from_turn=from_turn)
            if as_json:
                emit(found.document())
            else:
                click.echo(session_text.whole(found))
            return
        page = memory.sessions(
            since=since,
            until=until,
            directory=directory,
            agent=agent,
            failed=failed,
            limit=limit,
            cursor=cursor,
        )
    if as_json:
        emit({"sessions": [line.document() for line in page.lines], "cursor": page.cursor})
        return
    for line in page.lines:
        click.echo(session_text.entry(line))
    if page.cursor:
        say(f"more: --after {page.cursor}")
    elif not page.lines and cursor is None:
        say("no session")
