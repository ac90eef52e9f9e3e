"""Every CHECK on one column does what the contract or the convention says: tried on thousands of values, and by
inserting rows on both sides of each bound."""

from __future__ import annotations

import random
from decimal import Decimal
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import pytest
from expectations import (
    FRACTIONS,
    INTEGERS,
    Expectation,
    Range,
    Words,
    expectation,
    fractions,
    integers,
    of_contract,
    strings,
)
from psycopg import errors, sql
from row_builder import RowBuilder

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

SEED = 618
VALUES_PER_CHECK = 10_000
ROWS_PER_SIDE = 20
DOMAINS = (
    "core", "learning", "dogs", "users", "system", "cost", "anchoring", "social", "discovery", "orchestration",
    "telemetry", "memory",
)  # fmt: skip

_CHECKS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, NULL), split_part(obj_description(c.oid, 'pg_class'), ':', 1),
           string_agg('(' || pg_get_expr(k.conbin, k.conrelid) || ')', ' AND '), array_agg(k.conname::text),
           a.attgenerated <> ''
    FROM pg_constraint AS k
    JOIN pg_class AS c ON c.oid = k.conrelid
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
    WHERE k.connamespace = current_schema()::regnamespace AND k.contype = 'c' AND cardinality(k.conkey) = 1
      -- A generated number is as good as the columns that it is made of; a generated word may be any.
      -- The length of a digest is neither a range nor a set of words; it has a test of its own.
      AND a.atttypid <> 'bytea'::regtype
      AND (a.attgenerated = '' OR a.atttypid = 'varchar'::regtype)
    GROUP BY c.oid, c.relname, a.attname, a.atttypid, a.attgenerated
    ORDER BY c.relname, a.attname
