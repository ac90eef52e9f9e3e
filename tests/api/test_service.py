"""`cynic up` from outside: health, problems, Ctrl-C, kill -9, a database that goes and comes back."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cynic.db.datadir import RELOCATED_BASE, locate
from cynic.db.embedded import status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CYNIC = str(Path(sys.executable).with_name("cynic"))
DEADLINE_SECONDS = 60


class Service:
    """A running `cynic up` on a free port."""

    def __init__(self, **settings: str) -> None:
        self.process = subprocess.Popen(
            [CYNIC, "up", "--port", "0"],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | settings,
        )
        self.url = self._wait_for_address()

    def _wait_for_address(self) -> str:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if found := re.search(r"http://\S+", line):
                return found.group()
        raise AssertionError("cynic up ended before it was up")

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, Any], dict[str, str]]:
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer), dict(answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error), dict(error.headers)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        assert self.process.stderr is not None
        self.process.stderr.read()
        self.process.stderr.close()
        return self.process.wait(DEADLINE_SECONDS)


@pytest.fixture
def up() -> Iterator[Callable[..., Service]]:
    services: list[Service] = []

    def start(**settings: str) -> Service:
        services.append(Service(**settings))
        return services[-1]

    yield start
    for service in services:
        if service.process.poll() is None:
            service.end(signal.SIGKILL)


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cynic-up-"))
    folder.chmod(0o755)
    yield folder / "home"
    base = locate(folder / "home").base
    shutil.rmtree(folder, ignore_errors=True)
    if base.is_relative_to(RELOCATED_BASE):
        shutil.rmtree(base, ignore_errors=True)


def eventually(what: Callable[[], bool], message: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not what():
        assert time.monotonic() < deadline, message
        time.sleep(0.02)


def test_from_nothing_to_ready_and_ctrl_c_stops_all_of_it(
    up: Callable[..., Service], home: Path
) -> None:
    service = up(CYNIC_HOME=str(home))
    assert service.get("/readyz")[:2] == (
        200,
        {"status": "ready", "checks": {"database": "ok", "schema": "ok", "worker": "ok"}},
    )
    assert service.get("/healthz")[1]["status"] == "ok"
    assert service.end(signal.SIGINT) == 0
    assert status(home) == "stopped"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_stops_the_database_too(
    up: Callable[..., Service], home: Path, number: signal.Signals
) -> None:
    service = up(CYNIC_HOME=str(home))
    assert service.end(number) == 0
    assert status(home) == "stopped"


def test_kill_9_of_the_service_in_a_loop_and_the_next_start_works(
    up: Callable[..., Service], home: Path
) -> None:
    for _ in range(3):
        service = up(CYNIC_HOME=str(home))
        assert service.get("/readyz")[0] == 200
        service.end(signal.SIGKILL)
    eventually(lambda: status(home) == "stopped", "the database outlived the service")


def test_a_database_that_dies_comes_back_and_the_service_with_it(
    up: Callable[..., Service], home: Path
) -> None:
    service = up(CYNIC_HOME=str(home))
    pid = int((locate(home).data_dir / "postmaster.pid").read_text().split("\n")[0])
    os.kill(pid, signal.SIGKILL)
    eventually(
        lambda: service.get("/readyz")[0] == 200, "the service did not find its database again"
    )
    assert service.get("/healthz")[0] == 200


def test_a_schema_that_is_behind_is_not_ready(
    up: Callable[..., Service], fresh_database: str
) -> None:
    import psycopg

    service = up(CYNIC_DATABASE_URL=fresh_database)
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        conn.execute("DELETE FROM _migrations WHERE name LIKE '047%'")
    code, body, headers = service.get("/readyz")
    assert code == 503
    assert "047_metrics_infrastructure" in body["checks"]["schema"]
    assert service.get("/healthz")[0] == 200
    del headers


def test_an_unknown_path_is_a_problem_document_with_the_callers_trace(
    up: Callable[..., Service], fresh_database: str
) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    service = up(DATABASE_URL=fresh_database)
    code, body, headers = service.get("/nowhere", traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    assert (code, body["status"], body["code"], body["trace_id"]) == (404, 404, "not-found", trace)
    assert headers["content-type"] == "application/problem+json"
    for none in ({}, {"traceparent": f"00-{'<' * 32}-00f067aa0ba902b7-01"}):
        assert re.fullmatch(r"[0-9a-f]{32}", service.get("/nowhere", **none)[1]["trace_id"])


def test_the_api_describes_itself(up: Callable[..., Service], fresh_database: str) -> None:
    code, body, _ = up(DATABASE_URL=fresh_database).get("/openapi.json")
    assert (code, body["openapi"][:3]) == (200, "3.1")
    assert {"/healthz", "/readyz"} <= set(body["paths"])


def test_a_port_that_is_taken_is_named(up: Callable[..., Service], fresh_database: str) -> None:
    port = up(DATABASE_URL=fresh_database).url.rsplit(":", 1)[1]
    done = subprocess.run(
        [CYNIC, "up", "--port", port],
        capture_output=True,
        text=True,
        env=os.environ | {"DATABASE_URL": fresh_database},
        check=False,
    )
    assert done.returncode == 69
    assert "[port-taken]" in done.stderr
