"""One open memory on a database of the test's own, with a price list in it, and what every budget must keep."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg

from cynic.db.connect import Database
from cynic.flows import prices
from cynic.memory import Memory
from cynic.reads import budget

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
PRICES = {
    "input_tokens": Decimal(1),
    "output_tokens": Decimal(4),
    "cache_read_tokens": Decimal("0.1"),
}


@contextmanager
def opened(conninfo: str, **options: Any) -> Iterator[Memory]:
    """A memory whose price table knows acme's models, so that no package is asked."""
    with psycopg.connect(conninfo, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO ops_price_providers (source, version, provider) VALUES ('test', '1', 'acme')"
        )
        conn.execute(
            "INSERT INTO ops_model_prices (source, version, provider, model, model_pattern, unit, dimensions, price)"
            " SELECT 'test', '1', 'acme', m, m, u, d::jsonb, p FROM (VALUES ('dear', 10), ('cheap', 1)) AS x (m, f),"
            ' LATERAL (VALUES (\'input_tokens\', \'{"family": "tokens", "direction": "input"}\', f * 1.0),'
            ' (\'output_tokens\', \'{"family": "tokens", "direction": "output"}\', f * 4.0)) AS y (u, d, p)'
        )
    with Memory(Database(conninfo=conninfo, source="test"), **options) as memory:
        yield memory


def agreed(memory: Memory) -> dict[str, object]:
    """Hold that the ledger read anew is what the state says: sum, chain, order, holds."""
    with memory.connection() as conn:
        found = budget.audit(conn)
    assert found["agrees"], found
    return found


__all__ = ["LONG_AGO", "PRICES", "agreed", "opened", "prices"]
