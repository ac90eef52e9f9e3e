"""The application behind its keys, over a real socket: who gets in, who does not, and what a running service notices."""

from __future__ import annotations

import base64
import http.client
import json
import os
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from fastapi import Request  # noqa: TC002  # FastAPI reads it
from psycopg import conninfo, sql

from cynic.api.app import create_app
from cynic.api.auth import Authentication
from cynic.api.limits import Limits
from cynic.base import clock, ids
from cynic.db import pool
from cynic.db.connect import Database
from cynic.domains.system.keys import read_setting
from cynic.flows import keys
from running import running

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from fastapi import FastAPI

    from cynic.domains.system.keys import Scope

DEADLINE_SECONDS = 30
LIST = "/api/v1/judgments"
JUDGMENT = json.dumps({"item_type": "code", "item_content": "x", "dimensions": {"COHERENCE": 70}})

Headers = dict[str, str | bytes]


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]
    headers: list[tuple[str, str]]

    @property
    def code(self) -> str:
        return self.body["code"]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]


class Service:
    """The application on a free port, in a thread."""

    def __init__(self, url: str, app: FastAPI, database: Database) -> None:
        self.app = app
        self.database = database
        self.port = int(url.rsplit(":", 1)[1])

    def ask(
        self, path: str = LIST, method: str = "GET", body: str | None = None, **more: Any
    ) -> Answer:
        headers: list[tuple[str, str | bytes]] = list(more.pop("headers", {}).items())
        headers += more.pop("also", [])
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)
        try:
            connection.putrequest(method, path)
            for name, value in headers:
                connection.putheader(name, value)
            sent = (body or "").encode()
            connection.putheader("Content-Length", str(len(sent)))
            connection.endheaders(sent)
            answer = connection.getresponse()
            text = answer.read()
            return Answer(answer.status, json.loads(text) if text else {}, answer.getheaders())
        finally:
            connection.close()

    def judge(self, **more: Any) -> Answer:
        return self.ask(LIST, "POST", JUDGMENT, **more)

    def key(self, scope: Scope = "write", **more: Any) -> tuple[keys.ApiKey, str]:
        given = {"randomness": os.urandom(32), "new_id": ids.new_uuid(), "now": clock.now()}
        with self.database.connect("cynic_app") as conn:
            return keys.create(conn, "an agent", scope, **{**given, **more})


def eventually(what: Callable[[], bool], message: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not what():
        assert time.monotonic() < deadline, message
        time.sleep(0.02)


@contextmanager
def serving(database: Database, **settings: Any) -> Generator[Service]:
    app = create_app(database, with_worker=False, **settings)
    with running(app) as url:
        yield Service(url, app, database)


@pytest.fixture
def database(fresh_database: str) -> Database:
    return Database(conninfo=fresh_database, source="test")


@pytest.fixture
def service(database: Database) -> Iterator[Service]:
    with serving(database) as running:
        yield running


def bearer(key: str) -> Headers:
    return {"Authorization": f"Bearer {key}"}


def basic(key: str, user: str = "anyone") -> Headers:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()}


def test_without_a_key_anywhere_nobody_is_asked_for_one(service: Service) -> None:
    assert service.ask().status == 200
    assert service.judge().status == 201
    assert service.ask(headers=bearer("whatever")).status == 200


def test_the_first_key_turns_authentication_on_while_the_service_runs(service: Service) -> None:
    assert service.ask().status == 200
    _, key = service.key()
    eventually(lambda: service.ask().status == 401, "the service stayed open")
    assert service.ask(headers=bearer(key)).status == 200


def test_what_is_open_without_a_key_is_only_health(service: Service) -> None:
    service.key()
    for path in ("/healthz", "/readyz"):
        assert service.ask(path).status == 200
    for path in ("/", LIST, "/openapi.json", "/docs", "/nowhere", "/healthz/", "//healthz"):
        assert service.ask(path).status == 401, path


def test_401_is_a_problem_document_with_both_challenges(service: Service) -> None:
    service.key()
    answer = service.ask()
    assert (answer.status, answer.code, answer.body["status"]) == (401, "unauthorized", 401)
    assert answer.all("content-type") == ["application/problem+json"]
    bearer_line, basic_line = answer.all("www-authenticate")
    assert bearer_line.startswith("Bearer ")
    assert basic_line.startswith('Basic realm="cynic"')
    assert answer.body["trace_id"]


WAYS: list[Callable[[str], Headers]] = [
    bearer,
    basic,
    lambda key: basic(key, ""),
    lambda key: {"X-API-Key": key},
    lambda key: {"authorization": f"bearer   {key} "},
    lambda key: {"X-API-Key": key, "Authorization": "Basic of-the-proxy"},
]


def test_each_way_to_send_a_key(service: Service) -> None:
    _, key = service.key()
    for form in WAYS:
        assert service.ask(headers=form(key)).status == 200, form("key")
        assert service.ask(headers=form(key + "x")).status == 401, form("key")
        assert service.judge(headers=form(key)).status == 201, form("key")


