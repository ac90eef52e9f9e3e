"""Any table over HTTP, on a role that cannot write: filter, sort, page, export as JSON, JSON lines or CSV."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Query, Request  # FastAPI reads them
from fastapi.responses import JSONResponse, Response, StreamingResponse

from cynic.api import models
from cynic.api.describe import problems
from cynic.api.state import memory_of
from cynic.db import browse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cynic.memory import Memory

router = APIRouter(prefix="/api/v1/tables", tags=["tables"])

_KINDS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}


@router.get("", responses={200: {"model": list[models.RelationLine]}, **problems(503)})
def list_tables(request: Request) -> JSONResponse:
    """List the tables that can be read, with the planner's estimate of their rows."""
    with memory_of(request).reading() as conn:
        found = browse.relations(conn)
    return JSONResponse(
        [{"table": r.name, "comment": r.comment, "rows_estimate": r.rows_estimate} for r in found]
    )


@router.get(
    "/{table}",
    responses={
        200: {"model": models.RowsPage, "content": {kind: {} for kind in _KINDS.values()}},
        **problems(400, 404, 422, 503),
    },
)
def read_table(  # noqa: PLR0913, PLR0917  # one argument for each part of a query
    request: Request,
    table: str,
    where: Annotated[
        list[str] | None, Query(description="q_score>=80, name~spam, tags has x, user_id=NULL")
    ] = None,
    sort: Annotated[
        list[str] | None, Query(description="a column; -column from large to small")
    ] = None,
    columns: Annotated[str | None, Query(description="names with commas; all by default")] = None,
    limit: Annotated[int, Query(ge=1, le=browse.PAGE_ROWS_MAX)] = browse.PAGE_ROWS_DEFAULT,
    cursor: str | None = None,
    format: Literal["json", "jsonl", "csv"] = "json",  # noqa: A002  # the name a caller expects
    whole: Annotated[  # noqa: FBT002  # a query parameter
        bool, Query(description="every page, for an export; jsonl and csv only")
    ] = False,
) -> Response:
    """Read one page of a table, or export it whole."""
    query = browse.Query(
        table=table,
        columns=[name.strip() for name in columns.split(",")] if columns else (),
        filters=[browse.parse_filter(text) for text in where or ()],
        sort=[browse.parse_sort(text) for text in sort or ()],
        limit=limit,
        cursor=cursor,
    )
    memory = memory_of(request)
    page = _page(memory, query)
    if format != "json" and whole:
        # The first page is read before the answer begins: a fault still gets its own status.
        return StreamingResponse(_lines(memory, query, page, format), media_type=_KINDS[format])
    if format == "json":
        body = {"rows": list(page.documents()), "cursor": page.cursor}
        return Response(_json(body), media_type="application/json")
    headers = {"X-Cursor": page.cursor} if page.cursor else None
    return Response(
        "".join(_shown(page, format, first=True)), headers=headers, media_type=_KINDS[format]
    )


def _page(memory: Memory, query: browse.Query) -> browse.Page:
    with memory.reading() as conn:
        return browse.read(conn, query)


def _lines(memory: Memory, query: browse.Query, page: browse.Page, form: str) -> Iterator[str]:
    """Every page, each on a connection of its own: a slow reader holds none."""
    yield from _shown(page, form, first=True)
    while page.cursor is not None:
        page = _page(memory, replace(query, cursor=page.cursor))
        yield from _shown(page, form, first=False)


def _shown(page: browse.Page, form: str, *, first: bool) -> Iterator[str]:
    if form == "jsonl":
        for document in page.documents():
            yield _json(document) + "\n"
        return
    text = io.StringIO()
    writer = csv.writer(text)
    if first:
        writer.writerow(page.columns)
    for row in page.rows:
        writer.writerow([browse.plain(value) for value in row])
    yield text.getvalue()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
