"""The description of the service: checked in, true, and no request that follows it makes the service fall over."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from conftest_api import body
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from cynic.api.models import FeedbackBody, JudgmentBody
from cynic.domains.dogs.pack import DOGS
from cynic.flows.submission import OUTCOMES, InvalidFieldError, read_feedback, read_judgment

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from conftest import Client

OPERATIONS = {
    ("POST", "/api/v1/judgments"),
    ("POST", "/api/v1/judgments:batch"),
    ("GET", "/api/v1/judgments"),
    ("GET", "/api/v1/judgments/{judgment_id}"),
    ("POST", "/api/v1/judgments/{judgment_id}/feedback"),
    ("GET", "/api/v1/judgments:stream"),
    ("GET", "/api/v1/learning"),
    ("GET", "/api/v1/calibration"),
    ("GET", "/api/v1/sessions"),
    ("GET", "/api/v1/sessions/{session_id}"),
    ("GET", "/api/v1/traces"),
    ("GET", "/api/v1/traces/{trace_id}"),
    ("GET", "/api/v1/traces/{trace_id}/spans/{span_id}"),
    ("GET", "/api/v1/usage"),
    ("GET", "/api/v1/usage/hourly"),
    ("GET", "/api/v1/usage/store"),
    ("POST", "/api/v1/hooks/claude-code"),
    ("GET", "/api/v1/budget"),
    ("PUT", "/api/v1/budget"),
    ("POST", "/api/v1/budget/reset"),
    ("POST", "/api/v1/budget/reservations"),
    ("POST", "/api/v1/budget/reservations/{reservation_id}/settle"),
    ("POST", "/api/v1/budget/reservations/{reservation_id}/release"),
    ("POST", "/api/v1/costs"),
    ("GET", "/api/v1/budget/unpriced"),
    ("GET", "/api/v1/budget/alerts"),
    ("POST", "/api/v1/budget/alerts/{alert_id}/acknowledge"),
    ("GET", "/api/v1/budget/changes"),
    ("GET", "/api/v1/tables"),
    ("GET", "/api/v1/tables/{table}"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
}


def test_every_operation_is_described(client: Client) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    found = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert found >= OPERATIONS
    text = json.dumps(document)
    names = {reference.removeprefix("#/components/schemas/") for reference in _references(document)}
    assert names <= set(document["components"]["schemas"]), text[:200]


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [r for value in node.values() for r in _references(value)]
    if isinstance(node, list):
        return [r for value in node for r in _references(value)]
    return []


def test_no_generated_request_is_a_fault_of_ours(client: Client) -> None:
    document = client.get("/openapi.json").json()
    del document["paths"]["/api/v1/judgments:stream"]  # it does not end
    schema = schemathesis.openapi.from_dict(document)
    schema.config.base_url = str(client.base_url)
    seen: dict[str, set[int]] = {}
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            strategy = operation.as_strategy(generation_mode=mode)

            @settings(
                max_examples=40,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(case=strategy)
            def call(case: Any) -> None:
                answer = case.call()
                seen.setdefault(case.operation.label, set()).add(answer.status_code)
                assert answer.status_code < 500, (answer.status_code, answer.text)

            # An operation without parameters has no wrong way to be called.
            with suppress(
                *([Unsatisfiable] if mode is schemathesis.GenerationMode.NEGATIVE else [])
            ):
                call()
    assert len(seen) >= 9
    assert client.post("/api/v1/judgments", json=body()).status_code == 201
    assert client.get("/readyz").status_code == 200


VALUES = st.none() | st.sampled_from([True, -1, 0, 0.5, 101, "x", "", "a" * 65, [], {}])
NAMES = st.sampled_from(["ada", "\u00e9\U0001f415", "a" * 64, "a" * 65, "", None, "\0", 5])
VOTES = st.lists(
    st.fixed_dictionaries(
        {"dog": st.sampled_from([*DOGS, "Rex"]), "score": st.sampled_from([0, 0.5, 1, 1.01])},
        optional={
            "confidence": st.sampled_from([0, 0.618, 0.619, None]),
            "veto": st.booleans(),
            "reasoning": NAMES,
        },
    ),
    min_size=1,
    max_size=2,
)
JUDGED = st.fixed_dictionaries(
    {"item_type": st.just("code"), "item_content": st.just("x") | NAMES, "votes": VOTES},
    optional={
        "user": NAMES,
        "dimensions": st.dictionaries(
            st.sampled_from(["COHERENCE", "BEAUTY"]), st.floats(-1, 101) | VALUES, max_size=1
        ),
        "confidence": st.sampled_from([0, 0.618, 0.619, None]),
        "judgment_id": NAMES,
    },
)
ANSWERED = st.fixed_dictionaries(
    {"outcome": st.sampled_from([*OUTCOMES, "right"])},
    optional={"actual_score": VALUES, "user": VALUES},
)


@pytest.mark.parametrize(
    ("model", "read", "documents"),
    [(JudgmentBody, read_judgment, JUDGED), (FeedbackBody, read_feedback, ANSWERED)],
    ids=["judgment", "feedback"],
)
def test_the_service_takes_nothing_that_the_description_refuses(
    model: type[BaseModel],
    read: Callable[[object], object],
    documents: st.SearchStrategy[Any],
) -> None:
    taken = 0

    @settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
    @given(documents)
    def check(document: Any) -> None:
        nonlocal taken
        try:
            read(document)
        except InvalidFieldError:
            return
        taken += 1
        model.model_validate(document)

    check()
    assert taken > 10
