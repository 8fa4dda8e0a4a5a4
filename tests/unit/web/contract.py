"""A client of the API that checks every answer against the hub's own OpenAPI document."""

from __future__ import annotations

import re
from typing import Any

from jsonschema import Draft202012Validator
from werkzeug.test import Client, TestResponse

from hub.sync.hub import Hub
from hub.web.app import create_app


def strict(schema: Any) -> Any:
    """The same schema, without undescribed properties."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {"additionalProperties": False} if isinstance(schema.get("properties"), dict) else {}
    return {**closed, **{key: strict(value) for key, value in schema.items()}}


class Checked:
    """Calls operations of the document; an answer that it does not describe, or with further properties, fails the test."""

    def __init__(self, hub: Hub) -> None:
        self.client: Client = create_app(hub).test_client()
        self.document: dict[str, Any] = self.client.get("/api/openapi.json").json  # type: ignore[assignment]
        self.seen: set[tuple[str, str, int]] = set()

    def __call__(self, method: str, path: str, **request: Any) -> TestResponse:
        answer = self.client.open(f"/api/v1{path}", method=method, **request)
        template, operation = self._operation(method, f"/api/v1{path.partition('?')[0]}")
        described = operation["responses"].get(str(answer.status_code))
        assert described, f"{method} {template} answered {answer.status_code}, which is not documented: {answer.text}"
        if "$ref" in described:
            described = self.document["components"]["responses"][described["$ref"].rpartition("/")[2]]
        content = described.get("content", {})
        assert answer.mimetype in content, f"{method} {template}: {answer.mimetype} is not documented"
        schema = {**content[answer.mimetype]["schema"], "components": strict(self.document["components"])}
        Draft202012Validator(schema).validate(answer.json)
        for header in described.get("headers", {}):
            assert header in answer.headers, f"{method} {template}: no {header}"
        self.seen.add((method, template, answer.status_code))
        return answer

    def _operation(self, method: str, path: str) -> tuple[str, dict[str, Any]]:
        for template, item in self.document["paths"].items():
            if re.fullmatch(re.sub(r"{\w+}", "[^/]*", template), path) and method.lower() in item:
                return template, item[method.lower()]
        raise AssertionError(f"{method} {path} is not in the document")
