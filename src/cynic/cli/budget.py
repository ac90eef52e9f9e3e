"""`cynic budget`: how much is left, how fast it goes, where it went and why it stopped; and what people do about it."""

from __future__ import annotations

import getpass
import sys
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from cynic.base import clock
from cynic.base.exact import EXACT
from cynic.cli.budget_text import show
from cynic.cli.context import emit, json_option, open_memory, say, schema_option
from cynic.cli.main import LazyGroup

if TYPE_CHECKING:
    from datetime import datetime

EXHAUSTED_EXIT = 6
UNTIL_FORMATS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")
_HERE = "cynic.cli.budget"
until_option = click.option(
    "--until",
    type=click.DateTime(UNTIL_FORMATS),
    metavar="TIME",
    help="Until when it should last, in UTC; the velocity alarm reckons with it.",
)


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    lazy={
        "set": (f"{_HERE}:set_limit", "Set the limit in USD."),
        "reset": (f"{_HERE}:reset", "Begin a new period; the ledger stays."),
        "unpriced": (f"{_HERE}:unpriced", "Calls without a price, and why."),
        "reprice": (f"{_HERE}:reprice", "Price what had no price, where there is one by now."),
        "correct": (f"{_HERE}:correct", "Say what a booked call truly cost."),
        "alerts": (f"{_HERE}:alerts", "Alerts of spending; --seen ID acknowledges one."),
        "history": (f"{_HERE}:history", "Changes of the limit, and former periods."),
        "cheaper": (f"{_HERE}:cheaper", "Which model to take instead when money gets short."),
        "prices": ("cynic.cli.prices:prices", "The price table: update, own prices, look-up."),
        "verify": (f"{_HERE}:verify", "Read the ledger anew and compare."),
    },
)
@schema_option
@json_option
@click.pass_context
def budget(ctx: click.Context, *, schema: str | None, as_json: bool) -> None:
    """Show the budget: level, burn rate, runway, top models and sessions. Exit code 6 when it is exhausted."""
    if ctx.invoked_subcommand is not None:
        return
    with open_memory(schema) as memory:
        found = memory.budget()
    if as_json:
        emit(found)
    else:
        show(found)
    if found["level"] == "exhausted":
        sys.exit(EXHAUSTED_EXIT)


@click.command("set")
@click.argument("usd")
@click.option("--expect", "expected", metavar="USD", help="Only if this is the limit still.")
@until_option
@schema_option
@json_option
def set_limit(
    *, usd: str, expected: str | None, until: datetime | None, schema: str | None, as_json: bool
) -> None:
    """Set the limit to USD. What was consumed stays consumed."""
    with open_memory(schema) as memory:
        state = memory.set_budget(usd, expected_usd=expected, by=_person(), next_reset=_utc(until))
    _say_state(state, as_json=as_json)


@click.command()
@click.argument("usd", required=False)
@until_option
@schema_option
@json_option
def reset(*, usd: str | None, until: datetime | None, schema: str | None, as_json: bool) -> None:
    """Begin a new period with nothing consumed; with USD the limit changes too. The ledger stays."""
    with open_memory(schema) as memory:
        state = memory.reset_budget(usd, by=_person(), next_reset=_utc(until))
    _say_state(state, as_json=as_json)


@click.command()
@schema_option
@json_option
def unpriced(*, schema: str | None, as_json: bool) -> None:
    """List calls without a price, by model and reason."""
    from cynic.reads import budget as read

    with open_memory(schema) as memory, memory.connection() as conn:
        lines = read.unpriced(conn)
    if as_json:
        emit({"unpriced": lines})
        return
    for line in lines:
        click.echo(
            f"{line['calls']:>8}  {line['provider']}/{line['model']}  "
            f"{line['tokens_input']} in, {line['tokens_output']} out: {line['reason']}"
        )
    if lines:
        say(
            "give them a price: cynic budget prices set PROVIDER MODEL …, then cynic budget reprice"
        )
    else:
        click.echo("every call has a price")


@click.command()
@schema_option
@json_option
def reprice(*, schema: str | None, as_json: bool) -> None:
    """Price what had no price, where there is one by now: each with an entry that points at it."""
    from cynic.flows import budget_care
    from cynic.reads.budget import money

    with open_memory(schema) as memory, memory.connection() as conn:
        book = memory.desk.book(conn)
        done = budget_care.reprice(conn, book, clock.now())
    found = {"priced": done.priced, "cost_usd": money(done.cost_usd), "left": done.left}
    if as_json:
        emit(found)
    else:
        click.echo(f"{done.priced} priced, {found['cost_usd']} USD; {done.left} still have none")


