"""The reference's pages about the program: settings, commands and errors, read from the program itself."""

from __future__ import annotations

import importlib
import json
import pkgutil
from typing import TYPE_CHECKING

import click

import cynic
from cynic.api.app import create_app
from cynic.base.errors import CynicError
from cynic.base.settings import SETTINGS
from cynic.cli.main import cli
from cynic.db.connect import Database

from .pages import NOTICE, cell

if TYPE_CHECKING:
    from collections.abc import Iterator


def settings_page() -> str:
    """settings.md: the environment variables."""
    lines = [
        NOTICE,
        "# Settings",
        "",
        "Read from the environment when a command starts; an option on the command line goes before.",
        "",
        "| variable | meaning | default |",
        "| --- | --- | --- |",
        *(f"| `{s.name}` | {cell(s.meaning)} | {cell(s.default)} |" for s in SETTINGS),
    ]
    return "\n".join(lines) + "\n"


def openapi_document() -> str:
    """openapi.json: the HTTP interface, as the running service describes it (the version is left out)."""
    document = create_app(Database(conninfo="", source="")).openapi()
    document["info"]["version"] = "see /healthz"
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def errors_page() -> str:
    """errors.md: every error class of the package, by its code."""
    for found in pkgutil.walk_packages(cynic.__path__, "cynic."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    classes = sorted(_subclasses(CynicError), key=lambda kind: (kind.exit_code, kind.code))
    lines = [
        NOTICE,
        "# Errors",
        "",
        "Each error has one code. It is the same on the command line, in a problem document over HTTP and in Python,",
        "and it does not change; the message may.",
        "",
        "| code | exit code | HTTP | Python | meaning |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| `{kind.code}` | {kind.exit_code} | {kind.http_status} | `{kind.__module__}.{kind.__name__}` "
            f"| {cell((kind.__doc__ or '').split(chr(10) * 2)[0])} |"
            for kind in classes
        ),
    ]
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    """commands.md: every command with its arguments and options."""
    return "\n".join([NOTICE, "# Commands", *_command(cli, None, "cynic")]) + "\n"


def _subclasses(kind: type[CynicError]) -> set[type[CynicError]]:
    """Classes of the package below `kind`, and `kind`; those that tests define are not the package's."""
    below = {sub for direct in kind.__subclasses__() for sub in _subclasses(direct)}
    return {sub for sub in {kind, *below} if sub.__module__.startswith("cynic.")}


def _command(command: click.Command, parent: click.Context | None, name: str) -> Iterator[str]:
    context = click.Context(command, parent=parent, info_name=name, **command.context_settings)
    yield ""
    yield f"## {context.command_path}"
    yield ""
    yield "```"
    yield " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield "```"
    if command.help:
        yield ""
        yield from (" ".join(part.split()) for part in _paragraphs(command.help))
    rows = list(_parameters(command, context))
    if rows:
        yield ""
        yield "| option | meaning |"
        yield "| --- | --- |"
        yield from rows
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None and not found.hidden:
                yield from _command(found, context, child)


def _paragraphs(text: str) -> Iterator[str]:
    parts = [part for part in text.split("\n\n") if part.strip()]
    for index, part in enumerate(parts):
        if index:
            yield ""
        yield part


def _parameters(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in record[0]:
            names, meaning = record
            yield f"| `{cell(names)}` | {cell(meaning)} |"