"""

# A trigger computes these whatever is given; the CHECK stands behind the trigger.
COMPUTED = {"calibration_tracking.confidence_bucket"}
# The one row is there already: a value that the CHECK lets pass meets the key next.
SINGLETONS = {"budget_state"}


class Check:
    """The CHECKs of one column, and what they should do."""

    def __init__(self, row: tuple[Any, ...], stated: dict[str, Expectation]) -> None:
        (
            self.table,
            self.column,
            self.kind,
            self.domain,
            self.expression,
            self.names,
            self.generated,
        ) = row
        self.name = f"{self.table}.{self.column}"
        self.expected = expectation(self.name, self.kind, stated)


@pytest.fixture
def checks(db: psycopg.Connection, contract: dict[str, Any]) -> list[Check]:
    stated = of_contract(contract)
    return [Check(row, stated) for row in db.execute(_CHECKS)]


def test_every_check_is_expected_and_every_expectation_checked(
    checks: list[Check], contract: dict[str, Any]
) -> None:
    assert len(checks) > 250
    assert [check.name for check in checks if check.expected is None] == []
    unchecked = of_contract(contract).keys() - {check.name for check in checks}
    assert unchecked == set()


def make_pool(
    db: psycopg.Connection, name: str, kind: str, expected: Expectation, words: set[str]
) -> tuple[int, int]:
    """A table of values, each with whether it must be accepted; return how many are and how many are not."""
    rng = random.Random(SEED)
    values: list[Any]
    if isinstance(expected, Words):
        values = strings(words, VALUES_PER_CHECK, rng)
    elif kind in INTEGERS:
        values = integers(kind, VALUES_PER_CHECK, rng)
    else:
        values = fractions(kind, VALUES_PER_CHECK, rng)
    rows = [(value, expected.accepts(value)) for value in values]
    db.execute(
        sql.SQL("CREATE TEMP TABLE {} (v {}, accepted boolean)").format(
            sql.Identifier(name), sql.SQL(kind)
        )
    )
    with db.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(name))) as copy:
        for row in rows:
            copy.write_row(row)
        copy.write_row((None, True))  # NULL passes every CHECK; NOT NULL is another rule
    return sum(accepted for _, accepted in rows), sum(not accepted for _, accepted in rows)


def test_every_check_decides_as_it_should_over_thousands_of_values(
    db: psycopg.Connection, checks: list[Check]
) -> None:
    words = {word for c in checks if isinstance(c.expected, Words) for word in c.expected.allowed}
    pools: dict[tuple[str, Expectation], str] = {}
    wrong: list[str] = []
    for check in checks:
        assert check.expected is not None
        key = (check.kind, check.expected)
        if key not in pools:
            pools[key] = f"pool_{len(pools)}"
            accepted, refused = make_pool(db, pools[key], *key, words)
            assert accepted + refused >= VALUES_PER_CHECK - 5
            assert accepted >= 1
            assert refused >= 3
        query = sql.SQL(
            "SELECT {column}, accepted FROM (SELECT v AS {column}, accepted FROM {pool}) AS {table} "
            "WHERE ({condition}) IS NOT FALSE IS DISTINCT FROM accepted LIMIT 3"
        ).format(
            column=sql.Identifier(check.column),
            table=sql.Identifier(check.table),
            pool=sql.Identifier(pools[key]),
            condition=sql.SQL(check.expression),
        )
        wrong += [
            f"{check.name}: {value!r} should be {'accepted' if ok else 'refused'}"
            for value, ok in db.execute(query)
        ]
    assert wrong == []


def inside(check: Check) -> list[Any]:
    """Values that must be accepted, the bounds among them."""
    if isinstance(check.expected, Words):
        return list(islice(cycle(check.expected.allowed), ROWS_PER_SIDE))
    assert isinstance(check.expected, Range)
    low, high = check.expected.low, check.expected.high
    if check.kind in INTEGERS:
        first = int(low) if low is not None else -10
        last = int(high) if high is not None else first + 1000
        return list(islice(cycle([last, *range(first, last + 1)]), ROWS_PER_SIDE))
    bottom = low if low is not None else Decimal(-1000)
    top = high if high is not None else bottom + 1000
    steps = [bottom + (top - bottom) * n / (ROWS_PER_SIDE - 1) for n in range(ROWS_PER_SIDE)]
    values = [step for step in steps if check.expected.accepts(step)]
    return as_kind(check, list(islice(cycle(values), ROWS_PER_SIDE)))


def outside(check: Check) -> list[Any]:
    """Values that must be refused: just beyond each bound, far beyond, NaN and the infinities."""
    rng = random.Random(SEED)
    if isinstance(check.expected, Words):
        variants = strings(check.expected.allowed, 200, rng)
        return [v for v in variants if not check.expected.accepts(v)][:ROWS_PER_SIDE]
    assert isinstance(check.expected, Range)
    if check.kind in INTEGERS:
        pool: list[Any] = [
            value for n in range(1, 200) for value in beyond(check.expected, Decimal(n))
        ]
        limit = INTEGERS[check.kind]
        return [int(v) for v in pool if -limit <= v < limit][:ROWS_PER_SIDE]
    far = [Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity"), Decimal("0.6180339887")]
    near = [value for n in range(1, 12) for value in beyond(check.expected, Decimal(10) ** (6 - n))]
    values = as_kind(check, [*far, *near])
    return [value for value in values if not check.expected.accepts(value)][:ROWS_PER_SIDE]


def beyond(allowed: Range, step: Decimal) -> list[Decimal]:
    """One step below the lower bound, one above the upper."""
    found = [allowed.low - step] if allowed.low is not None else []
    return [*found, allowed.high + step] if allowed.high is not None else found


def as_kind(check: Check, values: list[Decimal]) -> list[Any]:
    return values if check.kind == "numeric" else [float(value) for value in values]


@pytest.mark.parametrize("domain", DOMAINS)
def test_rows_on_both_sides_of_every_bound(
    db: psycopg.Connection, checks: list[Check], domain: str
) -> None:
    builder = RowBuilder(db, {check.name: check.expected for check in checks if check.expected})
    tried = [
        check
        for check in checks
        if check.domain == domain and not check.generated and check.name not in COMPUTED
    ]
    assert tried
    assert [fault for check in tried for fault in faults(db, builder, check)] == []


def faults(db: psycopg.Connection, builder: RowBuilder, check: Check) -> Iterator[str]:
    """Insert rows with values inside and outside of what is allowed; yield what went otherwise."""
    with db.transaction(force_rollback=True):
        row = builder.row(check.table)
        for value in inside(check):
            problem = attempt(db, builder, check, {**row, check.column: value})
            if problem is not None:
                yield f"{check.name} = {value!r} was refused: {problem}"
        for value in outside(check):
            problem = attempt(db, builder, check, {**row, check.column: value})
            if problem not in check.names:
                yield f"{check.name} = {value!r} was not refused by its CHECK: {problem}"


def attempt(
    db: psycopg.Connection, builder: RowBuilder, check: Check, row: dict[str, Any]
) -> str | None:
    """Insert in a savepoint that is rolled back; the name of the CHECK that refused, or other trouble."""
    try:
        with db.transaction(force_rollback=True):
            builder.insert(check.table, row)
    except errors.CheckViolation as error:
        return error.diag.constraint_name or str(error)
    except errors.UniqueViolation as error:
        return None if check.table in SINGLETONS else str(error)
    except errors.Error as error:
        return str(error)
    return None


def test_a_row_can_be_built_for_every_table(db: psycopg.Connection, checks: list[Check]) -> None:
    builder = RowBuilder(db, {check.name: check.expected for check in checks if check.expected})
    assert len(builder.tables) >= 108
    for table in builder.tables:
        with db.transaction(force_rollback=True):
            if table not in SINGLETONS:
                builder.insert(table, builder.row(table))


def test_numbers_of_fractions_that_no_check_names_are_refused_when_they_are_none(
    db: psycopg.Connection, checks: list[Check]
) -> None:
    """NaN, the one number that is larger than every bound, gets in nowhere."""
    numbers = db.execute(
        "SELECT c.relname || '.' || a.attname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid "
        "WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 "
        "AND NOT a.attisdropped AND a.attgenerated = '' AND format_type(a.atttypid, NULL) = ANY (%s)",
        [list(FRACTIONS)],
    ).fetchall()
    by_name = {check.name: check for check in checks}
    let_in: list[str] = []
    for (name,) in numbers:
        check = by_name[name]
        query = sql.SQL("SELECT ({}) IS NOT FALSE FROM (SELECT 'NaN'::{} AS {}) AS {}").format(
            sql.SQL(check.expression),
            sql.SQL(check.kind),
            sql.Identifier(check.column),
            sql.Identifier(check.table),
        )
        row = db.execute(query).fetchone()
        if row is None or row[0]:
            let_in.append(name)
    assert let_in == []


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_digest_has_32_bytes(db: psycopg.Connection, length: int) -> None:
    insert = "INSERT INTO ops_secrets (name, value) VALUES (%s, %s)"
    db.execute(insert, ["whole", b"x" * 32])
    with pytest.raises(errors.CheckViolation), db.transaction():
        db.execute(insert, ["other", b"x" * length])
    keys = "INSERT INTO ops_api_keys (name, key_sha256, scope) VALUES ('k', %s, 'read')"
    with pytest.raises(errors.CheckViolation), db.transaction():
        db.execute(keys, [b"x" * length])