@click.command()
@click.argument("ledger_id", type=click.IntRange(min=1))
@click.argument("usd")
@click.option("--reason", metavar="TEXT", help="Kept with the entry.")
@schema_option
@json_option
def correct(
    *, ledger_id: int, usd: str, reason: str | None, schema: str | None, as_json: bool
) -> None:
    """Say that the call of ledger row LEDGER_ID truly cost USD: the difference is booked, pointing at it."""
    from cynic.flows import budget_care, spending

    cost = spending.required_money({"cost_usd": usd}, "cost_usd")
    with open_memory(schema) as memory, memory.connection() as conn:
        entry = budget_care.correct(conn, ledger_id, cost, clock.now(), reason=reason)
    if as_json:
        emit(None if entry is None else entry.document())
    elif entry is None:
        click.echo("that is what is booked already")
    else:
        click.echo(
            f"ledger row {entry.ledger_id}: {EXACT.subtract(entry.cost_usd or Decimal(), entry.credit_usd):f} USD"
        )


@click.command()
@click.option("--seen", "seen", type=click.IntRange(min=1), metavar="ID", help="Acknowledge one.")
@schema_option
@json_option
def alerts(*, seen: int | None, schema: str | None, as_json: bool) -> None:
    """List alerts, those that nobody has seen first. They stay until a person acknowledges them."""
    from cynic.flows import budget_care
    from cynic.reads import budget as read

    with open_memory(schema) as memory, memory.connection() as conn:
        if seen is not None:
            budget_care.acknowledge(conn, seen, _person(), clock.now())
        lines = read.alerts(conn)
    if as_json:
        emit({"alerts": lines})
        return
    for line in lines:
        mark = f"seen by {line['acknowledged_by'] or 'somebody'}" if line["acknowledged"] else "NEW"
        click.echo(
            f"{line['id']:>6}  {line['timestamp']}  {line['severity']}: {line['message']}  [{mark}]"
        )
    if not lines:
        click.echo("no alerts")


@click.command()
@schema_option
@json_option
def history(*, schema: str | None, as_json: bool) -> None:
    """List changes of the limit and resets, the newest first."""
    from cynic.reads import budget as read

    with open_memory(schema) as memory, memory.connection() as conn:
        lines = read.changes(conn)
    if as_json:
        emit({"changes": lines})
        return
    for line in lines:
        click.echo(
            f"{line['changed_at']}  {line['kind']}: {line['limit_before_usd']} -> {line['limit_after_usd']} USD, "
            f"{line['consumed_usd']} consumed in {line['total_calls']} calls"
            f"{'' if line['changed_by'] is None else ', by ' + str(line['changed_by'])}"
        )


@click.command()
@click.argument("model", metavar="[PROVIDER/MODEL", required=False)
@click.argument("instead", metavar="[CHEAPER_PROVIDER/MODEL]]", required=False)
@click.option("--remove", is_flag=True, help="Take nothing instead of it any more.")
@schema_option
@json_option
def cheaper(
    *, model: str | None, instead: str | None, remove: bool, schema: str | None, as_json: bool
) -> None:
    """Say which model to take instead of another while the budget is critical; without arguments, list them."""
    from cynic.flows import budget_care
    from cynic.reads import budget as read

    wanted = {(False, False, False), (True, True, False), (True, False, True)}
    if (model is not None, instead is not None, remove) not in wanted:
        raise click.UsageError("give a model and the one to take instead, or a model and --remove")
    with open_memory(schema) as memory, memory.connection() as conn:
        if model is not None:
            budget_care.set_cheaper(
                conn, _split(model), None if instead is None else _split(instead)
            )
        lines = read.cheaper(conn)
    if as_json:
        emit({"cheaper": lines})
        return
    for line in lines:
        click.echo(
            f"{line['provider']}/{line['model']} -> {line['cheaper_provider']}/{line['cheaper_model']}"
        )


@click.command()
@schema_option
@json_option
def verify(*, schema: str | None, as_json: bool) -> None:
    """Read the whole ledger anew: its sum, its chain and the holds against the state. Exit code 6 if they differ."""
    from cynic.reads import budget as read

    with open_memory(schema) as memory, memory.connection() as conn:
        found = read.audit(conn)
    if as_json:
        emit(found)
    else:
        for name, value in found.items():
            click.echo(f"{name:<26} {value}")
    if not found["agrees"]:
        sys.exit(EXHAUSTED_EXIT)


def _say_state(state: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        emit(state)
        return
    click.echo(
        f"limit {state['limit_usd']} USD, {state['consumed_usd']} consumed, {state['remaining_usd']} left: {state['level']}"
    )


def _split(named: str) -> tuple[str, str]:
    provider, slash, model = named.partition("/")
    if not (provider and slash and model):
        raise click.UsageError(f"{named} is no PROVIDER/MODEL")
    return provider, model


def _utc(moment: datetime | None) -> datetime | None:
    from datetime import UTC

    return None if moment is None else moment.replace(tzinfo=UTC)


def _person() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None
