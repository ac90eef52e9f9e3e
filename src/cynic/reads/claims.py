"""Claimed against counted: what agents and chains say they used, beside the calls of models counted below them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, LiteralString, cast

from psycopg.rows import dict_row

from cynic.db import sqlfile

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

TRACES_DEFAULT: Final = 100
_SQL: Final = cast(
    "Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("claims.sql"))
)


def compared(
    conn: psycopg.Connection, trace_id: str | None = None, *, traces: int = TRACES_DEFAULT
) -> dict[str, list[dict[str, Any]]]:
    """The claims of one trace, or of the newest, each with what is counted below it; and calls reported twice.

    A number that nobody told is None. `agrees` is None where there is nothing to compare.
    """
    asked = {"trace_id": trace_id, "traces": traces}
    with conn.cursor(row_factory=dict_row) as cursor:
        claims = cursor.execute(_SQL["claims"], asked).fetchall()
        for claim in claims:
            pairs = [
                (claim[f"claimed_{side}"], claim[f"counted_{side}"]) for side in ("input", "output")
            ]
            known = [(said, counted) for said, counted in pairs if None not in {said, counted}]
            claim["agrees"] = all(said == counted for said, counted in known) if known else None
        duplicates = cursor.execute(_SQL["duplicates"], asked).fetchall()
    return {"claims": claims, "duplicates": duplicates}
