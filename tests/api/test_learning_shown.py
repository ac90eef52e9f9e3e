"""Learning over HTTP: feedback shows in what the loops know, without anybody asking for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from conftest_api import JUDGMENTS, body

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Client

PATIENCE_SECONDS = 30


def wait_for(look: Callable[[], Any], wanted: object) -> None:
    """Look until it is so."""
    end = time.monotonic() + PATIENCE_SECONDS
    while (seen := look()) != wanted:
        assert time.monotonic() < end, seen
        time.sleep(0.02)


def loops(client: Client) -> dict[str, Any]:
    return {loop["loop"]: loop for loop in client.get("/api/v1/learning").json()["loops"]}


def test_nothing_learned_shows_as_nothing(client: Client) -> None:
    found = client.get("/api/v1/learning").json()
    assert [loop["loop"] for loop in found["loops"]] == [
        *("thompson", "dog-votes", "q-learning", "calibration", "residual", "emergence"),
        *("ewc", "dpo", "sona", "behavior", "meta-cognition"),
    ]
    assert all(loop["state"].startswith("not enough data yet (0 of ") for loop in found["loops"])
    assert client.get("/api/v1/calibration").json() == {
        "days": 30,
        "n": 0,
        "curve": [],
        "ece": None,
        "brier": None,
        "recalibration": None,
    }
    assert client.get("/api/v1/calibration", params={"days": 91}).status_code == 422


def test_feedback_shows_and_the_changed_mind_replaces_it(client: Client) -> None:
    judged = client.post(JUDGMENTS, json=body(probability=0.75)).json()["judgment_id"]
    answer = f"{JUDGMENTS}/{judged}/feedback"
    for outcome, right in (("correct", 1), ("incorrect", 0)):
        assert client.post(answer, json={"outcome": outcome}).status_code == 201
        wait_for(
            lambda: loops(client)["calibration"]["detail"]["kinds"],
            {"code": {"pass": {"right": right, "wrong": 1 - right, "probability": None}}},
        )
    found = loops(client)
    assert found["dog-votes"]["detail"]["dogs"]["Sage"] == {"right": 0, "wrong": 1, "weight": None}
    assert found["q-learning"]["last_change"]["judgment_id"] == judged
    assert found["q-learning"]["last_change"]["event"] == "correction"
    shown = client.get("/api/v1/calibration").json()
    assert (shown["n"], shown["curve"]) == (
        1,
        [{"bucket": 7, "count": 1, "mean_p": 0.75, "hit_rate": 0.0, "gap": 0.75}],
    )
    assert shown["ece"]["value"] == pytest.approx(0.75)
    assert (shown["ece"]["low"], shown["ece"]["high"]) == (None, None), "one row has no interval"
    assert shown["brier"]["score"] == pytest.approx(0.5625)
    assert shown["brier"]["skill"] is None


def test_after_thirty_answers_the_running_service_is_calibrated(client: Client) -> None:
    for number in range(30):
        judged = client.post(JUDGMENTS, json=body()).json()["judgment_id"]
        outcome = "correct" if number % 2 else "incorrect"
        client.post(f"{JUDGMENTS}/{judged}/feedback", json={"outcome": outcome})
    wait_for(lambda: loops(client)["calibration"]["state"], "learning")
    # A half, and no more the whole share of the votes.
    wait_for(lambda: client.post(JUDGMENTS, json=body()).json()["confidence"], 0.309)
