"""One judgment with eleven votes a transaction, against pgbench sending the same statement to the same tables."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from benchmarks import ground
from benchmarks.measure import Throughput, pairs
from cynic.db.tools import program
from cynic.flows import record, submission
from cynic.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from cynic.db.connect import Database
    from cynic.flows.edge import Edge
    from cynic.flows.submission import Submission

ROUNDS = 5
SECONDS = 2.0
CLIENTS = (1, 8)
# What pgbench puts in place of PGBENCHID and @agent: new for every transaction, one for every client.
SCRIPT = """\\set left random(1000, 9999)
\\set right random(100000000000, 999999999999)
{statement};
"""
FILLED = (
    "replace(replace({}, 'PGBENCHID', '01980000-' || :left::text || '-7000-8000-' || :right::text),"
    " '@agent', :client_id::text)::jsonb"
)


def run() -> Iterator[Throughput]:
    """Five pairs of two seconds for each number of clients."""
    with ground.server() as address, tempfile.TemporaryDirectory(prefix="cynic-bench-") as folder:
        database = ground.migrated(address, "judge")
        with Memory(database) as memory:
            pgbench = _Pgbench(memory, database, Path(folder))
            for clients in CLIENTS:
                judge(memory, clients, 0.5)
                yield Throughput(
                    what=f"judge, 11 votes, {clients} threads vs pgbench",
                    rounds=pairs(
                        lambda clients=clients: judge(memory, clients, SECONDS),
                        lambda clients=clients: pgbench.rate(clients),
                        ROUNDS,
                    ),
                    ratio_min=0.5,
                )


def judge(memory: Memory, threads: int, duration_seconds: float) -> float:
    """Judgments a second through the Python API, each committed before its thread makes the next."""

    def work(agent: int) -> int:
        fields = ground.judgment(agent)
        made = 0
        while time.perf_counter() < end:
            memory.judge(**fields)
            made += 1
        return made

    started = time.perf_counter()
    end = started + duration_seconds
    with ThreadPoolExecutor(threads) as pool:
        made = sum(pool.map(work, range(threads)))
    return made / (time.perf_counter() - started)


class _Spy:
    """In place of a connection: notes the first statement and stores nothing."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def execute(self, statement: str, parameters: dict[str, Any]) -> NoReturn:
        self.sent.append((statement, parameters))
        raise _NotedError


class _NotedError(Exception):
    """The statement was noted."""


def _sent(given: Submission, edge: Edge) -> tuple[str, dict[str, Any]]:
    """What recording sends to the server for one judgment; what was learned is asked once a second beside it."""
    spy = _Spy()
    with suppress(_NotedError):
        record.record_one(cast("psycopg.Connection", spy), given, replace(edge, learned=None))
    return spy.sent[0]


class _Pgbench:
    """The statement `record` as a script, with the parameters that one judgment gives it."""

    def __init__(self, memory: Memory, database: Database, folder: Path) -> None:
        self._memory = memory
        self._conninfo = database.conninfo
        self._made = 0
        with memory.connection() as conn:
            edge = memory.edge(conn)
        given = submission.read_judgment(ground.judgment(0) | {"judgment_id": "jdg_PGBENCHID"})
        statement, sent = _sent(given, edge)
        row = json.loads(sent["judgments"])[0]
        row |= {"id": "PGBENCHID", "username": "agent-@agent", "session_id": "session-@agent"}
        self._variables = {name: str(value) for name, value in sent.items()}
        self._variables["judgments"] = json.dumps([row])
        for name in self._variables:
            filled = ":now::timestamptz" if name == "now" else FILLED.format(f":{name}")
            statement = statement.replace(f"%({name})s", filled)
        self._script = folder / "judge.sql"
        self._script.write_text(SCRIPT.format(statement=statement), encoding="utf-8")

    def rate(self, clients: int) -> float:
        """Transactions a second."""
        command = [program("pgbench"), "--no-vacuum", "--protocol=prepared", "--file", self._script]
        counts = [f"--client={clients}", f"--time={SECONDS:.0f}"]
        variables = [f"--define={name}={value}" for name, value in self._variables.items()]
        done = subprocess.run(
            [*command, *counts, *variables, self._conninfo],
            env={**os.environ, "PGOPTIONS": "-c role=cynic_app"},
            check=False,
            capture_output=True,
            text=True,
        )
        found = re.search(r"tps = ([0-9.]+) \(without", done.stdout)
        made = re.search(r"actually processed: (\d+)", done.stdout)
        if done.returncode or found is None or made is None:
            raise RuntimeError(f"pgbench: {done.stdout}{done.stderr}")
        self._check(int(made.group(1)))
        return float(found.group(1))

    def _check(self, made: int) -> None:
        """Make sure that every transaction stored a judgment: a statement that finds nothing to do is no limit."""
        self._made += made
        with self._memory.connection() as conn:
            row = conn.execute(
                "SELECT count(*) FROM judgments WHERE judgment_id LIKE 'jdg_01980000-%'"
            ).fetchone()
        if row != (self._made,):
            raise RuntimeError(f"{self._made} transactions of pgbench, and judgments: {row}")
