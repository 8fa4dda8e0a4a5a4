"""The OpenAPI 3.1 document of the JSON API, made from the same table of operations as its routes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

import hub
from hub.store.tokens import SCOPES
from hub.web.operations import MAX_BODY, PREFIX, SEGMENTS, Operation
from hub.web.problems import TYPE, ProblemDetails, phrase

FAILS: Mapping[int, str] = {
    400: "The body is not JSON.",
    401: "There is no token, or it is unknown, expired or revoked.",
    403: "The token lacks the scope.",
    404: "It does not exist.",
    409: "The current state does not allow it, or the object changed since it was read; `detail` says which.",
    413: f"The body is larger than {MAX_BODY // 1024} KiB.",
    415: "The body is not `application/json`.",
    422: "A value is invalid; `field` says which, `detail` why.",
    429: "Too many wrong tokens from this address; `Retry-After` says how many seconds to wait.",
    503: "The hub cannot reach its database; nothing was changed. Repeat after `Retry-After` seconds.",
}


@cache
def document(operations: tuple[Operation, ...], base_url: str = "") -> dict[str, Any]:
    """The document as JSON. base_url: of the hub; "" = the host that served the document."""
    refs, schemas = _schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(PREFIX + operation.path, {})[operation.method.lower()] = _operation(operation, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lockstep",
            "version": hub.__version__,
            "summary": "Incidents that are synchronised between vendors, and their journal.",
            "description": "Times are ISO 8601, UTC. Scopes of a token, each including those before it: "
            + ", ".join(SCOPES),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": base_url.rstrip("/") or "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": {name: _plain(schema) for name, schema in schemas.items()},
            "responses": {str(status): _failure(status, description, refs) for status, description in FAILS.items()},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token made by `lockstep token create`."}
            },
        },
    }


Refs = Mapping[Any, dict[str, Any]]
"""Model → reference to its schema."""


def _schemas(operations: Sequence[Operation]) -> tuple[Refs, dict[str, Any]]:
    used: dict[type[BaseModel], JsonSchemaMode] = {ProblemDetails: "validation"}
    for operation in operations:
        used.update((model, "validation") for model in (operation.body, operation.answer) if model)
    wanted = list(used.items())
    refs, described = models_json_schema(wanted, ref_template="#/components/schemas/{model}")
    return {model: ref for (model, _), ref in refs.items()}, described["$defs"]


def _operation(operation: Operation, refs: Refs) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _name(operation),
        "summary": operation.words,
        "description": f"Needs a token with the scope `{operation.scope}`.",
        "tags": [operation.tag],
        "parameters": [*_segments(operation), *_query(operation)],
        "responses": {str(operation.status): _success(operation, refs)}
        | {str(status): {"$ref": f"#/components/responses/{status}"} for status in operation.statuses},
    }
    if operation.body:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": refs[operation.body]}}}
    return described


def _name(operation: Operation) -> str:
    """`POST /incidents/{ref}/comments` → `post_incidents_ref_comments`"""
    parts = operation.path.replace("{", "").replace("}", "").replace("-", "_").strip("/").split("/")
    return "_".join([operation.method.lower(), *parts])


def _success(operation: Operation, refs: Refs) -> dict[str, Any]:
    success: dict[str, Any] = {"description": phrase(operation.status), "headers": {"X-Request-Id": _REQUEST_ID}}
    if operation.answer:
        success["content"] = {"application/json": {"schema": refs[operation.answer]}}
    return success


_REQUEST_ID = {"description": "Names this request in the hub's log.", "schema": {"type": "string"}}
_SECONDS = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
_HEADERS: Mapping[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"description": "The required authentication.", "schema": {"type": "string"}}},
    429: {"Retry-After": _SECONDS},
    503: {"Retry-After": _SECONDS},
}


def _failure(status: int, description: str, refs: Refs) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {"X-Request-Id": _REQUEST_ID, **_HEADERS.get(status, {})},
        "content": {TYPE: {"schema": refs[ProblemDetails]}},
    }


def _segments(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": SEGMENTS[name].words,
            "schema": {"type": "string", "pattern": SEGMENTS[name].pattern},
        }
        for name in operation.segments
    ]


def _query(operation: Operation) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    properties = operation.query.model_json_schema()["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "description": schema.get("description", ""),
            "schema": _plain({k: v for k, v in _not_null(schema).items() if k != "description"}),
        }
        for name, schema in properties.items()
    ]


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without null: in a query, a parameter is left out instead."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else schema


def _plain(schema: Any) -> Any:
    """The schema without redundant entries: titles made from names, and "default: null" for optional values. Adds that
    a map's name that does not match the pattern is refused, which pydantic enforces and does not state in its
    schema."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    plain: dict[str, Any] = {"additionalProperties": False} if "patternProperties" in schema else {}
    for key, value in schema.items():
        if key == "properties":
            plain[key] = {name: _plain(one) for name, one in value.items()}
        elif not (key == "title" and isinstance(value, str)) and not (key == "default" and value is None):
            plain[key] = _plain(value)
    return plain
