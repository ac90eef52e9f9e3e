"""How `cynic budget` looks: level, bar, burn rate, runway, where the money went, why it stopped."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast

import click

from cynic.base.quantities import compact, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BAR_WIDTH: Final = 40
_COLOURS: Final = {
    "abundant": "green",
    "cautious": "yellow",
    "critical": "magenta",
    "exhausted": "red",
}
_SECONDS_PER_HOUR: Final = 3600


def show(found: Mapping[str, Any]) -> None:
    """Print the budget for people; amounts are exact, to the last digit."""
    level = str(found["level"])
    ratio = found["ratio"]
    share = "" if ratio is None else f"{100 * Decimal(ratio):.2f} %"
    click.echo(f"{click.style(level, fg=_COLOURS[level], bold=True)}  {_bar(found)}  {share}")
    _pair("limit", found["limit_usd"], "USD")
    _pair("consumed", found["consumed_usd"], f"USD in {found['total_calls']} calls")
    if Decimal(found["overrun_usd"]):
        _pair("overrun", found["overrun_usd"], "USD above the limit: facts are booked all the same")
    _pair("held", found["held_usd"], "USD by reservations")
    _pair("remaining", found["remaining_usd"], "USD")
    if Decimal(found["saved_usd"]):
        _pair("saved", found["saved_usd"], "USD by cheaper models")
    if found["burn_rate_usd_per_hour"] is None:
        click.echo("  nothing burns")
    else:
        _pair("burn rate", found["burn_rate_usd_per_hour"], "USD in the last hour")
        _pair("", found["burn_rate_day_usd_per_hour"], "USD an hour over the last day")
        if found["runway_hours"] is not None:
            _pair("runway", span(found["runway_hours"] * _SECONDS_PER_HOUR), "at that rate")
    if found["velocity_alarm"]:
        click.secho("  money goes too fast to last until the reset", fg="red")
    _table("top models", found["top_models"], found["other_models"])
    _table("top sessions", found["top_sessions"], found["other_sessions"])
    _stops(found)


def _bar(found: Mapping[str, Any]) -> str:
    limit = Decimal(found["limit_usd"])
    if not limit:
        return "[" + "#" * BAR_WIDTH + "]"
    used = min(Decimal(found["consumed_usd"]) / limit, Decimal(1))
    held = min(Decimal(found["held_usd"]) / limit, 1 - used)
    full, half = int(used * BAR_WIDTH), int(held * BAR_WIDTH)
    return "[" + "#" * full + "=" * half + "." * (BAR_WIDTH - full - half) + "]"


def _pair(name: str, value: object, meaning: str) -> None:
    click.echo(f"  {name:<10} {value!s:>18} {meaning}")


def _table(
    title: str, lines: Iterable[Mapping[str, Any]], others: Mapping[str, Any] | None
) -> None:
    """The lines and one for the rest, so that they add up to what was consumed."""
    rows = [*lines, *([] if others is None else [others])]
    if rows:
        click.echo(title)
    for one in rows:
        cost = "no price" if one["cost_usd"] is None else f"{one['cost_usd']} USD"
        click.echo(f"  {cost:>24}  {compact(cast('int', one['calls'])):>6} calls  {_name(one)}")


def _name(one: Mapping[str, Any]) -> str:
    if "count" in one:
        return f"({one['count']} {'other' if one['count'] == 1 else 'others'})"
    if "model" in one:
        return f"{one['provider']}/{one['model']}"
    return str(one["session_id"] or "(no session)")


def _stops(found: Mapping[str, Any]) -> None:
    if found["refused"]:
        click.echo(f"refused {found['refused']} times; last:")
        for one in found["last_refusals"]:
            click.echo(f"  {one['created_at']}  {one['provider']}/{one['model']}: {one['reason']}")
    if found["unpriced"]:
        click.echo(f"{found['unpriced']} calls have no price: cynic budget unpriced")
    if found["alerts_unseen"]:
        click.echo(f"{found['alerts_unseen']} alerts that nobody has seen: cynic budget alerts")
