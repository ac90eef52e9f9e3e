"""Judgments over HTTP: what is stored, what is refused, and that everybody gets an answer."""

from __future__ import annotations

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest
from conftest_api import BATCH, JUDGMENTS, body, line

from cynic.api.limits import BODY_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from conftest import Client

    Start = Callable[..., AbstractContextManager[Client]]


def stored(dsn: str) -> int:
    with psycopg.connect(dsn) as conn:
        row = conn.execute("SELECT count(*) FROM judgments").fetchone()
    assert row is not None
    return row[0]


def test_a_judgment_is_answered_and_read_back(client: httpx.Client) -> None:
    answer = client.post(JUDGMENTS, json=body(user="ada", session_id="s"))
    assert answer.status_code == 201
    judged = answer.json()
    assert judged | {"judgment_id": ""} == {
        "judgment_id": "",
        "q_score": 80.0,
        "verdict": "HOWL",
        "confidence": 0.618,
        "axiom_scores": {"PHI": None, "VERIFY": None, "CULTURE": None, "BURN": None},
        "consensus": {
            "approved": True,
            "verdict": "HOWL",
            "agreement": 1.0,
            "voters": 3,
            "veto": False,
            "reason": "approved",
        },
    }
    shown = client.get(f"{JUDGMENTS}/{judged['judgment_id']}").json()
    assert shown["consensus"] == judged["consensus"]
    assert [vote["dog"] for vote in shown["votes"]] == ["Guardian", "Sage", "Scout"]
    assert shown["item_content"] == body()["item_content"]
    assert client.get(JUDGMENTS).json()["judgments"][0]["judgment_id"] == judged["judgment_id"]


FAULTS: list[tuple[bytes, int, str]] = [
    (json.dumps(body(dimensions={"COHERENCE": 101})).encode(), 422, "invalid-field"),
    (json.dumps(body(votes=[{"dog": "Rex", "score": 1}])).encode(), 422, "invalid-field"),
    (json.dumps(body(item_content="a\0b")).encode(), 422, "invalid-field"),
    (json.dumps(body(item_content="x" * 5_000_000)).encode(), 422, "invalid-field"),
    (b'{"item_type": ', 400, "malformed-json"),
    (b"", 400, "malformed-json"),
    (b'{"item_type": "c", "item_content": "\xff"}', 400, "malformed-json"),
    (b'{"item_type": "c", "item_content": "x", "probability": NaN}', 400, "malformed-json"),
    (b"[" * 50_000, 400, "malformed-json"),
    (
        json.dumps(body(dimensions={f"D{n}": 1 for n in range(1000)})).encode(),
        422,
        "invalid-field",
    ),
    (json.dumps(body(votes=[{"dog": "Sage", "score": 1}] * 2)).encode(), 422, "invalid-field"),
    (json.dumps([body()]).encode(), 422, "invalid-field"),
    (b"x" * (BODY_BYTES_MAX + 1), 413, "too-large"),
]


@pytest.mark.parametrize(("content", "status", "code"), FAULTS, ids=range(len(FAULTS)))
def test_bad_input_gets_one_clear_error_and_stores_nothing(
    client: httpx.Client, fresh_database: str, content: bytes, status: int, code: str
) -> None:
    answer = client.post(JUDGMENTS, content=content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.json()["detail"]) < 400
    assert stored(fresh_database) == 0


def test_a_body_without_a_length_is_limited_too(client: httpx.Client) -> None:
    answer = client.post(JUDGMENTS, content=(b"x" * 65536 for _ in range(200)))
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


