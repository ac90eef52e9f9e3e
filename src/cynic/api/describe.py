"""OpenAPI descriptions that the handlers share: bodies that are read by hand, and problem documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from cynic.api.budget_models import BODIES as BUDGET_BODIES
from cynic.api.models import ClaudeCodeEvent, FeedbackBody, JudgmentBody, Problem

if TYPE_CHECKING:
    from fastapi import FastAPI

_REFERENCE = "#/components/schemas/{model}"
BODIES: tuple[type, ...] = (JudgmentBody, FeedbackBody, ClaudeCodeEvent, *BUDGET_BODIES)


def json_body(model: Any, *, also: str | None = None) -> dict[str, Any]:
    """Describe a request body that the handler reads by itself."""
    schema = TypeAdapter(model).json_schema(ref_template=_REFERENCE)
    schema.pop("$defs", None)
    kinds = ["application/json", *([also] if also else [])]
    if not hasattr(model, "__origin__"):
        schema = {"$ref": _REFERENCE.format(model=model.__name__)}
    return {
        "requestBody": {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}
    }


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the errors that an operation may answer with."""
    described: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        described[status] = {
            "description": _MEANING[status],
            "content": {
                "application/problem+json": {
                    "schema": {"$ref": _REFERENCE.format(model=Problem.__name__)}
                }
            },
        }
    return described


def complete(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the schemas of bodies that FastAPI does not see."""
    if app.openapi_schema is None:
        from fastapi.openapi.utils import get_openapi

        document = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=app.routes
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for model in (*BODIES, Problem):
            found = TypeAdapter(model).json_schema(ref_template=_REFERENCE)
            schemas.update(found.pop("$defs", {}))
            schemas[model.__name__] = found
        _describe_keys(document)
        app.openapi_schema = document
    return app.openapi_schema


def _describe_keys(document: dict[str, Any]) -> None:
    """Where authentication is on, every operation but the health checks asks for a key."""
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    for path, operations in document["paths"].items():
        for operation in operations.values() if path.startswith("/api/") else ():
            operation["security"] = [{}, {"bearer": []}, {"header": []}]
            operation["responses"] |= {str(s): one for s, one in problems(401, 403).items()}


_MEANING = {
    400: "the body cannot be read",
    401: "no API key, or not a valid one",
    403: "the API key's scope does not cover this",
    404: "there is no such thing",
    409: "it contradicts what is recorded",
    413: "too large",
    422: "a field breaks a rule",
    503: "the database is busy or does not answer; try again after Retry-After seconds",
}
