"""`cynic hooks`: the settings that let a running agent tell what it does."""

from __future__ import annotations

import difflib
import ipaddress
import json
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

import click

from cynic.base.errors import InvalidDataError, UsageError
from cynic.base.settings import DEFAULT_HOST, DEFAULT_PORT
from cynic.cli.context import say
from cynic.cli.main import LazyGroup

if TYPE_CHECKING:
    from collections.abc import Mapping

SCRIPT: Final = Path(__file__).with_name("claude_code_hook.py")
TIMEOUT_SECONDS: Final = 5
"""After which Claude Code itself ends a hook; ours are gone long before."""

Settings = dict[str, object]


class BadSettingsError(InvalidDataError):
    """The settings file holds something that is not what Claude Code keeps there; it is left as it is."""

    code = "bad-settings"


class NotLocalUrlError(UsageError):
    """Hooks send prompts and outputs in clear, so they speak to this machine only."""

    code = "not-local-url"


@click.group(
    cls=LazyGroup,
    lazy={
        "claude-code": ("cynic.cli.hooks:claude_code", "The hooks of Claude Code: show, install."),
    },
)
def hooks() -> None:
    """Let a running agent tell what it does, as it does it."""


@click.command()
@click.option(
    "--write",
    "file",
    is_flag=False,
    flag_value="~/.claude/settings.json",
    metavar="[FILE]",
    help="Install them in FILE (~/.claude/settings.json), after showing what changes.",
)
@click.option("--yes", is_flag=True, help="Do not ask before writing.")
@click.option(
    "--url",
    default=f"http://{DEFAULT_HOST}:{DEFAULT_PORT}",
    show_default=True,
    help="Where the service listens.",
)
@click.option("--event", "events", multiple=True, help="Only this event; may be repeated.")
def claude_code(*, file: str | None, yes: bool, url: str, events: tuple[str, ...]) -> None:
    """Print the settings that send prompts, tool uses and ends of sessions to cynic, or install them.

    A hook is gone in a few milliseconds, whether cynic runs or not. With API keys, set CYNIC_API_KEY where Claude
    Code runs.
    """
    from cynic.domains.telemetry.claude_code_hooks import EVENTS

    if unknown := set(events) - set(EVENTS):
        raise UsageError(f"no such event: {min(unknown)}", hint=f"one of {', '.join(EVENTS)}")
    command = _command(_checked(url))
    chosen = [event for event in EVENTS if not events or event in events]
    if file is None:
        click.echo(_text(_with_hooks({}, command, chosen)), nl=False)
        return
    _install(Path(file).expanduser(), command, chosen, ask=not yes)


def _command(url: str) -> str:
    return shlex.join([sys.executable, "-I", "-S", str(SCRIPT), f"{url}/api/v1/hooks/claude-code"])


def _checked(url: str) -> str:
    """The address with its port, if it is one of this machine."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or DEFAULT_PORT
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        parts, local, host, port = urlsplit(""), False, "", 0
    if not local or parts.scheme != "http" or parts.path.strip("/") or parts.query:
        raise NotLocalUrlError(
            f"{url} is no address of this machine",
            hint=f"for example http://127.0.0.1:{DEFAULT_PORT}",
        )
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _install(file: Path, command: str, events: list[str], *, ask: bool) -> None:
    before, settings = _read(file)
    after = _text(_with_hooks(settings, command, events))
    if settings == json.loads(after):
        say(f"{file} has these hooks already")
        return
    difference = difflib.unified_diff(
        before.splitlines(), after.splitlines(), str(file), f"{file} with hooks", lineterm=""
    )
    click.echo("\n".join(difference))
    if ask:
        click.confirm(f"Write {file}?", abort=True, err=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    if before:
        backup = file.with_name(f"{file.name}.before-cynic")
        shutil.copy2(file, backup)
        say(f"the file as it was: {backup}")
    _replace(file, after)
    say(f"written: {file}; sessions of Claude Code that start from now on tell what they do")


def _replace(file: Path, text: str) -> None:
    """Write the whole file or nothing, also where it is a link to somewhere else."""
    target = Path(os.path.realpath(file))
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as written:
            written.write(text)
        if target.exists():
            shutil.copymode(target, name)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _read(file: Path) -> tuple[str, Settings]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return "", {}
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadSettingsError(f"{file} is no text in UTF-8") from error
    try:
        found = cast("object", json.loads(text)) if text.strip() else Settings()
    except (ValueError, RecursionError) as error:
        raise BadSettingsError(f"{file} is no JSON: {error}", hint="mend it first") from error
    if not isinstance(found, dict):
        raise BadSettingsError(f"{file} holds no JSON object")
    return text, cast("Settings", found)


def _with_hooks(settings: Settings, command: str, events: list[str]) -> Settings:
    """The settings with our hooks in the place of those that an earlier call installed; all else stays."""
    listed = settings.get("hooks", {})
    if not isinstance(listed, dict):
        raise BadSettingsError('"hooks" in the settings is no object')
    hooks = dict(cast("Mapping[str, object]", listed))
    ours = {"hooks": [{"type": "command", "command": command, "timeout": TIMEOUT_SECONDS}]}
    for event in events:
        groups = hooks.get(event, [])
        if not isinstance(groups, list):
            raise BadSettingsError(f'"hooks.{event}" in the settings is no list')
        former = cast("list[object]", groups)
        if ours not in former:
            hooks[event] = [*(group for group in former if not _is_ours(group)), ours]
    return {**settings, "hooks": hooks}


def _is_ours(group: object) -> bool:
    """Whether a group holds nothing but our script, from this or another installation or address."""
    entries = cast("Mapping[str, object]", group).get("hooks") if isinstance(group, dict) else None
    if not isinstance(entries, list) or len(cast("list[object]", entries)) != 1:
        return False
    (entry,) = cast("list[object]", entries)
    return isinstance(entry, dict) and SCRIPT.name in str(
        cast("Mapping[str, object]", entry).get("command")
    )


def _text(settings: Settings) -> str:
    return json.dumps(settings, ensure_ascii=False, indent=2) + "\n"