def test_the_same_key_is_the_first_answer_and_another_body_a_conflict(
    client: httpx.Client, fresh_database: str
) -> None:
    key = {"Idempotency-Key": "k1"}
    first = client.post(JUDGMENTS, json=body(), headers=key)
    again = client.post(JUDGMENTS, json=body(), headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    other = client.post(JUDGMENTS, json=body(item_content="other"), headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "judgment-differs")
    assert stored(fresh_database) == 1
    named = client.post(JUDGMENTS, json=body(judgment_id="mine"))
    assert client.post(JUDGMENTS, json=body(judgment_id="mine")).json() == named.json()
    differs = client.post(JUDGMENTS, json=body(judgment_id="mine", user="bob"))
    assert differs.status_code == 409
    assert stored(fresh_database) == 2


@pytest.mark.parametrize("lines", [False, True])
def test_in_a_batch_the_good_rows_stay(
    client: httpx.Client, fresh_database: str, lines: bool
) -> None:
    documents = [body(judgment_id="a"), body(dimensions={"COHERENCE": 101}), body()]
    if lines:
        content = "\n".join([*map(json.dumps, documents), "", '{"broken'])
        answer = client.post(
            BATCH, content=content, headers={"content-type": "application/x-ndjson"}
        )
    else:
        answer = client.post(BATCH, json=[*documents, 5])
    found = answer.json()
    assert answer.status_code == 200
    assert found["stored"] == 2
    assert [one["index"] for one in found["judgments"]] == [0, 2]
    assert found["judgments"][0]["judgment_id"] == "a"
    assert [(one["index"], one["code"]) for one in found["rejected"]] == [
        (1, "invalid-field"),
        (3, "malformed-json" if lines else "invalid-field"),
    ]
    assert stored(fresh_database) == 2


def test_a_batch_that_is_none_is_refused(client: httpx.Client) -> None:
    assert client.post(BATCH, json={"a": 1}).json()["code"] == "malformed-json"
    assert client.post(BATCH, json=[]).json() == {"stored": 0, "judgments": [], "rejected": []}
    many = client.post(BATCH, json=[{}] * 10_001)
    assert (many.status_code, many.json()["code"]) == (413, "too-large")


def test_lists_are_filtered_and_paged_without_gaps(client: httpx.Client) -> None:
    documents = [
        body(
            judgment_id=f"j{n}",
            user=("ada", "bob")[n % 2],
            session_id=f"s{n % 4}",
            item_type=("code", "text")[n % 3 == 0],
            votes=[{"dog": "Sage", "score": n / 20}],
        )
        for n in range(20)
    ]
    for document in documents:
        client.post(JUDGMENTS, json=document)

    def ids(**query: object) -> list[str]:
        found: list[str] = []
        cursor = None
        while True:
            page = client.get(
                JUDGMENTS, params={**query, "limit": 3, **({"cursor": cursor} if cursor else {})}
            ).json()
            assert len(page["judgments"]) <= 3
            found += [one["judgment_id"] for one in page["judgments"]]
            cursor = page["cursor"]
            if cursor is None:
                return found

    def expected(keep: Callable[[int], bool]) -> list[str]:
        return [f"j{n}" for n in reversed(range(20)) if keep(n)]

    assert ids() == expected(lambda n: n >= 0)
    assert ids(user="ada") == expected(lambda n: n % 2 == 0)
    assert ids(session_id="s1") == expected(lambda n: n % 4 == 1)
    assert ids(session_id="s1", user="ada") == []
    assert ids(session_id="s1", user="bob") == expected(lambda n: n % 4 == 1)
    assert ids(verdict="HOWL") == expected(lambda n: n >= 16)
    assert ids(item_type="text", min_q_score=50) == expected(lambda n: n % 3 == 0 and n >= 10)
    assert ids(user="nobody") == []
    moments = {
        one["judgment_id"]: one["created_at"]
        for one in client.get(JUDGMENTS, params={"limit": 20}).json()["judgments"]
    }
    assert ids(since=moments["j5"], until=moments["j9"]) == expected(lambda n: 5 <= n < 9)


@pytest.mark.parametrize(
    "query",
    [
        "user=%00", "session_id=a%00", "item_type=a%00", "cursor=" + "W" * 20_000,
        "verdict=MEOW", "limit=0", "limit=1001", "cursor=xx", "min_q_score=200", "since=yesterday",
    ],
)  # fmt: skip
def test_a_query_that_cannot_be_read_is_invalid(client: httpx.Client, query: str) -> None:
    answer = client.get(f"{JUDGMENTS}?{query}")
    assert (answer.status_code, "code" in answer.json()) == (422, True)


def test_feedback_over_http(client: httpx.Client) -> None:
    judged = client.post(JUDGMENTS, json=body()).json()["judgment_id"]
    path = f"{JUDGMENTS}/{judged}/feedback"
    first = client.post(path, json={"outcome": "correct", "user": "bob"})
    assert first.status_code == 201
    assert client.post(path, json={"outcome": "correct", "user": "bob"}).json() == first.json()
    client.post(path, json={"outcome": "incorrect", "user": "bob", "actual_score": 12.5})
    shown = client.get(f"{JUDGMENTS}/{judged}").json()["feedback"]
    assert [one["outcome"] for one in shown] == ["correct", "incorrect"]
    assert [one["superseded_at"] is None for one in shown] == [False, True]
    assert shown[1]["actual_score"] == 12.5
    assert client.post(path, json={"outcome": "right"}).status_code == 422
    nowhere = client.post(f"{JUDGMENTS}/nowhere/feedback", json={"outcome": "correct"})
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "unknown-judgment")


