"""`cynic keys`: who may call the service."""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, get_args

import click

from cynic.base import clock, ids
from cynic.cli.context import emit, json_option, open_database, say, schema_option
from cynic.cli.main import LazyGroup
from cynic.domains.system.keys import RANDOM_BYTES, Scope

if TYPE_CHECKING:
    from collections.abc import Generator
    from uuid import UUID

    import psycopg

DAYS_MAX = 36_500


@click.group(
    cls=LazyGroup,
    lazy={
        "create": ("cynic.cli.keys:create", "Make a key and print it, this once."),
        "list": ("cynic.cli.keys:list_keys", "List the keys, without what lets one use them."),
        "revoke": ("cynic.cli.keys:revoke", "Let a key open nothing any more."),
    },
)
def keys() -> None:
    """API keys: create, list, revoke. The first one turns authentication on."""


@click.command()
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(get_args(Scope)),
    default="write",
    show_default=True,
    help="What it may do; each scope covers those before it.",
)
@click.option(
    "--expires", "days", metavar="DAYS", type=click.IntRange(1, DAYS_MAX), help="End after DAYS."
)
@schema_option
@json_option
def create(*, name: str, scope: Scope, days: int | None, schema: str | None, as_json: bool) -> None:
    """Make a key called NAME and print it. It is kept nowhere, and cannot be shown again.

    The first key turns authentication on, also of a service that runs, within a second.
    """
    from cynic.flows import keys as flow

    now = clock.now()
    with _connection(schema) as conn:
        made, text = flow.create(
            conn,
            name,
            scope,
            randomness=os.urandom(RANDOM_BYTES),
            new_id=ids.new_uuid(),
            now=now,
            expires_at=None if days is None else now + timedelta(days=days),
        )
    if as_json:
        emit({**made.document(now), "key": text})
        return
    click.echo(text)
    say(f"key {made.id}, scope {scope}: keep it, it is not shown again")


@click.command("list")
@schema_option
@json_option
def list_keys(*, schema: str | None, as_json: bool) -> None:
    """List the keys, oldest first, revoked and expired ones too. Neither key nor digest is shown."""
    from cynic.flows import keys as flow

    now = clock.now()
    with _connection(schema) as conn:
        found = flow.every(conn)
    if as_json:
        emit([key.document(now) for key in found])
        return
    for key in found:
        used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
        until = f"until {key.expires_at:%Y-%m-%d}" if key.expires_at else ""
        state = f"{key.state(now):8} {until:16}"
        click.echo(f"{key.id}  {key.scope:5}  {state}  {used:16}  {key.name}")
    if not found:
        say("there is no key in the database")


@click.command()
@click.argument("key_id", metavar="ID", type=click.UUID)
@schema_option
def revoke(key_id: UUID, schema: str | None) -> None:
    """Let the key with this ID open nothing any more; a running service knows it within a second.

    Authentication stays on, even when no good key is left.
    """
    from cynic.flows import keys as flow

    with _connection(schema) as conn:
        revoked = flow.revoke(conn, key_id, clock.now())
    say(f"key {revoked.id} ({revoked.name}) is revoked")


@contextmanager
def _connection(schema: str | None) -> Generator[psycopg.Connection]:
    """A connection to a database whose schema is there."""
    from cynic.memory import ready

    with open_database(schema) as database:
        ready(database)
        with database.connect("cynic_app") as conn:
            yield conn
