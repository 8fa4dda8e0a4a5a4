"""Shared by all routes of the stand-in Jira: authentication, rate limits, error responses, pagination, request
bodies."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from flask import Flask, Response, jsonify, request

from adapters.jira.sandbox.state import Refusal, State

Json = Any
BURST = (100, 1.0)
"""(requests, seconds): the burst limit of one account."""

ISSUE_LIMITS = ((20, 2.0), (100, 30.0))
"""(writes, seconds): the limits on writes to one issue."""

MAIL = "bot@example.com"

View = TypeVar("View", bound=Callable[..., Any])


def routes(app: Flask) -> Callable[..., Callable[[View], View]]:
    """The decorator for a route below /rest/api/<version>: (rule, method)."""

    def route(rule: str, method: str = "GET") -> Callable[[View], View]:
        def register(view: View) -> View:
            path = f"/rest/api/<int:version>/{rule}"
            app.add_url_rule(path, endpoint=f"{method} {rule}", view_func=view, methods=[method])
            return view

        return register

    return route


def guard(app: Flask, state: State) -> None:
    """Registers the checks that run before every route, and the error response for a `Refusal`."""

    @app.before_request
    def check() -> Response | None:
        parts = request.path.split("/")
        version = (
            int(parts[3])
            if request.path.startswith("/rest/api/") and parts[3].isascii() and parts[3].isdecimal()
            else 2
        )
        if request.path == "/oauth/token":
            return None
        if version == 3 and not state.cloud:
            return answer(Refusal(404, "null for uri"))
        if not _known(state):
            return answer(Refusal(401, "Client must be authenticated to access this resource."))
        return _throttled(state)

    @app.errorhandler(Refusal)
    def refused(refusal: Refusal) -> Response:
        return answer(refusal)


def _known(state: State) -> bool:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme == "Bearer":
        return value in state.tokens
    if scheme != "Basic" or not state.cloud:
        return False
    try:
        mail, _, token = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return False
    return mail == MAIL and token in state.tokens


def _throttled(state: State) -> Response | None:
    """Applies the burst limit and the limits on writes to one issue. A 429 gives the wait in seconds (`Retry-After`)
    and the time when the limit ends (`X-RateLimit-Reset`)."""
    if not state.rate_limited:
        return None
    now = state.clock.now()
    parts = request.path.split("/")
    writes = request.method in ("POST", "PUT", "DELETE") and len(parts) > 5 and parts[4] == "issue"
    queues: list[tuple[deque[datetime], tuple[tuple[int, float], ...]]] = [(state.requests_at, (BURST,))]
    if writes:
        queues.append((state.writes.setdefault(parts[5], deque()), ISSUE_LIMITS))
    for times, limits in queues:
        for count, seconds in limits:
            if sum(1 for t in times if (now - t).total_seconds() < seconds) >= count:
                until = now + timedelta(seconds=seconds)
                headers = {
                    "Retry-After": str(int(seconds) or 1),
                    "X-RateLimit-Limit": str(count),
                    "X-RateLimit-Remaining": "0",
                    "X-RateLimit-Reset": until.strftime("%Y-%m-%dT%H:%MZ"),
                    "RateLimit-Reason": "jira-per-issue-on-write"
                    if times is not state.requests_at
                    else "jira-burst-based",
                }
                return answer(Refusal(429, "Rate limit exceeded."), headers)
    for times, limits in queues:
        times.append(now)
        while (now - times[0]).total_seconds() > limits[-1][1]:
            times.popleft()
    return None


def read_page() -> tuple[int, int]:
    return request.args.get("startAt", 0, type=int), min(request.args.get("maxResults", 50, type=int), 100)


def read_body() -> dict[str, Json]:
    found = request.get_json(silent=True)
    if not isinstance(found, dict):
        raise Refusal(400, "There was an error parsing JSON. Check that your request body is valid.")
    return found


def answer(refusal: Refusal, headers: Mapping[str, str] | None = None) -> Response:
    """Jira's error response for this refusal."""
    response = jsonify(refusal.body())
    response.status_code = refusal.status
    response.headers.update(headers or {})
    return response