NO_GOOD_KEY: list[Headers] = [
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": "Bearer a b"},
    {"Authorization": b"Bearer \xff\xfe\x80"},
    {"Authorization": "Bearer clé".encode()},
    {"Authorization": "Bearer " + "k" * 20_000},
    {"Authorization": "Digest username=x"},
    {"Authorization": b"\xc3\xa9"},
    {"Authorization": "Basic"},
    {"Authorization": "Basic %%%"},
    {"Authorization": "Basic YQ"},
    {"Authorization": b"Basic \xff\xff"},
    {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode()},
    {"Authorization": "Basic " + base64.b64encode(b"no colon").decode()},
    {"Authorization": "Basic " + base64.b64encode(b"a:b\x00\r\n").decode()},
    {"X-API-Key": ""},
    {"X-API-Key": b"\xff"},
    {"X-API-Key": "cynic_" + "A" * 43},
    {},
]


def test_a_header_that_is_no_good_key_is_401(service: Service) -> None:
    service.key()
    for headers in NO_GOOD_KEY:
        assert service.ask(headers=headers).body.get("code") == "unauthorized", headers


def test_two_headers_that_claim_different_keys_are_none(service: Service) -> None:
    _, key = service.key()
    twice = [("X-API-Key", key), ("X-API-Key", "another")]
    assert service.ask(also=twice).status == 401


def test_scopes(service: Service) -> None:
    held = {scope: service.key(scope)[1] for scope in ("read", "write", "admin")}
    for key in held.values():
        assert service.ask(headers=bearer(key)).status == 200
        assert service.ask(LIST, "HEAD", headers=bearer(key)).status == 405, "not let through"
    for scope, expected in (("read", 403), ("write", 201), ("admin", 201)):
        assert service.judge(headers=bearer(held[scope])).status == expected
    answer = service.judge(headers=bearer(held["read"]))
    assert (answer.code, answer.all("www-authenticate")) == ("forbidden", [])
    for method in ("DELETE", "PUT", "PATCH", "OPTIONS", "BARK"):
        assert service.ask(LIST, method, headers=bearer(held["read"])).status == 403, method


def test_a_key_that_expired_opens_nothing(service: Service) -> None:
    _, key = service.key(expires_at=clock.now() - timedelta(seconds=1))
    assert service.ask(headers=bearer(key)).status == 401


def test_a_key_expires_on_time_also_when_it_was_just_seen(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, key = service.key(expires_at=clock.now() + timedelta(hours=1))
    assert service.ask(headers=bearer(key)).status == 200
    later = clock.now() + timedelta(hours=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert service.ask(headers=bearer(key)).status == 401


def test_a_key_revoked_while_the_service_runs_opens_nothing_a_second_later(
    service: Service,
) -> None:
    made, key = service.key()
    assert service.ask(headers=bearer(key)).status == 200
    with service.database.connect("cynic_app") as conn:
        keys.revoke(conn, made.id, clock.now())
    revoked_at = time.monotonic()
    eventually(lambda: service.ask(headers=bearer(key)).status == 401, "the key stayed good")
    assert time.monotonic() - revoked_at < 3
    assert service.ask().status == 401, "the last key's end opened the service"


def test_a_service_open_to_the_network_asks_for_a_key_that_nobody_has(database: Database) -> None:
    with serving(database, open_to_network=True) as service:
        assert service.ask().status == 401
        assert service.ask("/healthz").status == 200
        _, key = service.key()
        assert service.ask(headers=bearer(key)).status == 200


def test_keys_of_the_environment(database: Database) -> None:
    with serving(database, env_keys=read_setting("sesame,peep:read")) as service:
        assert service.ask().status == 401
        assert service.ask(headers=bearer("sesam")).status == 401
        assert service.judge(headers=bearer("sesame")).status == 201
        assert service.ask(headers=basic("peep")).status == 200
        assert service.judge(headers=bearer("peep")).status == 403
        _, key = service.key()
        assert service.judge(headers=bearer(key)).status == 201


def shut(admin: psycopg.Connection, database: Database) -> None:
    name = conninfo.conninfo_to_dict(database.conninfo)["dbname"]
    named = sql.Identifier(str(name))
    admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(named))
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
    )


def without_the_table(admin: psycopg.Connection, database: Database) -> None:
    del admin
    with database.connect() as conn:
        conn.execute("ALTER TABLE ops_api_keys RENAME TO gone")


@pytest.mark.parametrize("fault", [shut, without_the_table])
@pytest.mark.parametrize("always", [False, True])
def test_a_database_that_cannot_be_asked_is_503_and_never_leave_to_enter(
    database: Database,
    admin: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[psycopg.Connection, Database], None],
    always: bool,
) -> None:
    monkeypatch.setattr(pool, "WAIT_SECONDS", 0.5)
    path = "/openapi.json"  # needs no database itself
    with serving(database, open_to_network=always) as service:
        made_up = bearer("cynic_" + "A" * 43)
        assert service.ask(path, headers=made_up).status == (401 if always else 200)
        fault(admin, database)
        eventually(
            lambda: service.ask(path, headers=made_up).status == 503, "what was known stayed so"
        )
        answer = service.ask(path, headers=made_up)
        assert (answer.status, answer.code) == (503, "unavailable")
        assert answer.all("retry-after")
        assert service.ask(path).status == (401 if always else 503)
        assert service.ask("/healthz").status == 200


