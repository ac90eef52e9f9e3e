"""Acknowledged means committed: kill -9 of the service and of its server, again and again, while clients write."""

from __future__ import annotations

import http.client
import json
import os
import random
import shutil
import signal
import tempfile
import threading
import urllib.request
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from conftest_api import JUDGMENTS, body
from test_service import Service

from cynic.db.datadir import RELOCATED_BASE, locate
from cynic.db.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 4
WRITERS = 4
ACKNOWLEDGED_BEFORE_KILL = 25


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cynic-durable-"))
    folder.chmod(0o755)
    yield folder
    base = locate(folder).base
    shutil.rmtree(folder, ignore_errors=True)
    if base.is_relative_to(RELOCATED_BASE):
        shutil.rmtree(base, ignore_errors=True)


class Writers:
    """Clients that write until they are stopped, and repeat what was not acknowledged."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.acknowledged: dict[str, str] = {}
        self.enough = threading.Semaphore(0)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=[n]) for n in range(WRITERS)]
        for thread in self._threads:
            thread.start()

    def _write(self, number: int) -> None:
        count = 0
        while not self._stop.is_set():
            name = f"w{number}-{count}"
            document = body(judgment_id=name, user=f"u{number}", session_id=f"s{number}")
            request = urllib.request.Request(
                f"{self.url}{JUDGMENTS}", data=json.dumps(document).encode()
            )
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    self.acknowledged[name] = json.load(answer)["verdict"]
            except (OSError, ValueError, http.client.HTTPException):
                self._stop.wait(0.02)  # the same again, with the same id
                continue
            count += 1
            self.enough.release()

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self.enough.acquire(timeout=60), "nothing is acknowledged any more"

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def kill_server(home: Path) -> None:
    pid = int((locate(home).data_dir / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_nothing_acknowledged_is_lost_and_nothing_is_doubled(home: Path) -> None:
    dice = random.Random(618)
    service = Service(CYNIC_HOME=str(home))
    writers = Writers(service.url)
    try:
        for _ in range(ROUNDS):
            writers.wait_for(ACKNOWLEDGED_BEFORE_KILL)
            victims = dice.choice([("service",), ("server",), ("server", "service")])
            if "server" in victims:
                kill_server(home)
            if "service" in victims:
                service.end(signal.SIGKILL)
                service = Service(CYNIC_HOME=str(home))
                writers.url = service.url
        writers.wait_for(ACKNOWLEDGED_BEFORE_KILL)
    finally:
        writers.stop()
        service.end(signal.SIGINT)
    assert len(writers.acknowledged) > ROUNDS * ACKNOWLEDGED_BEFORE_KILL
    with EmbeddedServer.start(home) as server, psycopg.connect(server.conninfo) as conn:
        kept = dict(conn.execute("SELECT judgment_id, verdict FROM judgments").fetchall())
        assert writers.acknowledged.items() <= kept.items()
        for table, key, each in (
            ("dog_votes", "item_id", 3),
            ("consensus_votes", "judgment_id", 3),
            ("dog_pipeline_state", "judgment_id", 1),
        ):
            rows = conn.execute(f"SELECT {key} FROM {table}".encode()).fetchall()
            assert Counter(row[0] for row in rows) == dict.fromkeys(kept, each), table
        pending = conn.execute("SELECT count(*) FROM ops_counter_queue").fetchone()
        counted = conn.execute("SELECT sum(judgment_count) FROM sessions").fetchone()
        assert pending is not None
        assert counted is not None
        assert pending[0] + counted[0] == len(kept)
