"""The routes of the stand-in Statuspage, with authentication, the rolling rate limit and pagination.

The 61st request within 60 s gets a 420.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Flask, Response, jsonify, request

from adapters.statuspage.sandbox.payloads import api_incident
from adapters.statuspage.sandbox.state import State
from adapters.statuspage.sandbox.validation import BODY_LIMIT, REALTIME, Rejected, check, wanted_of

WINDOW, IN_WINDOW = timedelta(seconds=60), 60
MOST_ROWS = 100


def _present(value: Any) -> Any:
    """`value` without nulls: REST responses leave them out, since the published API document allows none."""
    if isinstance(value, dict):
        return {k: _present(v) for k, v in value.items() if v is not None and not k.startswith("_")}
    return [_present(v) for v in value] if isinstance(value, list) else value


def add(app: Flask, state: State) -> None:
    """Registers the routes on the stand-in's application."""
    root = f"/v1/pages/{state.page_id}"

    @app.errorhandler(Rejected)
    def rejected(error: Rejected) -> Response:
        return _answer({"error": error.error}, error.code or 400)

    @app.errorhandler(404)
    def nothing(error: Any) -> Response:
        return _answer({"error": "Not found"}, 404)

    @app.before_request
    def gate() -> None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        key = key if scheme == "OAuth" else request.args.get("api_key", "")
        if key not in state.api_keys:
            raise Rejected(401, "Could not authenticate")
        now = state.clock.now()
        while state.requests_at and now - state.requests_at[0] >= WINDOW:
            state.requests_at.popleft()
        if state.rate_limited and len(state.requests_at) >= IN_WINDOW:
            raise Rejected(420, "Rate limit exceeded: one request a second, over 60 seconds")
        state.requests_at.append(now)

    _reads(app, state, root)
    _writes(app, state, root)
    _subscribers(app, state, root)


def _answer(body: Any, status: int = 200) -> Response:
    response = jsonify(_present(body))
    response.status_code = status
    return response


def _route(app: Flask, path: str, *methods: str) -> Callable[[Callable[..., Any]], Any]:
    return app.route(path, methods=list(methods))


def _page_of(rows: list[Any], size: str) -> list[Any]:
    count = min(request.args.get(size, MOST_ROWS, type=int), MOST_ROWS)
    start = (max(1, request.args.get("page", 1, type=int)) - 1) * count
    return rows[start : start + count]


def _incident(state: State, id: str) -> dict[str, Any]:
    if id not in state.incidents:
        raise Rejected(404, "Not found")
    return state.incidents[id]


def _listed(state: State) -> list[dict[str, Any]]:
    """The incidents that lists show, newest first; a new one is missing for `list_lag` seconds."""
    rows = [i for i in state.incidents.values() if i["_visible_from"] <= state.clock.now()]
    rows.sort(key=lambda i: str(i["created_at"]))
    rows.reverse()
    return rows


def _reads(app: Flask, state: State, root: str) -> None:
    @_route(app, root, "GET")
    def page() -> Response:
        shown = {"id": state.page_id, "name": "Acme", "subdomain": "acme", "allow_webhook_subscribers": True}
        return _answer({**shown, "time_zone": "UTC"})

    @_route(app, f"{root}/components", "GET")
    def components() -> Response:
        return _answer(_page_of(list(state.components.values()), "per_page"))

    @_route(app, f"{root}/incidents", "GET")
    def incidents() -> Response:
        asked = request.args.get("q", "").lower()
        rows = [i for i in _listed(state) if asked in i["name"].lower()]
        return _answer([api_incident(state, i) for i in _page_of(rows, "limit")])

    @_route(app, f"{root}/incidents/unresolved", "GET")
    def unresolved() -> Response:
        rows = [i for i in _listed(state) if i["status"] in REALTIME and i["status"] != "resolved"]
        return _answer([api_incident(state, i) for i in _page_of(rows, "per_page")])

    @_route(app, f"{root}/incidents/<id>", "GET")
    def incident(id: str) -> Response:
        return _answer(api_incident(state, _incident(state, id)))


