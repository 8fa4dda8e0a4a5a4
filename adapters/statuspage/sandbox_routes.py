"""The HTTP side of Statuspage's stand-in: authentication, the rolling rate limit, validation, lists, and the routes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flask import Response, jsonify, request
from werkzeug.exceptions import HTTPException

from adapters.statuspage.wire import COMPONENT_WORDS, IMPACT_WORDS, SCHEDULED_WORDS

if TYPE_CHECKING:
    from adapters.statuspage.sandbox import StatuspageSandbox

WINDOW, IN_WINDOW = timedelta(seconds=60), 60
REALTIME = ("investigating", "identified", "monitoring", "resolved")
NAME_LIMIT, BODY_LIMIT = 255, 25_000
MOST_ROWS = 100


class Rejected(HTTPException):
    """An answer that ends the request."""

    def __init__(self, status: int, error: Any) -> None:
        super().__init__()
        self.code = status
        self.error = error


def _present(value: Any) -> Any:
    """REST answers leave out what is null: the published document knows no nulls."""
    if isinstance(value, dict):
        return {k: _present(v) for k, v in value.items() if v is not None and not k.startswith("_")}
    return [_present(v) for v in value] if isinstance(value, list) else value


def add(box: StatuspageSandbox) -> None:
    """Puts the routes on the stand-in's application."""
    app = box.app
    root = f"/v1/pages/{box.page_id}"

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
        if key not in box.api_keys:
            raise Rejected(401, "Could not authenticate")
        now = box.clock.now()
        while box.requests_at and now - box.requests_at[0] >= WINDOW:
            box.requests_at.popleft()
        if box.rate_limited and len(box.requests_at) >= IN_WINDOW:
            raise Rejected(420, "Rate limit exceeded: one request a second, over 60 seconds")
        box.requests_at.append(now)

    _reads(box, root)
    _writes(box, root)
    _subscribers(box, root)


def _answer(body: Any, status: int = 200) -> Response:
    response = jsonify(_present(body))
    response.status_code = status
    return response


def _route(box: StatuspageSandbox, path: str, *methods: str) -> Callable[[Callable[..., Any]], Any]:
    return box.app.route(path, methods=list(methods))


def _page_of(rows: list[Any], size: str) -> list[Any]:
    count = min(request.args.get(size, MOST_ROWS, type=int), MOST_ROWS)
    start = (max(1, request.args.get("page", 1, type=int)) - 1) * count
    return rows[start : start + count]


def _incident(box: StatuspageSandbox, id: str) -> dict[str, Any]:
    if id not in box.incidents:
        raise Rejected(404, "Not found")
    return box.incidents[id]


def _listed(box: StatuspageSandbox) -> list[dict[str, Any]]:
    """Newest first, without those that the lists do not know yet."""
    rows = [i for i in box.incidents.values() if i["_visible_from"] <= box.clock.now()]
    rows.sort(key=lambda i: str(i["created_at"]))
    rows.reverse()
    return rows


def _reads(box: StatuspageSandbox, root: str) -> None:
    @_route(box, root, "GET")
    def page() -> Response:
        shown = {"id": box.page_id, "name": "Acme", "subdomain": "acme", "allow_webhook_subscribers": True}
        return _answer({**shown, "time_zone": "UTC"})

    @_route(box, f"{root}/components", "GET")
    def components() -> Response:
        return _answer(_page_of(list(box.components.values()), "per_page"))

    @_route(box, f"{root}/incidents", "GET")
    def incidents() -> Response:
        asked = request.args.get("q", "").lower()
        rows = [i for i in _listed(box) if asked in i["name"].lower()]
        return _answer([box.shown(i) for i in _page_of(rows, "limit")])

    @_route(box, f"{root}/incidents/unresolved", "GET")
    def unresolved() -> Response:
        rows = [i for i in _listed(box) if i["status"] in REALTIME and i["status"] != "resolved"]
        return _answer([box.shown(i) for i in _page_of(rows, "per_page")])

    @_route(box, f"{root}/incidents/<id>", "GET")
    def incident(id: str) -> Response:
        return _answer(box.shown(_incident(box, id)))


