"""What every request to the PagerDuty stand-in goes through: is it admitted, who sends it, what does it name, how is a list
cut into pages, and what an error looks like."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from flask import Response, request

from adapters.pagerduty.sandbox_shapes import Incident, Shape, rest_incident

if TYPE_CHECKING:
    from adapters.pagerduty.sandbox import PagerDutySandbox

LIMIT, EVENTS_LIMIT, PER = 960, 120, 60.0
"""Requests of the REST API and of the Events API, in so many seconds."""


class Problem(Exception):
    """An error answer: `{"error": {"code", "message", "errors"}}`."""

    def __init__(self, status: int, code: int, message: str, *errors: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": code, "message": message, "errors": list(errors)}}


def invalid(*errors: str) -> Problem:
    return Problem(400, 2001, "Invalid Input Provided", *errors)


def answer(body: Any, status: int = 200) -> Response:
    text = "" if body is None else json.dumps(body)
    return Response(text, status=status, content_type="application/json; charset=utf-8")


class Desk:
    """What the routes share."""

    def __init__(self, box: PagerDutySandbox) -> None:
        self.box = box

    def sender(self) -> str:
        """The id of the user that `From` names."""
        email = request.headers.get("From")
        if not email:
            raise Problem(
                400, 1008, "Requester User Not Found", "The From header is required and must be a valid user's email"
            )
        for user in self.box.users.values():
            if user.email.lower() == email.lower():
                return user.id
        raise Problem(400, 1008, "Requester User Not Found", f"No user of this account has the email {email}")

    def body(self, name: str) -> Shape:
        sent = request.get_json(silent=True)
        found = sent.get(name) if isinstance(sent, dict) else None
        if not isinstance(found, dict):
            raise invalid(f"{name} cannot be empty")
        return found

    def incident(self, id: str) -> Incident:
        found = self.box.incidents.get(id)
        if found is None and id.isascii() and id.isdecimal():
            found = next((i for i in self.box.incidents.values() if i.number == int(id)), None)
        if found is None or found.id in self.box.hidden:
            raise Problem(404, 2100, "Not Found")
        return found

    def shown(self, incident: Incident) -> Shape:
        return rest_incident(incident, self.box.users, self.box.services, self.box.priorities)

    def page(self, name: str, items: Sequence[Any], show: Callable[[Any], Any] = lambda item: item) -> Shape:
        """The page that was asked for; only its own items are shown."""
        try:
            limit, offset = min(int(request.args.get("limit", 25)), 100), int(request.args.get("offset", 0))
        except ValueError:
            raise invalid("limit and offset must be integers") from None
        if limit < 1 or offset < 0 or limit + offset > 10_000:
            raise invalid("Offset plus limit must be at most 10000")
        cut = [show(item) for item in items[offset : offset + limit]]
        return {name: cut, "limit": limit, "offset": offset, "more": offset + limit < len(items), "total": None}

    def since(self) -> datetime | None:
        value = request.args.get("since")
        if not value:
            return None
        try:
            return datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            raise invalid("since is not a time") from None


class Gate:
    """Before and after every request: credentials, rate limit, headers."""

    def __init__(self, box: PagerDutySandbox) -> None:
        self.box = box
        self._window = box.clock.now()
        self._count = 0
        self._events_count = 0

    def admit(self) -> Response | None:
        """Who asks, and is it too much?"""
        now = self.box.clock.now()
        if (now - self._window).total_seconds() >= PER:
            self._window, self._count, self._events_count = now, 0, 0
        if request.path == "/v2/enqueue":
            self._events_count += 1
            if self.box.rate_limited and self._events_count > EVENTS_LIMIT:
                return answer(
                    {"status": "throttle exceeded", "message": "Requests for this service are arriving too quickly"},
                    429,
                )
            return None
        if request.headers.get("Authorization") != f"Token token={self.box.token}":
            return answer(Problem(401, 2006, "You are not authorized to perform this action.").body, 401)
        self._count += 1
        if self.box.rate_limited and self._count > LIMIT:
            if self.box.bare_throttle:
                return Response(b"", status=429)
            return answer(Problem(429, 2020, "Rate Limit Exceeded").body, 429)
        return None

    def stamp(self, response: Response) -> Response:
        """`Date`, and the rate limit's headers (`ratelimit-reset`: seconds, not an epoch)."""
        response.headers["Date"] = format_datetime(self.box.clock.now(), usegmt=True)
        bare = response.status_code == 429 and self.box.bare_throttle
        if request.path != "/v2/enqueue" and not bare:
            spent = (self.box.clock.now() - self._window).total_seconds()
            response.headers["ratelimit-limit"] = str(LIMIT)
            response.headers["ratelimit-remaining"] = str(max(0, LIMIT - self._count))
            response.headers["ratelimit-reset"] = str(max(1, int(PER - spent)))
        return response


def run(act: Callable[..., Any], **path: str) -> Response:
    """One route's act; its Problem is the answer."""
    try:
        result = act(**path)
    except Problem as problem:
        return answer(problem.body, problem.status)
    return result if isinstance(result, Response) else answer(result)
