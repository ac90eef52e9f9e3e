"""The budget over HTTP: money as text, reservations, keys that repeat, many callers at once, and who may set the limit."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from cynic.flows import keys
from cynic.reads import budget as read

if TYPE_CHECKING:
    from conftest import Client

BUDGET = "/api/v1/budget"
RESERVATIONS = f"{BUDGET}/reservations"
COSTS = "/api/v1/costs"
CALL = {"provider": "acme", "model": "dear", "tokens_input": 10, "tokens_output": 5}


def reserve(client: Client, usd: str, **headers: str) -> httpx.Response:
    body = {"estimated_usd": usd, "provider": "acme", "model": "dear"}
    return client.post(RESERVATIONS, json=body, headers=headers)


def agreed(client: Client) -> dict[str, object]:
    with client.app.state.memory.connection() as conn:
        found = read.audit(conn)
    assert found["agrees"], found
    return found


def test_a_budget_from_the_limit_to_the_refusal(client: Client) -> None:
    state = client.put(BUDGET, json={"limit_usd": "5"}).json()
    assert (state["limit_usd"], state["remaining_usd"], state["level"]) == ("5", "5", "abundant")
    answer = reserve(client, "0.25")
    assert answer.status_code == 201
    held = answer.json()
    assert (held["decision"], held["provider"], held["model"]) == ("allow", "acme", "dear")
    assert held["expires_at"]
    settle = f"{RESERVATIONS}/{held['reservation_id']}/settle"
    body = {"tokens_input": 10, "tokens_output": 5, "cost_usd": "4.80", "response_id": "r1"}
    settled = client.post(settle, json=body)
    assert settled.status_code == 201
    entry = settled.json()
    assert (entry["cost_usd"], entry["budget_before"], entry["budget_after"]) == ("4.8", "0", "4.8")
    assert client.post(settle, json=body | {"cost_usd": "1"}).json() == entry
    refused = reserve(client, "0.01").json()
    assert (refused["decision"], refused["reason"]) == (
        "refuse",
        "exhausted: 4.8 of 5 USD consumed",
    )
    found = client.get(BUDGET).json()
    assert (found["level"], found["breaker"], found["ratio"]) == ("exhausted", True, "0.96")
    assert (found["consumed_usd"], found["held_usd"], found["refused"]) == ("4.8", "0", 1)
    assert found["top_models"][0]["cost_usd"] == "4.8"
    assert [one["alert_type"] for one in client.get(f"{BUDGET}/alerts").json()["alerts"]] == [
        "exhausted"
    ]
    agreed(client)


def test_numbers_of_json_are_exact(client: Client) -> None:
    assert (
        client.put(BUDGET, content=b'{"limit_usd": 12345678.123456789012345678}').json()[
            "limit_usd"
        ]
        == "12345678.123456789012345678"
    )


def test_a_key_makes_a_request_one(client: Client) -> None:
    first = reserve(client, "1", **{"Idempotency-Key": "a"}).json()
    assert reserve(client, "1", **{"Idempotency-Key": "a"}).json() == first
    assert reserve(client, "1", **{"Idempotency-Key": "b"}).json() != first
    cost = {**CALL, "cost_usd": "0.5"}
    one = client.post(COSTS, json=cost, headers={"Idempotency-Key": "a"})
    again = client.post(COSTS, json=cost, headers={"Idempotency-Key": "a"})
    assert (one.status_code, again.json()) == (201, one.json())
    found = client.get(BUDGET).json()
    assert (found["held_usd"], found["consumed_usd"]) == ("2", "0.5")


def test_a_key_with_another_body_is_a_conflict(client: Client) -> None:
    key = {"Idempotency-Key": "a"}
    first = reserve(client, "1", **key).json()
    other = reserve(client, "500", **key)
    assert (other.status_code, other.json()["code"]) == (409, "request-differs")
    client.post(f"{RESERVATIONS}/{first['reservation_id']}/release")
    ended = reserve(client, "1", **key).json()
    assert (ended["decision"], ended["state"]) == ("refuse", "released")
    cost = {**CALL, "cost_usd": "0.5"}
    assert client.post(COSTS, json=cost, headers=key).status_code == 201
    other = client.post(COSTS, json=cost | {"cost_usd": "9"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "request-differs")
    assert client.get(BUDGET).json()["consumed_usd"] == "0.5"


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_has_a_length(client: Client, key: str) -> None:
    headers = {"Idempotency-Key": key}
    assert reserve(client, "1", **headers).status_code == 422
    assert client.post(COSTS, json=CALL, headers=headers).status_code == 422


def test_times_that_cannot_be_kept_change_nothing(client: Client) -> None:
    before = client.get(BUDGET).json()
    for time in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2020-01-01T00:00:00Z"):
        body = {"limit_usd": "7", "next_reset": time}
        for answer in (client.put(BUDGET, json=body), client.post(f"{BUDGET}/reset", json=body)):
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid-field")
    assert client.get(BUDGET).json() == before
    bad = CALL | {"occurred_at": "0001-01-01T00:00:00+14:00"}
    assert client.post(COSTS, json=bad).status_code == 422


def test_release_and_what_is_unknown(client: Client) -> None:
    held = reserve(client, "1").json()["reservation_id"]
    assert client.post(f"{RESERVATIONS}/{held}/release").json()["state"] == "released"
    body = {"tokens_input": 1, "tokens_output": 1}
    for unknown in (str(uuid4()), "x", "%00"):
        answer = client.post(f"{RESERVATIONS}/{unknown}/settle", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown-reservation")
    settled = reserve(client, "1").json()["reservation_id"]
    client.post(f"{RESERVATIONS}/{settled}/settle", json=body)
    answer = client.post(f"{RESERVATIONS}/{settled}/release")
    assert (answer.status_code, answer.json()["code"]) == (409, "settled-reservation")


def test_two_operators_and_a_reset(client: Client) -> None:
    client.put(BUDGET, json={"limit_usd": "10"})
    client.post(COSTS, json={**CALL, "cost_usd": "3"})
    answer = client.put(BUDGET, json={"limit_usd": "20", "expected_usd": "5"})
    assert (answer.status_code, answer.json()["code"]) == (409, "limit-changed")
    assert client.put(BUDGET, json={"limit_usd": "20", "expected_usd": "10.00"}).status_code == 200
    state = client.post(f"{BUDGET}/reset").json()
    assert (state["limit_usd"], state["consumed_usd"]) == ("20", "0")
    kinds = [
        (one["kind"], one["consumed_usd"])
        for one in client.get(f"{BUDGET}/changes").json()["changes"]
    ]
    assert kinds == [("reset", "3"), ("limit", "3"), ("limit", "0")]


def test_a_call_without_a_price_is_listed_and_an_alert_is_acknowledged(client: Client) -> None:
    entry = client.post(COSTS, json={**CALL, "model": "secret"}).json()
    assert entry["cost_usd"] is None
    (line,) = client.get(f"{BUDGET}/unpriced").json()["unpriced"]
    assert (line["model"], line["calls"]) == ("secret", 1)
    client.post(COSTS, json={**CALL, "cost_usd": "99"})
    (alert,) = client.get(f"{BUDGET}/alerts").json()["alerts"]
    (seen,) = client.post(f"{BUDGET}/alerts/{alert['id']}/acknowledge").json()["alerts"]
    assert (alert["acknowledged"], seen["acknowledged"]) == (False, True)
    assert client.post(f"{BUDGET}/alerts/99/acknowledge").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (RESERVATIONS, {"estimated_usd": "-1", "provider": "a", "model": "b"}, "estimated_usd"),
        (RESERVATIONS, {"provider": "a", "model": "b"}, "estimated_usd"),
        (RESERVATIONS, {"estimated_usd": "1", "model": "b"}, "provider"),
        (COSTS, {**CALL, "tokens_input": -1}, "tokens_input"),
        (COSTS, {**CALL, "tokens_input": 1.5}, "tokens_input"),
        (COSTS, {**CALL, "span_id": "x"}, "trace_id"),
        (COSTS, {**CALL, "cost_usd": "free"}, "cost_usd"),
        (COSTS, {**CALL, "usage": {"cache_read_tokens": -1}}, "usage.cache_read_tokens"),
        (COSTS, {**CALL, "occurred_at": "2026-01-01T00:00:00"}, "occurred_at"),
        (COSTS, [], "(all)"),
    ],
)
def test_a_fault_is_named_by_its_field(client: Client, path: str, body: Any, field: str) -> None:
    answer = client.post(path, json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_sixty_four_callers_get_exactly_what_there_is(client: Client) -> None:
    client.put(BUDGET, json={"limit_usd": "1"})
    url = str(client.base_url)

    def work(number: int) -> list[str]:
        decisions: list[str] = []
        with httpx.Client(base_url=url, timeout=60) as mine:
            for _ in range(3):
                held = reserve(mine, "0.0123").json()  # type: ignore[arg-type]
                decisions.append(held["decision"])
                if held["decision"] == "allow" and number % 2:
                    path = f"{RESERVATIONS}/{held['reservation_id']}/settle"
                    body = {"tokens_input": 1, "tokens_output": 1, "cost_usd": "0.0123"}
                    assert mine.post(path, json=body).status_code == 201
        return decisions

    with ThreadPoolExecutor(64) as pool:
        decisions = [one for found in pool.map(work, range(64)) for one in found]
    assert len(decisions) == 192, "everybody gets an answer"
    # 81 fit; a settled one gives nothing back, because its cost is its estimate. The breaker stops at 95 % consumed.
    found = client.get(BUDGET).json()
    total = float(found["consumed_usd"]) + float(found["held_usd"])
    assert round(total / 0.0123) == decisions.count("allow") <= 81
    assert found["breaker"] or decisions.count("allow") == 81
    agreed(client)


def test_who_spends_with_a_key_cannot_raise_the_limit_with_it(client: Client) -> None:
    from cynic.base import clock, ids

    with client.app.state.memory.connection() as conn:
        texts = {
            scope: keys.create(
                conn, scope, scope, randomness=bytes([number]) * 32, new_id=ids.new_uuid(), now=clock.now(), expires_at=None
            )[1]
            for number, scope in enumerate(("write", "admin"))
        }  # fmt: skip
    heads = {scope: {"X-API-Key": text} for scope, text in texts.items()}
    for _ in range(200):
        if client.get(BUDGET).status_code == 401:
            break
        subprocess.run(["sleep", "0.02"], check=True)
    for method, path, body in (
        ("PUT", BUDGET, {"limit_usd": "9"}),
        ("POST", f"{BUDGET}/reset", {}),
    ):
        refused = client.request(method, path, json=body, headers=heads["write"])
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert client.request(method, path, json=body, headers=heads["admin"]).status_code == 200
    assert reserve(client, "1", **heads["write"]).status_code == 201
