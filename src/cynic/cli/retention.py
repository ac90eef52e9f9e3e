"""`cynic db retention`: delete what has outlived its rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cynic.base.errors import CynicError, TryAgainError
from cynic.cli.context import emit, json_option, open_database, schema_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cynic.flows.retention import Run


class RetentionBusyError(TryAgainError):
    """Another process applies retention."""

    code = "retention-busy"


class RetentionFailedError(CynicError):
    """A rule of retention failed; the others were applied."""

    code = "retention-failed"


@click.command()
@click.option("--dry-run", is_flag=True, help="Count what would go, and keep it.")
@schema_option
@json_option
def retention(*, dry_run: bool, schema: str | None, as_json: bool) -> None:
    """Delete what has outlived its retention rule, in batches, and say how much of what.

    The service does this by itself every hour. Judgments, votes, costs and hourly metrics are never deleted; unfinished
    work outlives its interval. Traces and calls age from when they were received: what was imported today is kept from
    today on, however old it is.
    """
    from cynic.base import clock, ids
    from cynic.db import retention as rules
    from cynic.flows import retention as flow
    from cynic.flows.edge import Edge, digest_key

    with open_database(schema) as database, database.connect("cynic_app") as conn:
        if dry_run:
            cleaned = {one.rule: one.rows for one in rules.run(conn, dry_run=True)}
        else:
            edge = Edge(clock=clock.now, new_id=ids.new_uuid, digest_key=digest_key(conn))
            cleaned = _run(flow.run(conn, edge))
    if as_json:
        emit({"dry_run": dry_run, "rules": cleaned})
        return
    for rule, rows in cleaned.items():
        click.echo(f"{rows:>10}  {rule}")


def _run(done: Run | None) -> Mapping[str, int]:
    if done is None:
        raise RetentionBusyError("another process applies retention now")
    if done.failed:
        raise RetentionFailedError(f"rules that failed, see the log: {', '.join(done.failed)}")
    return done.cleaned