@pytest.mark.parametrize("judgment_id", ["nowhere", "a%00b", "x" * 65, "%ED%A0%80"])
def test_an_unknown_or_impossible_id_is_a_clear_error(
    client: httpx.Client, judgment_id: str
) -> None:
    assert client.get(f"{JUDGMENTS}/{judgment_id}").status_code in {404, 422}


def test_64_clients_with_a_pool_of_8_all_get_an_answer(start: Start, fresh_database: str) -> None:
    with start(pool_size=8) as client, ThreadPoolExecutor(64) as crowd:
        gate = threading.Barrier(64)

        def call(number: int) -> int:
            gate.wait()
            return many.post(JUDGMENTS, json=body(judgment_id=f"j{number % 32}")).status_code

        wide = httpx.Limits(max_connections=64)
        with httpx.Client(base_url=client.base_url, timeout=60, limits=wide) as many:
            assert set(crowd.map(call, range(64))) == {201}
    assert stored(fresh_database) == 32


def test_when_no_connection_is_free_the_answer_is_503_with_retry_after(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cynic.db.pool.WAIT_SECONDS", 0.2)
    with start(pool_size=1, with_worker=False) as client:
        with client.app.state.memory.connection():
            answer = client.post(JUDGMENTS, json=body())
        assert answer.status_code == 503
        assert answer.json()["code"] in {"busy", "unavailable"}  # the pool, or the keys behind it
        assert int(answer.headers["retry-after"]) >= 1
        assert client.post(JUDGMENTS, json=body()).status_code == 201


def test_new_judgments_are_streamed_and_a_broken_stream_goes_on(client: httpx.Client) -> None:
    with client.stream("GET", f"{JUDGMENTS}:stream") as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith(":")
        client.post(JUDGMENTS, json=body(judgment_id="first"))
        first = line(lines)
        assert (first["judgment_id"], first["verdict"]) == ("first", "HOWL")
        client.post(BATCH, json=[body(judgment_id=f"b{n}") for n in range(5)])
        assert {line(lines)["judgment_id"] for _ in range(5)} == {f"b{n}" for n in range(5)}
    client.post(JUDGMENTS, json=body(judgment_id="missed"))
    with client.stream("GET", f"{JUDGMENTS}:stream", headers={"Last-Event-ID": "first"}) as stream:
        lines = stream.iter_lines()
        seen: set[str] = set()
        while "missed" not in seen:
            seen.add(line(lines)["judgment_id"])
    assert {f"b{n}" for n in range(5)} <= seen


def test_tables_are_read_filtered_and_exported(client: httpx.Client) -> None:
    for number in range(5):
        client.post(JUDGMENTS, json=body(judgment_id=f"j{number}", user="ada"))
    tables = "/api/v1/tables"
    names = [one["table"] for one in client.get(tables).json()]
    assert "judgments" in names
    assert not {"ops_secrets", "ops_api_keys"} & set(names)
    at = f"{tables}/judgments?columns=judgment_id,q_score&sort=judgment_id"
    page = client.get(f"{at}&limit=2").json()
    assert [row["judgment_id"] for row in page["rows"]] == ["j0", "j1"]
    page = client.get(f"{at}&limit=2&cursor={page['cursor']}").json()
    assert [row["judgment_id"] for row in page["rows"]] == ["j2", "j3"]
    found = client.get(f"{at}&where=judgment_id%3Dj4").json()["rows"]
    assert found == [{"judgment_id": "j4", "q_score": "80.00"}]
    sheet = client.get(f"{at}&format=csv&whole=true&limit=2")
    assert sheet.headers["content-type"].startswith("text/csv")
    assert sheet.text.splitlines() == ["judgment_id,q_score", *(f"j{n},80.00" for n in range(5))]
    exported = client.get(f"{at}&format=jsonl&whole=true&limit=2").text.splitlines()
    assert [json.loads(one)["judgment_id"] for one in exported] == [f"j{n}" for n in range(5)]


def damaged(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("nowhere", 404, "unknown-table"),
        ("ops_secrets", 403, "table-forbidden"),
        ("judgments?columns=secret", 422, "unknown-column"),
        ("judgments?where=q_score", 422, "bad-filter"),
        ("judgments?where=q_score%3Dx", 422, "bad-filter"),
        ("judgments?cursor=x", 422, "bad-cursor"),
        ("pg_class", 404, "unknown-table"),
        ("%00", 404, "unknown-table"),
        ("judgments?where=verdict%3D%00", 422, "bad-filter"),
        *(
            (f"judgments?cursor={damaged(text)}", 422, "bad-cursor")
            for text in (
                "5",
                "null",
                "[" * 20_000,
                '[[["id",false]],5]',
                '[[["id",false]],[{"a":1}]]',
                '[[["id",false]],[true]]',
                '[[["id",false]],[[1]]]',
                '[[["id",false]],[1e400]]',
            )
        ),
    ],
)
def test_what_cannot_be_read_from_a_table_is_a_clear_error(
    client: httpx.Client, path: str, status: int, code: str
) -> None:
    answer = client.get(f"/api/v1/tables/{path}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_without_keys_a_page_of_another_site_neither_reads_nor_writes(
    client: httpx.Client, fresh_database: str
) -> None:
    for host in ("evil.example", "evil.example:8618", "10.0.0.1", "[::", "127.0.0.1.evil.example"):
        answer = client.get(JUDGMENTS, headers={"Host": host})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), host
    for host in ("localhost:1", "127.0.0.1", "[::1]:8618"):
        assert client.get(JUDGMENTS, headers={"Host": host}).status_code == 200
    for foreign in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert client.post(JUDGMENTS, json=body(), headers=foreign).status_code == 403
    assert stored(fresh_database) == 0


