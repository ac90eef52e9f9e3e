"""`cynic db retention`: delete what has outlived its rule."""

from __future__ import annotations

import click

from cynic.cli.context import emit, json_option, open_database, schema_option


@click.command()
@click.option("--dry-run", is_flag=True, help="Count what would go, and keep it.")
@schema_option
@json_option
def retention(*, dry_run: bool, schema: str | None, as_json: bool) -> None:
    """Delete what has outlived its retention rule, in batches, and say how much of what.

    Judgments, votes and costs are never deleted; unfinished work outlives its interval.
    """
    from cynic.db.retention import run

    with open_database(schema) as database, database.connect("cynic_app") as conn:
        cleaned = list(run(conn, dry_run=dry_run))
    if as_json:
        emit({"dry_run": dry_run, "rules": {one.rule: one.rows for one in cleaned}})
        return
    for one in cleaned:
        click.echo(f"{one.rows:>10}  {one.rule}")
