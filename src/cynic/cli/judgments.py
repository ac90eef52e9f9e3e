"""`cynic judgments`: list judgments, or show one with its votes and feedback."""

from __future__ import annotations

import json
from typing import cast

import click

from cynic.cli.context import emit, json_option, open_memory, say, schema_option


@click.command()
@click.argument("judgment_id", required=False)
@click.option("--user")
@click.option("--session", "session_id")
@click.option("--verdict", type=click.Choice(["HOWL", "WAG", "GROWL", "BARK"]))
@click.option("--type", "item_type")
@click.option("--min-score", "min_q_score", type=float)
@click.option("--since", type=click.DateTime(), help="From this moment on (UTC).")
@click.option("--until", type=click.DateTime(), help="Before this moment (UTC).")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@click.option("--after", "cursor", metavar="CURSOR", help="The cursor the page before ended with.")
@schema_option
@json_option
def judgments(
    *,
    judgment_id: str | None,
    limit: int,
    cursor: str | None,
    schema: str | None,
    as_json: bool,
    **filters: object,
) -> None:
    """Show JUDGMENT_ID with its votes and feedback, or list judgments, newest first."""
    from datetime import UTC, datetime

    for name in ("since", "until"):
        if isinstance(moment := filters[name], datetime):
            filters[name] = moment.replace(tzinfo=UTC)
    with open_memory(schema) as memory:
        if judgment_id is not None:
            _show_one(memory.judgment(judgment_id), as_json=as_json)
            return
        page = memory.judgments(limit=limit, cursor=cursor, **filters)  # pyright: ignore[reportArgumentType]
    if as_json:
        emit({"judgments": [line.document() for line in page.lines], "cursor": page.cursor})
        return
    for line in page.lines:
        who = " ".join(filter(None, [line.user, line.session_id]))
        click.echo(
            f"{line.created_at:%Y-%m-%d %H:%M}  {line.verdict:5} {line.q_score:6}  {line.confidence:8f}  "
            f"{line.item_type:10} {line.judgment_id}  {who}"
        )
    if page.cursor:
        say(f"more: --after {page.cursor}")


def _show_one(document: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        emit(document)
        return
    for name, value in document.items():
        if isinstance(value, list):
            click.echo(f"{name}:")
            for one in cast("list[object]", value):
                click.echo(f"  {json.dumps(one, ensure_ascii=False)}")
        else:
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            click.echo(f"{name}: {shown}")
