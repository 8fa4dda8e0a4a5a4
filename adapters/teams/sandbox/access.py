"""Authentication, rate limit and error responses of the Teams stand-in's Graph."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from flask import Response, jsonify, request

from adapters.teams.sandbox.state import State

View = Callable[..., Any]

PER_SECOND = 4


def error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    answer = jsonify({"error": {"code": code, "message": message, "innerError": {}}})
    answer.status_code = status
    answer.headers.update(headers or {})
    return answer


def who(state: State) -> str | None:
    """ "user" or "app", by the request's token; None if the token is missing, unknown or expired."""
    kind, until = state.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "), (None, None))
    return kind if until and until > state.clock.now() and not state.forbidden else None


def throttled(state: State) -> Response | None:
    """Returns a 429 above four requests a second from one app on one channel, else None."""
    if not state.rate_limited:
        return None
    now = state.clock.now()
    state.recent = [t for t in state.recent if now - t < timedelta(seconds=1)]
    if len(state.recent) >= PER_SECOND:
        headers = {} if state.omit_retry_after else {"Retry-After": "1"}
        return error(429, "TooManyRequests", "Request limit of 4 per second was exceeded.", headers)
    state.recent.append(now)
    return None


def guarded(state: State, app_may: bool = True) -> Callable[[View], View]:
    """Checks token, channel and rate limit before a route, in Graph's order. app_may: an application's token is
    enough."""

    def wrap(view: View) -> View:
        @wraps(view)
        def inner(team: str, channel: str = "", **rest: Any) -> Any:
            kind = who(state)
            if kind is None:
                return error(401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
            if kind == "app" and not app_may:
                words = "Missing role permissions on the request. API requires one of 'Teamwork.Migrate.All'."
                return error(403, "Forbidden", words)
            if team != state.team or (channel and channel != state.channel):
                return error(404, "NotFound", "No team or channel found with the given id.")
            return throttled(state) or view(**rest)

        return inner

    return wrap