def _writes(box: StatuspageSandbox, root: str) -> None:
    @_route(box, f"{root}/incidents", "POST")
    def create() -> Response:
        wanted = _wanted("incident")
        if not str(wanted.get("name") or "").strip():
            raise Rejected(422, ["Name can't be blank"])
        _check(box, wanted, scheduled=bool(wanted.get("scheduled_for")))
        if wanted.get("scheduled_for"):
            wanted.setdefault("status", "scheduled")
        return _answer(box.shown(box.make(wanted)), 201)

    @_route(box, f"{root}/incidents/<id>", "PATCH", "PUT")
    def change(id: str) -> Response:
        incident, wanted = _incident(box, id), _wanted("incident")
        if "name" in wanted and not str(wanted["name"] or "").strip():
            raise Rejected(422, ["Name can't be blank"])
        _check(box, wanted, scheduled=bool(incident["scheduled_for"]))
        box.change(incident, wanted)
        return _answer(box.shown(incident))

    @_route(box, f"{root}/incidents/<id>", "DELETE")
    def delete(id: str) -> Response:
        shown = box.shown(_incident(box, id))
        del box.incidents[id]
        return _answer(shown)

    @_route(box, f"{root}/incidents/<id>/incident_updates/<update_id>", "PATCH", "PUT")
    def edit(id: str, update_id: str) -> Response:
        wanted = _wanted("incident_update")
        for update in _incident(box, id)["incident_updates"]:
            if update["id"] == update_id:
                if len(str(wanted.get("body") or "")) > BODY_LIMIT:
                    raise Rejected(422, ["Body is too long (maximum is 25000 characters)"])
                update.update({k: wanted[k] for k in ("body", "display_at") if k in wanted}, updated_at=box.now())
                return _answer(update)
        raise Rejected(404, "Not found")

    @_route(box, f"{root}/components/<id>", "PATCH", "PUT")
    def component(id: str) -> Response:
        wanted = _wanted("component")
        if id not in box.components:
            raise Rejected(404, "Not found")
        _check(box, {"components": {id: wanted.get("status")}}, scheduled=False)
        box.people_set_component(id, wanted["status"])
        return _answer(box.components[id])


def _subscribers(box: StatuspageSandbox, root: str) -> None:
    @_route(box, f"{root}/subscribers", "GET")
    def subscribers() -> Response:
        state, kind = request.args.get("state", "active"), request.args.get("type")
        rows = [
            s for s in box.subscribers.values()
            if state == "all" or bool(s.get("quarantined_at")) == (state == "quarantined")
            if kind in (None, s["mode"])
        ]  # fmt: skip
        size, page = request.args.get("limit", MOST_ROWS, type=int), request.args.get("page", 0, type=int)
        return _answer(rows[page * size : (page + 1) * size])

    @_route(box, f"{root}/subscribers", "POST")
    def subscribe() -> Response:
        wanted = _wanted("subscriber")
        if not wanted.get("email") or not wanted.get("endpoint"):
            raise Rejected(422, ["Email and endpoint are needed for a webhook subscriber"])
        if any(s["endpoint"] == wanted["endpoint"] for s in box.subscribers.values()):
            raise Rejected(422, ["Endpoint has already been taken"])
        id = box.key()
        box.subscribers[id] = {
            "id": id, "mode": "webhook", "email": wanted["email"], "endpoint": wanted["endpoint"],
            "skip_confirmation_notification": bool(wanted.get("skip_confirmation_notification")),
            "created_at": box.now(), "quarantined_at": None,
        }  # fmt: skip
        return _answer(box.subscribers[id], 201)

    @_route(box, f"{root}/subscribers/<id>", "GET", "DELETE")
    def subscriber(id: str) -> Response:
        if id not in box.subscribers:
            raise Rejected(404, "Not found")
        shown = dict(box.subscribers[id])
        if request.method == "DELETE":
            del box.subscribers[id]
        return _answer(shown)


def _wanted(name: str) -> dict[str, Any]:
    body = request.get_json(silent=True)
    wanted = body.get(name) if isinstance(body, dict) else None
    if not isinstance(wanted, dict):
        raise Rejected(400, f"{name} is missing")
    return wanted


def _check(box: StatuspageSandbox, wanted: dict[str, Any], scheduled: bool) -> None:
    """The vendor's validation. Raises a 422 with its list of sentences."""
    errors: list[str] = []
    if len(str(wanted.get("name") or "")) > NAME_LIMIT:
        errors.append("Name is too long (maximum is 255 characters)")
    if len(str(wanted.get("body") or "")) > BODY_LIMIT:
        errors.append("Body is too long (maximum is 25000 characters)")
    status = wanted.get("status")
    if status is not None and status not in (SCHEDULED_WORDS if scheduled else REALTIME):
        errors.append(f"Status {status!r} is not included in the list for this kind of incident")
    if wanted.get("impact_override") is not None and wanted["impact_override"] not in IMPACT_WORDS:
        errors.append("Impact override is not included in the list")
    metadata = wanted.get("metadata")
    if metadata is not None and not (
        isinstance(metadata, dict) and all(isinstance(v, dict) for v in metadata.values())
    ):
        errors.append("Metadata top level values must be objects")
    components = wanted.get("components") or {}
    if not isinstance(components, dict):
        raise Rejected(422, ["Components must be a map of component ids to statuses"])
    for id in [*components, *(wanted.get("component_ids") or [])]:
        if id not in box.components:
            errors.append(f"Component {id} does not exist on this page")
        elif box.components[id]["group"]:
            errors.append(f"Component {id} is a group")
    errors += [
        f"Component status {s!r} is not included in the list" for s in components.values() if s not in COMPONENT_WORDS
    ]
    if wanted.get("backfilled") and components:
        errors.append("Components cannot be specified for a backfilled incident")
    if errors:
        raise Rejected(422, errors)
