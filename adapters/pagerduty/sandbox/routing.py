"""Shared by the routes of the PagerDuty stand-in: error responses, the requesting user, look-ups by id, and
pagination."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from flask import Response, request

from adapters.pagerduty.sandbox.payloads import rest_incident
from adapters.pagerduty.sandbox.state import Incident, Payload, State

Route = tuple[str, str, Callable[..., Any]]
"""(method, path, handler). The handler returns a body or a response, or raises Problem."""


class Problem(Exception):
    """An error response: `{"error": {"code", "message", "errors"}}`."""

    def __init__(self, status: int, code: int, message: str, *errors: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": code, "message": message, "errors": list(errors)}}


def invalid(*errors: str) -> Problem:
    return Problem(400, 2001, "Invalid Input Provided", *errors)


def answer(body: Any, status: int = 200) -> Response:
    text = "" if body is None else json.dumps(body)
    return Response(text, status=status, content_type="application/json; charset=utf-8")


class Routes:
    """Base of the route classes: the requesting user, look-ups by id, and one page of a list."""

    def __init__(self, state: State) -> None:
        self.state = state

    def sender(self) -> str:
        """The id of the user whose email is in the `From` header. Raises Problem if there is none."""
        email = request.headers.get("From")
        if not email:
            raise Problem(
                400, 1008, "Requester User Not Found", "The From header is required and must be a valid user's email"
            )
        for user in self.state.users.values():
            if user.email.lower() == email.lower():
                return user.id
        raise Problem(400, 1008, "Requester User Not Found", f"No user of this account has the email {email}")

    def body(self, name: str) -> Payload:
        sent = request.get_json(silent=True)
        found = sent.get(name) if isinstance(sent, dict) else None
        if not isinstance(found, dict):
            raise invalid(f"{name} cannot be empty")
        return found

    def incident(self, id: str) -> Incident:
        found = self.state.incidents.get(id)
        if found is None and id.isascii() and id.isdecimal():
            found = next((i for i in self.state.incidents.values() if i.number == int(id)), None)
        if found is None or found.id in self.state.hidden:
            raise Problem(404, 2100, "Not Found")
        return found

    def shown(self, incident: Incident) -> Payload:
        return rest_incident(incident, self.state.users, self.state.services, self.state.priorities)

    def page(self, name: str, items: Sequence[Any], show: Callable[[Any], Any] = lambda item: item) -> Payload:
        """The page that `limit` and `offset` ask for. `show` is called for the items of this page only."""
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


def run(act: Callable[..., Any], **path: str) -> Response:
    """Runs a route's handler; a Problem that it raises becomes the response."""
    try:
        result = act(**path)
    except Problem as problem:
        return answer(problem.body, problem.status)
    return result if isinstance(result, Response) else answer(result)
