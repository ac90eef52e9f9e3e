"""kill -9 of a spending program at any moment, in a loop: the ledger and the state stay equal to the last digit."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
from conftest_budget import agreed, opened
from mortal import Mortal, StoppedError

from cynic.flows import budget, budget_care, prices, spending
from cynic.flows.budget_fields import Operation

if TYPE_CHECKING:
    from pathlib import Path

    from cynic.memory import Memory

ROUNDS = 6
THREADS = 8
# What a program does that goes through reservations: it says what was acknowledged, line by line.
PROGRAM = """
import sys, threading
from decimal import Decimal
from cynic.db.connect import Database
from cynic.memory import Memory

def work(memory, number):
    turn = 0
    while True:
        held = memory.reserve(estimated_usd="0.01", provider="acme", model="dear", session_id=f"{number}")
        if turn % 3 == 2:
            memory.release(held.reservation_id)
        else:
            entry = memory.settle(held.reservation_id, tokens_input=7, tokens_output=turn, cost_usd=None)
            sys.stdout.write(f"{entry.ledger_id} {entry.cost_usd}\\n")
            sys.stdout.flush()
        turn += 1

memory = Memory(Database(conninfo=sys.argv[1], source="test"))
threads = [threading.Thread(target=work, args=(memory, n)) for n in range(int(sys.argv[2]))]
[thread.start() for thread in threads]
"""


def test_killed_again_and_again_nothing_acknowledged_is_lost_and_nothing_differs(
    fresh_database: str, tmp_path: Path
) -> None:
    program = tmp_path / "spends.py"
    program.write_text(PROGRAM, encoding="utf-8")
    rng = random.Random(618)
    acknowledged: dict[int, Decimal] = {}
    with opened(fresh_database) as memory:
        memory.set_budget("1000")
        for _ in range(ROUNDS):
            acknowledged |= spend_until_killed(program, fresh_database, rng.randrange(5, 120))
            wait_for_the_dead(fresh_database)
            agreed(memory)
        with memory.connection() as conn:
            booked = dict(conn.execute("SELECT id, cost_usd FROM cost_ledger").fetchall())
        assert len(acknowledged) >= 5 * ROUNDS
        assert acknowledged.items() <= booked.items()
        with psycopg.connect(fresh_database, autocommit=True) as conn:
            conn.execute("UPDATE ops_budget_reservations SET expires_at = now() - interval '1 second' WHERE state = 'held'")  # fmt: skip
        memory.record_cost(provider="acme", model="dear", tokens_input=0, tokens_output=0)
        assert memory.budget()["held_usd"] == "0", "what the dead held comes back"
        agreed(memory)


def spend_until_killed(program: Path, conninfo: str, acknowledged: int) -> dict[int, Decimal]:
    """Run the program until it has told so many; kill it; give what it told, torn lines left out."""
    command = [sys.executable, str(program), conninfo, str(THREADS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(acknowledged)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
    found: dict[int, Decimal] = {}
    for line in lines:
        with suppress(ValueError):
            if line.endswith("\n"):
                ledger_id, cost = line.split()
                found[int(ledger_id)] = Decimal(cost)
    return found


def wait_for_the_dead(conninfo: str) -> None:
    """Until the server has ended the sessions of the killed program: what was under way is committed or gone."""
    with psycopg.connect(conninfo, autocommit=True) as conn:
        for _ in range(1000):
            row = conn.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND application_name = 'cynic' AND state = 'active' AND pid <> pg_backend_pid()"
            ).fetchone()
            if row == (0,):
                return
            conn.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("the sessions of the dead do not end")


def test_one_who_dies_before_any_statement_leaves_all_or_nothing(fresh_database: str) -> None:
    now = datetime.now(UTC)
    with opened(fresh_database) as memory:
        for kind in ("settle", "reprice", "update"):
            for left in range(12):
                with Mortal.connect(fresh_database, autocommit=True) as conn:
                    conn.left = 1
                    conn.execute("SET ROLE cynic_app")
                    conn.left = left
                    with suppress(StoppedError):
                        act(conn, kind, memory, now)
                agreed(memory)


def act(conn: psycopg.Connection, kind: str, memory: Memory, now: datetime) -> None:
    if kind == "settle":
        book = prices.load(conn)
        asked = spending.Ask(estimated_usd=Decimal(1), provider="acme", model="dear")
        new = uuid4()
        budget.transact(conn, [Operation(kind="reserve", reservation_id=new, ask=asked)], book, now)
        report = spending.Report(provider=None, model=None, tokens_input=10, tokens_output=1)
        budget.transact(
            conn, [Operation(kind="settle", reservation_id=new, report=report)], book, now
        )
    elif kind == "reprice":
        memory.record_cost(provider="acme", model="later", tokens_input=10, tokens_output=0)
        units = {"input_tokens": Decimal(1), "output_tokens": Decimal(1)}
        prices.set_own(conn, "acme", "later", units, now)
        budget_care.reprice(conn, prices.load(conn), now)
    else:
        conn.execute("SELECT update_budget(0.000001)")
        budget_care.set_limit(conn, Decimal(50), now)
        budget_care.reset(conn, now)