def test_a_key_that_was_good_is_503_once_the_database_cannot_be_asked(
    database: Database, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "WAIT_SECONDS", 0.5)
    seen: list[int] = []
    with serving(database) as service:
        _, key = service.key()
        assert service.ask("/openapi.json", headers=bearer(key)).status == 200
        shut(admin, database)

        def refused() -> bool:
            seen.append(service.ask("/openapi.json", headers=bearer(key)).status)
            return seen[-1] == 503

        eventually(refused, "the key stayed good without a database")
    assert set(seen) <= {200, 503}


def test_limits_stand_before_authentication(database: Database) -> None:
    kinds = [layer.cls for layer in create_app(database).user_middleware]
    assert kinds.index(Limits) < kinds.index(Authentication)


def test_a_key_of_the_environment_needs_no_database(
    database: Database, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "WAIT_SECONDS", 0.5)
    with serving(database, env_keys=read_setting("sesame")) as service:
        shut(admin, database)
        assert service.ask("/openapi.json", headers=bearer("sesame")).status == 200
        assert service.ask("/openapi.json", headers=bearer("wrong")).status == 503
        assert service.ask("/openapi.json").status == 401


def test_the_caller_is_passed_on(database: Database) -> None:
    given = read_setting("sesame")
    app = create_app(database, with_worker=False, env_keys=given)

    @app.get("/who")
    def who(request: Request) -> dict[str, str]:
        return {"caller": request.state.caller}

    with running(app) as url:
        service = Service(url, app, database)
        made, key = service.key()
        assert service.ask("/who", headers=bearer(key)).body == {"caller": f"key:{made.id}"}
        assert service.ask("/who", headers=bearer("sesame")).body == {"caller": given[0].caller}


def test_each_caller_has_idempotency_keys_of_its_own(service: Service) -> None:
    answers: list[str] = []
    for key in (service.key()[1], service.key()[1]):
        for _ in range(2):
            answer = service.judge(headers=bearer(key) | {"Idempotency-Key": "1"})
            assert answer.status == 201
            answers.append(answer.body["judgment_id"])
    assert answers[0] == answers[1] != answers[2] == answers[3]


def test_a_page_of_another_site_may_not_write_with_the_browsers_password(service: Service) -> None:
    _, key = service.key()
    for sent in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
    ):
        assert service.judge(headers=basic(key) | sent).status == 403, sent
        assert service.ask(headers=basic(key) | sent).status == 200, sent
        assert service.judge(headers=bearer(key) | sent).status == 201, sent
    host = f"127.0.0.1:{service.port}"
    for sent in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": f"http://{host}"}):
        assert service.judge(headers=basic(key) | sent).status == 201, sent


def test_what_is_known_costs_no_database_call(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, key = service.key()
    asked: list[str] = []
    for name in ("any_key", "recognise"):
        original = getattr(keys, name)

        def counted(*given: Any, _name: str = name, _original: Any = original) -> Any:
            asked.append(_name)
            return _original(*given)

        monkeypatch.setattr(keys, name, counted)
    monkeypatch.setattr("cynic.api.auth.BELIEVED_SECONDS", 3600.0)
    for _ in range(5):
        assert service.ask("/openapi.json", headers=bearer(key)).status == 200
    assert asked == ["any_key", "recognise"]


def test_many_who_ask_at_once_are_one_question(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, key = service.key()
    begun, go = threading.Event(), threading.Event()
    asked: list[bytes] = []
    original = keys.recognise

    def slow(conn: psycopg.Connection, digest: bytes, now: Any) -> keys.ApiKey | None:
        asked.append(digest)
        begun.set()
        assert go.wait(DEADLINE_SECONDS)
        return original(conn, digest, now)

    monkeypatch.setattr(keys, "recognise", slow)
    monkeypatch.setattr("cynic.api.auth.BELIEVED_SECONDS", 3600.0)
    statuses: list[int] = []
    callers = [
        threading.Thread(target=lambda: statuses.append(service.ask(headers=bearer(key)).status))
        for _ in range(10)
    ]
    for caller in callers:
        caller.start()
    assert begun.wait(DEADLINE_SECONDS)
    # Health is answered meanwhile: the question is asked in a thread, not on the socket's loop.
    assert service.ask("/healthz").status == 200
    go.set()
    for caller in callers:
        caller.join()
    assert (statuses, len(asked)) == ([200] * 10, 1)


def test_a_websocket_gets_nowhere_without_passing_here() -> None:
    sent: list[Any] = []

    async def never(*_: object) -> None:
        raise AssertionError("passed on")

    async def send(message: Any) -> None:
        sent.append(message)

    guard = Authentication(never)
    step = guard({"type": "websocket", "path": "/healthz"}, never, send)
    with pytest.raises(StopIteration):
        step.send(None)
    assert sent == [{"type": "websocket.close", "code": 1008}]
