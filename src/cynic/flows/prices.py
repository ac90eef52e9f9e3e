"""The price table: filled from a package by one command and at the first start, own prices before it, read into memory."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.clients import genai_prices
from cynic.db import sqlfile
from cynic.domains.cost.pricing import (
    DIMENSIONS,
    OWN,
    PriceBook,
    PriceRow,
    ProviderRow,
    own_pattern,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime
    from decimal import Decimal

    import psycopg

REFRESH_SECONDS: Final = 1.0

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("prices.sql")))


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update of the price list did."""

    source: str
    version: str
    former: str | None
    rows: int
    """0 where the version was there already."""


class PriceSource:
    """The price book of a database, at most a second old. Safe to share between threads; they do not wait for a refresh."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._book = PriceBook(())
        self._stamp: tuple[int, int] | None = None
        self._looked_at: float | None = None

    def current(self, conn: psycopg.Connection, now: datetime) -> PriceBook:
        """The book; a table that was never filled is filled first where the package is there."""
        ticks = self._clock()
        fresh = self._looked_at is not None and ticks - self._looked_at < REFRESH_SECONDS
        if not fresh and self._lock.acquire(blocking=self._looked_at is None):
            try:
                self._refresh(conn, now)
                self._looked_at = ticks
            finally:
                self._lock.release()
        return self._book

    def _refresh(self, conn: psycopg.Connection, now: datetime) -> None:
        stamp = _stamp(conn)
        if self._stamp is None and stamp[0] == stamp[1] and genai_prices.available():
            first_fill(conn, now)
            stamp = _stamp(conn)
        if stamp != self._stamp:
            self._book = load(conn)
            self._stamp = stamp


def _stamp(conn: psycopg.Connection) -> tuple[int, int]:
    return cast("tuple[int, int]", conn.execute(_SQL["stamp"]).fetchone())


def load(conn: psycopg.Connection) -> PriceBook:
    """Read all current prices."""
    fields = tuple(PriceRow.__dataclass_fields__)
    prices = [
        PriceRow(**dict(zip(fields, row, strict=True))) for row in conn.execute(_SQL["prices"])
    ]
    fields = tuple(ProviderRow.__dataclass_fields__)
    providers = [
        ProviderRow(**dict(zip(fields, row, strict=True)))
        for row in conn.execute(_SQL["providers"])
    ]
    return PriceBook(prices, providers)


def first_fill(conn: psycopg.Connection, now: datetime) -> Updated | None:
    """Fill the table if no list was ever read into it; None when one was, or the package is not there."""
    if not genai_prices.available():
        return None
    with conn.transaction():
        conn.execute(_SQL["one_updater"])
        if conn.execute(_SQL["current_version"], {"source": genai_prices.SOURCE}).fetchone():
            return None
        return _replace(conn, None, now)


def update(conn: psycopg.Connection, now: datetime) -> Updated:
    """Read the list of the installed package into the table; its former version is retired and kept."""
    version = genai_prices.version()
    with conn.transaction():
        conn.execute(_SQL["one_updater"])
        row = conn.execute(_SQL["current_version"], {"source": genai_prices.SOURCE}).fetchone()
        former = None if row is None else cast("str", row[0])
        if former == version:
            return Updated(genai_prices.SOURCE, version, former, 0)
        return _replace(conn, former, now)


def _replace(conn: psycopg.Connection, former: str | None, now: datetime) -> Updated:
    version = genai_prices.version()
    named = {"source": genai_prices.SOURCE, "version": version, "now": now}
    prices, providers = list(genai_prices.prices()), list(genai_prices.providers())
    conn.execute(_SQL["retire_prices"], named)
    conn.execute(_SQL["retire_providers"], named)
    conn.execute(_SQL["add_prices"], named | {"prices": json.dumps(prices)})
    conn.execute(_SQL["add_providers"], named | {"providers": json.dumps(providers)})
    return Updated(genai_prices.SOURCE, version, former, len(prices))


def set_own(
    conn: psycopg.Connection,
    provider: str,
    model: str,
    prices_per_million: Mapping[str, Decimal],
    now: datetime,
    *,
    valid_from: date | None = None,
) -> int:
    """Set own prices, in USD per million, of the models whose name is `model` (`*` stands for anything), in any case.

    They count before those of any list, from a day on or since ever, and replace what was set for the same day. A name
    without `*` counts before one with it, and of those the one with the most other characters, then the newest.
    """
    named = {
        "provider": provider.lower().strip(),
        "model": model.lower(),
        "model_pattern": own_pattern(model),
        "place": 0 if "*" not in model else 1,
        # The last price list that is valid counts: later days come later.
        "alternative": 0 if valid_from is None else valid_from.toordinal(),
        "valid_from": None if valid_from is None else valid_from.isoformat(),
    }
    rows = [
        named
        | {
            "unit": unit,
            "dimensions": DIMENSIONS[unit],
            "per": 1_000_000,
            "tier_above": 0,
            "price": str(price),
        }
        for unit, price in prices_per_million.items()
    ]
    with conn.transaction():
        conn.execute(_SQL["one_updater"])
        conn.execute(_SQL["retire_own"], named | {"now": now, "all": False})
        version = now.isoformat()
        conn.execute(
            _SQL["add_prices"],
            {"source": OWN, "version": version, "now": now, "prices": json.dumps(rows)},
        )
    return len(rows)


def unset_own(conn: psycopg.Connection, provider: str, model: str, now: datetime) -> int:
    """Take own prices away again; return how many rows were current."""
    named = {"provider": provider.lower().strip(), "model": model.lower(), "valid_from": None}
    with conn.transaction():
        conn.execute(_SQL["one_updater"])
        return conn.execute(_SQL["retire_own"], named | {"now": now, "all": True}).rowcount