def test_a_key_beside_an_id_and_a_key_for_a_batch_are_refused(
    client: httpx.Client, fresh_database: str
) -> None:
    key = {"Idempotency-Key": "k"}
    assert client.post(JUDGMENTS, json=body(judgment_id="a"), headers=key).status_code == 422
    assert client.post(BATCH, json=[body()], headers=key).status_code == 422
    assert stored(fresh_database) == 0


def test_a_stream_that_comes_back_after_much_misses_nothing(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cynic.api.stream.BATCH_ROWS", 7)
    client.post(JUDGMENTS, json=body(judgment_id="last"))
    client.post(BATCH, json=[body(judgment_id=f"m{n}") for n in range(60)])
    with client.stream("GET", f"{JUDGMENTS}:stream", headers={"Last-Event-ID": "last"}) as stream:
        lines = stream.iter_lines()
        wanted = {f"m{n}" for n in range(60)}
        while wanted:
            wanted.discard(line(lines)["judgment_id"])
        client.post(BATCH, json=[body(judgment_id=f"n{n}") for n in range(40)])
        wanted = {f"n{n}" for n in range(40)}
        while wanted:
            wanted.discard(line(lines)["judgment_id"])


def test_health_is_answered_while_every_connection_waits(start: Start, fresh_database: str) -> None:
    with (
        start(pool_size=2, with_worker=False) as client,
        psycopg.connect(fresh_database) as locker,
        ThreadPoolExecutor(50) as crowd,
    ):
        client.get(JUDGMENTS)
        locker.execute("LOCK TABLE judgments")
        waiting = [crowd.submit(client.post, JUDGMENTS, json=body()) for _ in range(50)]
        with httpx.Client(base_url=client.base_url, timeout=5) as other:
            assert other.get("/healthz").status_code == 200
        locker.rollback()
        assert {one.result().status_code for one in waiting} <= {201, 503}
