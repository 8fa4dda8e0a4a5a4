"""What the PagerDuty stand-in does before and after every request: credentials, rate limit, response headers."""

from __future__ import annotations

from email.utils import format_datetime

from flask import Response, request

from adapters.pagerduty.sandbox.routing import Problem, answer
from adapters.pagerduty.sandbox.state import State

LIMIT, EVENTS_LIMIT, PER = 960, 120, 60.0
"""Requests allowed to the REST API and to the Events API in one window of `PER` seconds."""


class Access:
    """Checks credentials and counts requests against the rate limit of one stand-in."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._window = state.clock.now()
        self._count = 0
        self._events_count = 0

    def admit(self) -> Response | None:
        """Returns the response that refuses the request, or None if it is admitted."""
        now = self.state.clock.now()
        if (now - self._window).total_seconds() >= PER:
            self._window, self._count, self._events_count = now, 0, 0
        if request.path == "/v2/enqueue":
            self._events_count += 1
            if self.state.rate_limited and self._events_count > EVENTS_LIMIT:
                return answer(
                    {"status": "throttle exceeded", "message": "Requests for this service are arriving too quickly"},
                    429,
                )
            return None
        if request.headers.get("Authorization") != f"Token token={self.state.token}":
            return answer(Problem(401, 2006, "You are not authorized to perform this action.").body, 401)
        self._count += 1
        if self.state.rate_limited and self._count > LIMIT:
            if self.state.bare_throttle:
                return Response(b"", status=429)
            return answer(Problem(429, 2020, "Rate Limit Exceeded").body, 429)
        return None

    def stamp(self, response: Response) -> Response:
        """Adds `Date` and the rate limit's headers (`ratelimit-reset` is in seconds from now, not an epoch time)."""
        response.headers["Date"] = format_datetime(self.state.clock.now(), usegmt=True)
        bare = response.status_code == 429 and self.state.bare_throttle
        if request.path != "/v2/enqueue" and not bare:
            spent = (self.state.clock.now() - self._window).total_seconds()
            response.headers["ratelimit-limit"] = str(LIMIT)
            response.headers["ratelimit-remaining"] = str(max(0, LIMIT - self._count))
            response.headers["ratelimit-reset"] = str(max(1, int(PER - spent)))
        return response
