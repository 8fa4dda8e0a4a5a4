"""Error responses: RFC 9457 problem details for every error, never with a stack trace."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import BaseModel, Field
from werkzeug.http import HTTP_STATUS_CODES

TYPE = "application/problem+json"

RETRY_AFTER = 5
"""Seconds after which a request that was answered 503 may be repeated."""


class ProblemDetails(BaseModel):
    """RFC 9457. `field` is the place of the error in the request, if it has one: `body.fields.title`, `query.limit`."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Unprocessable Entity"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["must be one of: SEV1, SEV2, SEV3, SEV4, SEV5"])
    request_id: str = Field(description="As in the header X-Request-Id and in the hub's log.")
    field: str | None = Field(None, description="The place of the error, if it is in the request.")


class Problem(Exception):
    """Ends a request with this status. detail: for a person, without secrets; field: the place in the request."""

    def __init__(
        self, status: int, detail: str, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.field = field
        self.headers = dict(headers or {})


def unavailable(detail: str) -> Problem:
    """503 with Retry-After: the hub cannot do it now; senders of webhooks repeat the request."""
    return Problem(503, detail, headers={"Retry-After": str(RETRY_AFTER)})


def phrase(status: int) -> str:
    """The reason phrase of a status."""
    return HTTP_STATUS_CODES.get(status, "Unknown")


def render(problem: Problem, request_id: str) -> bytes:
    """The body of the answer."""
    document: dict[str, object] = {
        "type": "about:blank",
        "title": phrase(problem.status),
        "status": problem.status,
        "detail": problem.detail,
        "request_id": request_id,
    }
    if problem.field is not None:
        document["field"] = problem.field
    return json.dumps(document).encode()
