"""`cynic budget prices`: the price table."""

from __future__ import annotations

import sys
from datetime import UTC
from typing import TYPE_CHECKING

import click

from cynic.base import clock
from cynic.cli.context import emit, json_option, open_memory, schema_option
from cynic.cli.main import LazyGroup

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

NO_PRICE_EXIT = 6
_HERE = "cynic.cli.prices"


@click.group(
    cls=LazyGroup,
    lazy={
        "update": (f"{_HERE}:update", "Read the list of the installed package genai-prices."),
        "set": (f"{_HERE}:set_price", "Set own prices of a model; they go before the list's."),
        "unset": (f"{_HERE}:unset", "Take own prices away again."),
        "quote": (f"{_HERE}:quote", "What a call would cost."),
    },
)
def prices() -> None:
    """The price table. A running service takes changes up within a second."""


@click.command()
@schema_option
@json_option
def update(*, schema: str | None, as_json: bool) -> None:
    """Read the price list of the installed package genai-prices. Nothing is fetched; the former list is kept."""
    from cynic.flows import prices as flow

    with open_memory(schema) as memory, memory.connection() as conn:
        done = flow.update(conn, clock.now())
    if as_json:
        emit(
            {
                "source": done.source,
                "version": done.version,
                "former": done.former,
                "rows": done.rows,
            }
        )
    elif done.rows:
        click.echo(f"{done.rows} prices of {done.source} {done.version}")
    else:
        click.echo(f"{done.source} {done.version} is what the table has")


@click.command("set")
@click.argument("provider")
@click.argument("model")
@click.option(
    "--input", "input_usd", required=True, metavar="USD", help="Per million input tokens."
)
@click.option(
    "--output", "output_usd", required=True, metavar="USD", help="Per million output tokens."
)
@click.option("--cache-read", metavar="USD", help="Per million input tokens read from a cache.")
@click.option("--cache-write", metavar="USD", help="Per million input tokens written to a cache.")
@click.option(
    "--from",
    "since",
    type=click.DateTime(["%Y-%m-%d"]),
    help="First day in UTC; default: since ever.",
)
@schema_option
@json_option
def set_price(  # noqa: PLR0913  # one argument for each option
    *,
    provider: str,
    model: str,
    input_usd: str,
    output_usd: str,
    cache_read: str | None,
    cache_write: str | None,
    since: datetime | None,
    schema: str | None,
    as_json: bool,
) -> None:
    """Set own prices of MODEL (`*` stands for anything) of PROVIDER, in USD per million tokens."""
    from cynic.flows import prices as flow
    from cynic.flows import spending

    given = {
        "input_tokens": spending.money(input_usd, "--input"),
        "output_tokens": spending.money(output_usd, "--output"),
        "cache_read_tokens": spending.money(cache_read, "--cache-read"),
        "cache_write_tokens": spending.money(cache_write, "--cache-write"),
    }
    units: dict[str, Decimal] = {unit: usd for unit, usd in given.items() if usd is not None}
    valid_from = None if since is None else since.replace(tzinfo=UTC).date()
    with open_memory(schema) as memory, memory.connection() as conn:
        rows = flow.set_own(conn, provider, model, units, clock.now(), valid_from=valid_from)
    if as_json:
        emit({"provider": provider, "model": model, "rows": rows})
    else:
        click.echo(f"{rows} prices of {provider}/{model} set")


@click.command()
@click.argument("provider")
@click.argument("model")
@schema_option
@json_option
def unset(*, provider: str, model: str, schema: str | None, as_json: bool) -> None:
    """Take the own prices of MODEL away again; the list's hold again, if it has any."""
    from cynic.flows import prices as flow

    with open_memory(schema) as memory, memory.connection() as conn:
        rows = flow.unset_own(conn, provider, model, clock.now())
    if as_json:
        emit({"provider": provider, "model": model, "rows": rows})
    else:
        click.echo(f"{rows} prices of {provider}/{model} taken away")


@click.command()
@click.argument("provider")
@click.argument("model")
@click.option(
    "--input", "tokens_input", type=click.IntRange(min=0), required=True, metavar="TOKENS"
)
@click.option(
    "--output", "tokens_output", type=click.IntRange(min=0), required=True, metavar="TOKENS"
)
@schema_option
@json_option
def quote(
    *,
    provider: str,
    model: str,
    tokens_input: int,
    tokens_output: int,
    schema: str | None,
    as_json: bool,
) -> None:
    """Say what a call would cost now, and by which list. Exit code 6 when there is no price."""
    from cynic.domains.cost.pricing import INPUT, OUTPUT, Price, Usage
    from cynic.reads.budget import money

    usage = Usage(counts={INPUT: tokens_input, OUTPUT: tokens_output})
    with open_memory(schema) as memory, memory.connection() as conn:
        found = memory.desk.book(conn).price(provider, model, usage, clock.now())
    if isinstance(found, Price):
        shown = {"cost_usd": money(found.usd), "source": found.source, "version": found.version}
        text = f"{shown['cost_usd']} USD by {found.source} {found.version}"
    else:
        shown = {"cost_usd": None, "reason": found.reason}
        text = found.reason
    if as_json:
        emit(shown)
    else:
        click.echo(text)
    if shown["cost_usd"] is None:
        sys.exit(NO_PRICE_EXIT)
