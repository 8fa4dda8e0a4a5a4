"""The routes of the stand-in Cachet, with tokens and abilities, the request limit, filters and pagination.

An incident is created invisible to visitors unless the request sets `visible`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from flask import Flask, Response, jsonify, request

from adapters.cachet.sandbox.payloads import document, times, update_resource
from adapters.cachet.sandbox.state import State
from adapters.cachet.sandbox.validation import Rejected, wanted_of

FILTERS = re.compile(
    r"filter\[(name|status|occurs_after|occurs_before|occurs_on|meta|enabled)\](\[(?P<key>[^\]]+)\])?$"
)
MINUTE = timedelta(seconds=60)


def add(app: Flask, state: State) -> None:
    """Registers the routes on the stand-in's application."""

    @app.errorhandler(Rejected)
    def rejected(error: Rejected) -> Response:
        response = _answer(error.body, error.code or 400)
        response.headers.extend(error.extra)
        return response

    @app.errorhandler(404)
    def nothing(error: Any) -> Response:
        return _answer({"message": "The route could not be found."}, 404)

    @app.before_request
    def gate() -> None:
        start, count = state.window
        now = state.clock.now()
        if start is None or now - start >= MINUTE:
            start, count = now, 0
        if state.rate_limited and count >= state.per_minute:
            wait = int((start + MINUTE - now).total_seconds())
            raise Rejected(429, "Too Many Attempts.", Retry_After=str(wait), X_RateLimit_Remaining="0")
        state.window = (start, count + 1)
        if state.protected and _abilities(state) is None:
            raise Rejected(401, "Unauthenticated.")

    _incidents(app, state)
    _updates(app, state)
    _others(app, state)


def _answer(body: Any, status: int = 200) -> Response:
    response = jsonify(body)
    response.status_code = status
    return response


def _route(app: Flask, path: str, *methods: str) -> Callable[[Callable[..., Any]], Any]:
    return app.route(f"/api{path}", methods=list(methods))


def _abilities(state: State) -> frozenset[str] | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return state.tokens.get(token) if scheme == "Bearer" else None


def _may(state: State, ability: str) -> None:
    abilities = _abilities(state)
    if abilities is None:
        raise Rejected(401, "Unauthenticated.")
    if ability not in abilities:
        raise Rejected(403, "This action is unauthorized.")


def _incident(state: State, id: str) -> dict[str, Any]:
    """The incident with this id. Raises a 404 if it does not exist or the caller may not see it."""
    found = state.incidents.get(int(id)) if id.isascii() and id.isdecimal() else None
    if found is None or not _visible(state, found):
        raise Rejected(404, f"No query results for model [Incident] {id}")
    return found


def _visible(state: State, incident: Mapping[str, Any]) -> bool:
    return incident["visible"] == 1 or (incident["visible"] == 0 and _abilities(state) is not None)


def _document(state: State, rows: Any, reading: bool = True) -> dict[str, Any]:
    return document(state, rows, request.args.get("include", ""), reading)


def _paged(rows: list[Any], show: Callable[[list[Any]], dict[str, Any]]) -> Response:
    size = max(1, min(100, request.args.get("per_page", 15, type=int)))
    page = max(1, request.args.get("page", 1, type=int))
    part = rows[(page - 1) * size : page * size]
    more = f"{request.path}?page={page + 1}" if page * size < len(rows) else None
    links = {"first": f"{request.path}?page=1", "last": None, "prev": None, "next": more}
    return _answer({**show(part), "links": links, "meta": {"current_page": page, "per_page": size}})


def _filtered(state: State) -> list[dict[str, Any]]:
    rows = [i for i in state.incidents.values() if _visible(state, i)]
    for name, value in request.args.items():
        if not name.startswith("filter["):
            continue
        found = FILTERS.match(name)
        if not found or found[1] == "enabled":
            raise Rejected(400, f"Requested filter(s) `{name}` are not allowed.")
        if found[1] == "name":
            rows = [i for i in rows if value.lower() in i["name"].lower()]
        elif found[1] == "status":
            rows = [i for i in rows if str(i["status"]) in value.split(",")]
        elif found[1] == "meta":
            rows = [i for i in rows if str(i["meta"].get(found["key"])) == value]
    sort = request.args.get("sort", "-created_at")
    rows.sort(key=lambda i: i["id"], reverse=sort.startswith("-"))
    return rows


