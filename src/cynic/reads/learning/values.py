"""What Q-learning knows, as a table to choose by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, LiteralString, cast

from cynic.db import sqlfile
from cynic.domains.dogs.pack import DOGS
from cynic.domains.learning.qlearning import QTable, restored

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("values.sql")))


def q_table(conn: psycopg.Connection, initial: float) -> QTable:
    """The values as they are now; `initial` is that of a dog that was never tried in a state."""
    row = conn.execute(_SQL["q_table"]).fetchone()
    if row is None or row[0] is None:
        return QTable(dogs=DOGS, initial=initial)
    return restored(row[0], DOGS, initial)


def routing(conn: psycopg.Connection) -> dict[str, dict[str, tuple[float, int]]]:
    """Context → dog → (weight, episodes), of the contexts that anything was learned about."""
    found: dict[str, dict[str, tuple[float, int]]] = {}
    for context, dog, weight, episodes in conn.execute(_SQL["routing"]):
        found.setdefault(context, {})[dog] = (float(weight), episodes)
    return found
