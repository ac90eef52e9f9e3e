"""`cynic`: the command tree, the common options, and errors as exit codes."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from cynic.base.errors import CynicError
from cynic.base.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used, so that `--help` stays quick.

    `lazy` maps a command's name to where it lives ("module:attribute") and its one-line help.
    """

    def __init__(
        self, *args: object, lazy: Mapping[str, tuple[str, str]], **kwargs: object
    ) -> None:
        super().__init__(*args, **kwargs)  # pyright: ignore[reportArgumentType]
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order in which a newcomer meets them."""
        return [*self._lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._lazy[cmd_name][0].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._lazy.items()])


@click.group(
    cls=LazyGroup,
    lazy={
        "up": ("cynic.cli.up:up", "Start the service, and the embedded database if it is the one."),
        "judge": ("cynic.cli.judge:judge", "Judge files with the pack, or by given votes."),
        "feedback": ("cynic.cli.judge:feedback", "Say whether a judgment was right."),
        "judgments": (
            "cynic.cli.judgments:judgments",
            "List judgments, or show one with its votes.",
        ),
        "learn": ("cynic.cli.learn:learn", "Learn from feedback; show what was learned."),
        "budget": (
            "cynic.cli.budget:budget",
            "Money: what is left, how fast it goes, where it went; the limit, prices.",
        ),
        "sessions": (
            "cynic.cli.sessions:sessions",
            "What agents did: list sessions, or show one with its tools and files.",
        ),
        "traces": (
            "cynic.cli.traces:traces",
            "What was traced: list traces, or show one as a tree of spans.",
        ),
        "usage": ("cynic.cli.usage:usage", "Tokens and cost by day and model."),
        "import": (
            "cynic.cli.imports:import_",
            "Bring in what you already have: transcripts, telemetry.",
        ),
        "telemetry": (
            "cynic.cli.telemetry:telemetry",
            "What came by OpenTelemetry: try again, derive again, compare.",
        ),
        "hooks": ("cynic.cli.hooks:hooks", "Let a running agent tell what it does."),
        "demo": ("cynic.cli.demo:demo", "See on data what cynic does."),
        "doctor": (
            "cynic.cli.doctor:doctor",
            "Look at everything cynic needs and say what is wrong.",
        ),
        "keys": ("cynic.cli.keys:keys", "API keys: create, list, revoke."),
        "db": ("cynic.cli.db:db", "The database: migrate, verify, back up, browse."),
    },
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="cynic")
@click.option(
    "--database", metavar="URL", help="Database to use; before CYNIC_DATABASE_URL and DATABASE_URL."
)
@click.option(
    "--schema", metavar="NAME", help="Schema that holds the tables; one tenant is one schema."
)
@click.pass_context
def cli(ctx: click.Context, database: str | None, schema: str | None) -> None:
    """The memory of a pack of AI agents, kept in one PostgreSQL.

    Without a database given, cynic runs its own PostgreSQL under CYNIC_HOME.

    Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 conflict, 5 invalid data,
    6 ran and found something wrong, 69 unavailable, 75 try again.
    """
    ctx.obj = {"database": database, "schema": schema}


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command and exit with its code."""
    try:
        code = cli.main(args=arguments, prog_name="cynic", standalone_mode=False)
    except CynicError as error:
        _show(error)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output left (as `head` does); there is nobody to tell.
        sys.stderr.close()
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)


def _show(error: CynicError) -> None:
    click.echo(f"cynic: {error.message} [{error.code}]", err=True)
    if error.hint:
        click.echo(f"  {error.hint}", err=True)