def _writes(app: Flask, state: State, root: str) -> None:
    @_route(app, f"{root}/incidents", "POST")
    def create() -> Response:
        wanted = wanted_of("incident")
        if not str(wanted.get("name") or "").strip():
            raise Rejected(422, ["Name can't be blank"])
        check(state, wanted, scheduled=bool(wanted.get("scheduled_for")))
        if wanted.get("scheduled_for"):
            wanted.setdefault("status", "scheduled")
        return _answer(api_incident(state, state.make(wanted)), 201)

    @_route(app, f"{root}/incidents/<id>", "PATCH", "PUT")
    def change(id: str) -> Response:
        incident, wanted = _incident(state, id), wanted_of("incident")
        if "name" in wanted and not str(wanted["name"] or "").strip():
            raise Rejected(422, ["Name can't be blank"])
        check(state, wanted, scheduled=bool(incident["scheduled_for"]))
        state.change(incident, wanted)
        return _answer(api_incident(state, incident))

    @_route(app, f"{root}/incidents/<id>", "DELETE")
    def delete(id: str) -> Response:
        shown = api_incident(state, _incident(state, id))
        del state.incidents[id]
        return _answer(shown)

    @_route(app, f"{root}/incidents/<id>/incident_updates/<update_id>", "PATCH", "PUT")
    def edit(id: str, update_id: str) -> Response:
        wanted = wanted_of("incident_update")
        for update in _incident(state, id)["incident_updates"]:
            if update["id"] == update_id:
                if len(str(wanted.get("body") or "")) > BODY_LIMIT:
                    raise Rejected(422, ["Body is too long (maximum is 25000 characters)"])
                update.update({k: wanted[k] for k in ("body", "display_at") if k in wanted}, updated_at=state.now())
                return _answer(update)
        raise Rejected(404, "Not found")

    @_route(app, f"{root}/components/<id>", "PATCH", "PUT")
    def component(id: str) -> Response:
        wanted = wanted_of("component")
        if id not in state.components:
            raise Rejected(404, "Not found")
        check(state, {"components": {id: wanted.get("status")}}, scheduled=False)
        state.set_component(id, wanted["status"])
        return _answer(state.components[id])


def _subscribers(app: Flask, state: State, root: str) -> None:
    @_route(app, f"{root}/subscribers", "GET")
    def subscribers() -> Response:
        condition, kind = request.args.get("state", "active"), request.args.get("type")
        rows = [
            s for s in state.subscribers.values()
            if condition == "all" or bool(s.get("quarantined_at")) == (condition == "quarantined")
            if kind in (None, s["mode"])
        ]  # fmt: skip
        size, page = request.args.get("limit", MOST_ROWS, type=int), request.args.get("page", 0, type=int)
        return _answer(rows[page * size : (page + 1) * size])

    @_route(app, f"{root}/subscribers", "POST")
    def subscribe() -> Response:
        wanted = wanted_of("subscriber")
        if not wanted.get("email") or not wanted.get("endpoint"):
            raise Rejected(422, ["Email and endpoint are needed for a webhook subscriber"])
        if any(s["endpoint"] == wanted["endpoint"] for s in state.subscribers.values()):
            raise Rejected(422, ["Endpoint has already been taken"])
        id = state.key()
        state.subscribers[id] = {
            "id": id, "mode": "webhook", "email": wanted["email"], "endpoint": wanted["endpoint"],
            "skip_confirmation_notification": bool(wanted.get("skip_confirmation_notification")),
            "created_at": state.now(), "quarantined_at": None,
        }  # fmt: skip
        return _answer(state.subscribers[id], 201)

    @_route(app, f"{root}/subscribers/<id>", "GET", "DELETE")
    def subscriber(id: str) -> Response:
        if id not in state.subscribers:
            raise Rejected(404, "Not found")
        shown = dict(state.subscribers[id])
        if request.method == "DELETE":
            del state.subscribers[id]
        return _answer(shown)
