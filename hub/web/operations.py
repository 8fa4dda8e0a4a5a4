"""The operations of the JSON API, and their Flask routes.

An `Operation` holds method, path, scope, request, response and error statuses. The route and the part of the OpenAPI
document (`hub.web.openapi`) are both made from it, so that they cannot contradict each other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Request, Response, g, request
from pydantic import BaseModel, ValidationError

from hub import services
from hub.store.faults import COLLIDED, Collision
from hub.sync.hub import Hub
from hub.web import bodies, wording
from hub.web.access import Access
from hub.web.problems import Problem

PREFIX = "/api/v1"

MAX_BODY = 256 * 1024
"""Bytes that the body of a request to the API may have."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A parameter in a path. A value that does not match the pattern is answered 404."""

    pattern: str
    words: str


SEGMENTS: Mapping[str, Segment] = {
    "ref": Segment(
        r"^([Ii][Nn][Cc]-)?[0-9]{1,9}$|^[0-9a-v]{26}$", "An incident: its number (`12`, `INC-12`) or its id."
    ),
    "id": Segment(r"^[0-9a-v]{26}$", "An id."),
    "name": Segment(r"^[a-z0-9][a-z0-9-]{0,79}$", "The name of a connection."),
}


@dataclass(frozen=True, slots=True)
class Call:
    """One validated request. actor: on whose behalf, for the journal."""

    hub: Hub
    actor: str
    path: Mapping[str, str]
    query: Any = None
    body: Any = None


@dataclass(frozen=True, slots=True)
class Operation:
    """method, path: below `PREFIX`, `{segments}` as in `SEGMENTS`. words: its summary in the document. scope: that
    the token must have. status: of the response on success; answer: its body (None = no body). fails: error statuses
    beyond those that every operation may have."""

    method: str
    path: str
    words: str
    act: Callable[[Call], Any]
    tag: str
    scope: str = "read"
    status: int = 200
    answer: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    fails: Sequence[int] = field(default=())

    @property
    def segments(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    @property
    def statuses(self) -> list[int]:
        """Every status that this operation may fail with."""
        fails = {401, 403, 429, 503, *self.fails}
        if self.segments:
            fails.add(404)
        if self.body:
            fails |= {400, 413, 415, 422}
        if self.query:
            fails.add(422)
        return sorted(fails)


def mount(app: Flask, hub: Hub, access: Access, operations: Sequence[Operation]) -> None:
    """Adds a route for each operation."""
    for operation in operations:
        app.add_url_rule(
            PREFIX + operation.path.replace("{", "<").replace("}", ">"),
            endpoint=f"{operation.method} {operation.path}",
            view_func=_view(hub, access, operation),
            methods=[operation.method],
            provide_automatic_options=False,
        )


def _view(hub: Hub, access: Access, operation: Operation) -> Callable[..., Response]:
    def view(**segments: str) -> Response:
        grant = access.require(request, operation.scope)
        g.actor = f"token:{grant.name}"
        for name, value in segments.items():
            if not re.fullmatch(SEGMENTS[name].pattern, value):
                raise Problem(404, f"{value[:60]!a} does not exist; expected here: {SEGMENTS[name].words}")
        query = _checked(operation.query, _query(request, operation.query), "query") if operation.query else None
        body = _checked(operation.body, _body(request), "body") if operation.body else None
        answer = _done(operation, Call(hub, g.actor, segments, query, body))
        if operation.answer is None:
            return Response(status=operation.status)
        return Response(json.dumps(answer), status=operation.status, content_type="application/json")

    return view


def _done(operation: Operation, call: Call) -> Any:
    try:
        return operation.act(call)
    except services.NotFound as e:
        raise Problem(404, str(e)) from None
    except services.Conflict as e:
        raise Problem(409, str(e)) from None
    except services.Invalid as e:
        raise Problem(422, e.words, _place(operation, e.field)) from None
    except Collision:
        raise Problem(409, COLLIDED) from None


def _place(operation: Operation, name: str) -> str:
    """The place in the request of a field that a service refused."""
    known = [where.model_fields if where else {} for where in (operation.query, operation.body)]
    if name in known[0]:
        return f"query.{name}"
    return f"body.fields.{name}" if "fields" in known[1] and name not in known[1] else f"body.{name}"


def _body(request: Request) -> Any:
    if request.mimetype != "application/json":
        raise Problem(415, "send the body as application/json", "header.content-type")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Problem(415, "send the body without a content encoding", "header.content-encoding")
    return bodies.parse(bodies.whole(request.environ, MAX_BODY))


def _query(request: Request, model: type[BaseModel]) -> dict[str, Any]:
    """The query, integers converted as in JSON. Raises Problem 422 for a name that is given twice."""
    found: dict[str, Any] = {}
    for name, values in request.args.lists():
        place = f"query.{ascii(name[:60])[1:-1]}"
        if len(values) > 1:
            raise Problem(422, "is given more than once; give it once", place)
        if fault := bodies.storable(name) or bodies.storable(values[0]):
            raise Problem(422, fault, place)
        found[name] = values[0]
        known = model.model_fields.get(name)
        if known is not None and known.annotation is int and re.fullmatch(r"-?(0|[1-9][0-9]{0,9})", values[0]):
            found[name] = int(values[0])
    return found


def _checked(model: type[BaseModel], value: Any, where: str) -> BaseModel:
    try:
        return model.model_validate(value)
    except ValidationError as e:
        first = e.errors(include_url=False, include_input=False)[0]
        raise Problem(422, wording.words(first), wording.place(where, first)) from None