def _incidents(app: Flask, state: State) -> None:
    @_route(app, "/incidents", "GET")
    def incidents() -> Response:
        return _paged(_filtered(state), lambda rows: _document(state, rows))

    @_route(app, "/incidents", "POST")
    def create() -> Response:
        _may(state, "incidents.manage")
        wanted = wanted_of(state, {"name": str, "message": str, "status": int})
        return _answer(_document(state, state.make(wanted), reading=False), 201)

    @_route(app, "/incidents/<id>", "GET")
    def incident(id: str) -> Response:
        return _answer(_document(state, _incident(state, id)))

    @_route(app, "/incidents/<id>", "PUT", "PATCH")
    def change(id: str) -> Response:
        _may(state, "incidents.manage")
        found = _incident(state, id)
        state.change(found, wanted_of(state))
        return _answer(_document(state, found, reading=False))

    @_route(app, "/incidents/<id>", "DELETE")
    def delete(id: str) -> Response:
        _may(state, "incidents.delete")
        del state.incidents[_incident(state, id)["id"]]
        return Response(status=204)


def _updates(app: Flask, state: State) -> None:
    def find(id: str, update_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
        incident = _incident(state, id)
        for update in incident["updates"]:
            if str(update["id"]) == update_id:
                return incident, update
        raise Rejected(404, f"No query results for model [Update] {update_id}")

    @_route(app, "/incidents/<id>/updates", "GET")
    def updates(id: str) -> Response:
        incident = _incident(state, id)
        return _paged(incident["updates"], lambda rows: {"data": [update_resource(u, incident["id"]) for u in rows]})

    @_route(app, "/incidents/<id>/updates", "POST")
    def record(id: str) -> Response:
        _may(state, "incident-updates.manage")
        incident = _incident(state, id)
        update = state.record(incident, wanted_of(state, {"status": int, "message": str}))
        return _answer({"data": update_resource(update, incident["id"])}, 201)

    @_route(app, "/incidents/<id>/updates/<update_id>", "GET")
    def update(id: str, update_id: str) -> Response:
        incident, found = find(id, update_id)
        return _answer({"data": update_resource(found, incident["id"])})

    @_route(app, "/incidents/<id>/updates/<update_id>", "PUT", "PATCH")
    def edit(id: str, update_id: str) -> Response:
        _may(state, "incident-updates.manage")
        incident, found = find(id, update_id)
        wanted = wanted_of(state)
        found.update({name: wanted[name] for name in ("message", "status") if name in wanted}, updated=state.stamp())
        state.follow(incident)
        return _answer({"data": update_resource(found, incident["id"])})

    @_route(app, "/incidents/<id>/updates/<update_id>", "DELETE")
    def deleteupdate_resource(id: str, update_id: str) -> Response:
        _may(state, "incident-updates.delete")
        incident, found = find(id, update_id)
        incident["updates"].remove(found)
        state.follow(incident)
        return Response(status=204)


def _others(app: Flask, state: State) -> None:
    def plain(rows: Mapping[int, Mapping[str, Any]], type: str) -> Response:
        def show(part: list[Any]) -> dict[str, Any]:
            return {"data": [{"id": str(r["id"]), "type": type, "attributes": {**r, **times(r)}} for r in part]}

        return _paged(list(rows.values()), show)

    @_route(app, "/components", "GET")
    def components() -> Response:
        return plain(state.components, "components")

    @_route(app, "/schedules", "GET")
    def schedules() -> Response:
        return plain(state.schedules, "schedules")

    @_route(app, "/subscribers", "GET")
    def subscribers() -> Response:
        _may(state, "subscribers.manage")
        return plain({}, "subscribers")

    @_route(app, "/ping", "GET")
    def ping() -> Response:
        return _answer({"data": "Pong!"})

    @_route(app, "/version", "GET")
    def version() -> Response:
        return _answer({"data": state.version})
