"""`cynic db browse`: read any table, as a picture on a terminal or as JSON, JSON lines or CSV."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING

import click

from cynic.cli.context import emit, open_database, say, schema_option

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from cynic.db.browse import Page, Query

CELL_WIDTH_MAX = 40
WIDTH_MAX = 10_000


@click.command()
@click.argument("table", required=False)
@click.option(
    "--where",
    "filters",
    multiple=True,
    metavar="FILTER",
    help="q_score>=80, name~spam, tags has x, user_id=NULL; may be repeated.",
)
@click.option(
    "--sort",
    "sorts",
    multiple=True,
    metavar="COLUMN",
    help="Order by a column; -COLUMN from large to small.",
)
@click.option("--columns", metavar="A,B", help="Which columns; all by default.")
@click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="Rows of a page."
)
@click.option(
    "--after", "cursor", metavar="CURSOR", help="The cursor that the page before ended with."
)
@click.option("--all", "everything", is_flag=True, help="Every page, for an export.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "jsonl", "csv"]),
    default="table",
    show_default=True,
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@schema_option
def browse(  # noqa: PLR0913  # one argument for each option
    *,
    table: str | None,
    filters: tuple[str, ...],
    sorts: tuple[str, ...],
    columns: str | None,
    limit: int,
    cursor: str | None,
    everything: bool,
    form: str,
    as_json: bool,
    schema: str | None,
) -> None:
    """Read TABLE: filter, sort, page, export. Without TABLE, list the tables.

    Runs as a role that cannot write.
    """
    from cynic.db import browse as reader

    form = "json" if as_json else form
    with open_database(schema) as database, database.connect("cynic_reader") as conn:
        reader.make_read_only(conn)
        if table is None:
            _list(reader.relations(conn), form)
            return
        query = reader.Query(
            table=table,
            columns=[name.strip() for name in columns.split(",")] if columns else (),
            filters=[reader.parse_filter(text) for text in filters],
            sort=[reader.parse_sort(text) for text in sorts],
            limit=limit,
            cursor=cursor,
        )
        pages = reader.read_all(conn, query) if everything else [reader.read(conn, query)]
        _show(pages, form, query)


def _list(found: Iterable[object], form: str) -> None:
    from cynic.db.browse import Relation

    relations = [relation for relation in found if isinstance(relation, Relation)]
    if form != "table":
        emit(
            [
                {"table": r.name, "rows_estimate": r.rows_estimate, "comment": r.comment}
                for r in relations
            ]
        )
        return
    for relation in relations:
        click.echo(f"{relation.name:32} {relation.comment or ''}"[:140])


def _show(pages: Iterable[Page], form: str, query: Query) -> None:
    if form == "json":
        _show_json(pages)
    elif form == "jsonl":
        for page in pages:
            for document in page.documents():
                click.echo(json.dumps(document, ensure_ascii=False, default=str))
    elif form == "csv":
        _show_csv(pages)
    else:
        _show_table(pages, query)


def _show_json(pages: Iterable[Page]) -> None:
    rows: list[dict[str, object]] = []
    cursor = None
    for page in pages:
        rows.extend(page.documents())
        cursor = page.cursor
    emit({"rows": rows, "cursor": cursor})


def _show_csv(pages: Iterable[Page]) -> None:
    from cynic.db.browse import plain

    writer = csv.writer(sys.stdout)
    for number, page in enumerate(pages):
        if not number:
            writer.writerow(page.columns)
        writer.writerows([plain(value) for value in row] for row in page.rows)


def _show_table(pages: Iterable[Page], query: Query) -> None:
    from rich.console import Console
    from rich.measure import Measurement

    console = Console()
    for page in pages:
        shown = _grid(page, query.table)
        width = Measurement.get(console, console.options.update(max_width=WIDTH_MAX), shown).maximum
        if not console.is_terminal:
            console = Console(width=max(width, console.width))  # for a file nothing is cut
        if width <= console.width:
            console.print(shown)
        else:
            _show_records(console, page)
        if page.cursor:
            say(f"more: --after {page.cursor}")


def _grid(page: Page, title: str) -> Table:
    """One line a row, the title above."""
    from rich.table import Table

    shown = Table(title=title, title_justify="left")
    for name in page.columns:
        shown.add_column(name, overflow="ellipsis", max_width=CELL_WIDTH_MAX, no_wrap=True)
    for row in page.rows:
        shown.add_row(*map(_text, row))
    return shown


def _show_records(console: Console, page: Page) -> None:
    """One line a column, for rows that are wider than the terminal; long values wrap."""
    from rich.table import Table
    from rich.text import Text

    for number, row in enumerate(page.rows, start=1):
        console.rule(Text(f"row {number}"), align="left")
        record = Table.grid(padding=(0, 2))
        record.add_column(style="bold", no_wrap=True)
        record.add_column(overflow="fold")
        for name, value in zip(page.columns, row, strict=True):
            record.add_row(name, _text(value))
        console.print(record)


def _text(value: object) -> Text:
    from rich.text import Text

    from cynic.db.browse import plain

    return Text("NULL", style="dim") if value is None else Text(str(plain(value)))
