"""The HTTP side of Cachet's stand-in: tokens and abilities, the request limit, validation, JSON:API documents, routes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flask import Response, jsonify, request
from werkzeug.exceptions import HTTPException

if TYPE_CHECKING:
    from adapters.cachet.sandbox import CachetSandbox

INCLUDES = {"components", "components.group", "updates", "user", "meta"}
FILTERS = re.compile(
    r"filter\[(name|status|occurs_after|occurs_before|occurs_on|meta|enabled)\](\[(?P<key>[^\]]+)\])?$"
)
INCIDENT_WORDS, COMPONENT_WORDS, VISIBILITIES = range(5), range(1, 7), (True, False, 0, 1, 2)
MINUTE = timedelta(seconds=60)
STATUS_LABELS = {0: "Unknown", 1: "Investigating", 2: "Identified", 3: "Watching", 4: "Fixed"}
COMPONENT_LABELS = {
    1: "Operational", 2: "Performance Issues", 3: "Partial Outage", 4: "Major Outage", 5: "Unknown", 6: "Under Maintenance",
}  # fmt: skip


class Rejected(HTTPException):
    """An answer that ends the request."""

    def __init__(
        self, status: int, message: str, errors: Mapping[str, list[str]] | None = None, **headers: str
    ) -> None:
        super().__init__()
        self.code = status
        self.body: dict[str, Any] = {"message": message, **({"errors": errors} if errors else {})}
        self.extra = {name.replace("_", "-"): value for name, value in headers.items()}


def add(box: CachetSandbox) -> None:
    """Puts the routes on the stand-in's application."""

    @box.app.errorhandler(Rejected)
    def rejected(error: Rejected) -> Response:
        response = _answer(error.body, error.code or 400)
        response.headers.extend(error.extra)
        return response

    @box.app.errorhandler(404)
    def nothing(error: Any) -> Response:
        return _answer({"message": "The route could not be found."}, 404)

    @box.app.before_request
    def gate() -> None:
        start, count = box.window
        now = box.clock.now()
        if start is None or now - start >= MINUTE:
            start, count = now, 0
        if box.rate_limited and count >= box.per_minute:
            wait = int((start + MINUTE - now).total_seconds())
            raise Rejected(429, "Too Many Attempts.", Retry_After=str(wait), X_RateLimit_Remaining="0")
        box.window = (start, count + 1)
        if box.protected and _abilities(box) is None:
            raise Rejected(401, "Unauthenticated.")

    _incidents(box)
    _updates(box)
    _others(box)


def _answer(body: Any, status: int = 200) -> Response:
    response = jsonify(body)
    response.status_code = status
    return response


def _route(box: CachetSandbox, path: str, *methods: str) -> Callable[[Callable[..., Any]], Any]:
    return box.app.route(f"/api{path}", methods=list(methods))


def _abilities(box: CachetSandbox) -> frozenset[str] | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return box.tokens.get(token) if scheme == "Bearer" else None


def _may(box: CachetSandbox, ability: str) -> None:
    abilities = _abilities(box)
    if abilities is None:
        raise Rejected(401, "Unauthenticated.")
    if ability not in abilities:
        raise Rejected(403, "This action is unauthorized.")


def _incident(box: CachetSandbox, id: str) -> dict[str, Any]:
    """The incident, if the caller may see it: 404 otherwise, as for one that is not there."""
    found = box.incidents.get(int(id)) if id.isascii() and id.isdecimal() else None
    if found is None or not _visible(box, found):
        raise Rejected(404, f"No query results for model [Incident] {id}")
    return found


def _visible(box: CachetSandbox, incident: Mapping[str, Any]) -> bool:
    return incident["visible"] == 1 or (incident["visible"] == 0 and _abilities(box) is not None)


def _times(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "created": {"human": "moments ago", "string": row["created"]},
        "updated": {"human": "moments ago", "string": row.get("updated", row["created"])},
    }


def _word(value: Any, labels: Mapping[int, str]) -> dict[str, Any]:
    return {"human": labels.get(value), "value": value}


def _update(update: Mapping[str, Any], incident_id: int) -> dict[str, Any]:
    shown = {
        "id": update["id"],
        "updateable_id": incident_id,
        "updateable_type": "incident",
        "message": update["message"],
    }
    attributes = {**shown, "status": _word(update["status"], STATUS_LABELS), **_times(update)}
    return {"id": str(update["id"]), "type": "updates", "attributes": attributes}


def _document(box: CachetSandbox, rows: Any, reading: bool = True) -> dict[str, Any]:
    """rows: one incident or a list. Included resources come once each, whoever shares them."""
    wanted = set(filter(None, request.args.get("include", "").split(",")))
    if wanted - INCLUDES:
        raise Rejected(400, f"Requested include(s) `{', '.join(sorted(wanted - INCLUDES))}` are not allowed.")
    included: dict[tuple[str, str], dict[str, Any]] = {}

    def resource(incident: dict[str, Any]) -> dict[str, Any]:
        attributes = {
            **{
                name: incident[name]
                for name in ("id", "guid", "name", "message", "visible", "stickied", "notifications")
            },
            "status": _word(incident["status"], STATUS_LABELS),
            **_times(incident),
        }
        if "meta" in wanted and reading:
            attributes["meta"] = incident["meta"]
        related: dict[str, list[dict[str, Any]]] = {}
        if "components" in wanted:
            related["components"] = [
                {
                    "id": str(c), "type": "components",
                    "attributes": {
                        "id": c, "name": box.components[c]["name"],
                        "status": _word(box.components[c]["status"], COMPONENT_LABELS),
                        "pivot": {"incident_id": incident["id"], "component_status": _word(word, COMPONENT_LABELS)},
                    },
                }
                for c, word in incident["components"].items()
            ]  # fmt: skip
        if "updates" in wanted:
            related["updates"] = [_update(u, incident["id"]) for u in incident["updates"]]
        for members in related.values():
            for member in members:
                included.setdefault((member["type"], member["id"]), member)
        names = {name: {"data": [{"id": m["id"], "type": m["type"]} for m in ms]} for name, ms in related.items()}
        return {"id": str(incident["id"]), "type": "incidents", "attributes": attributes, "relationships": names}

    data = [resource(row) for row in rows] if isinstance(rows, list) else resource(rows)
    return {"data": data, **({"included": list(included.values())} if included else {})}


def _paged(rows: list[Any], show: Callable[[list[Any]], dict[str, Any]]) -> Response:
    size = max(1, min(100, request.args.get("per_page", 15, type=int)))
    page = max(1, request.args.get("page", 1, type=int))
    part = rows[(page - 1) * size : page * size]
    more = f"{request.path}?page={page + 1}" if page * size < len(rows) else None
    links = {"first": f"{request.path}?page=1", "last": None, "prev": None, "next": more}
    return _answer({**show(part), "links": links, "meta": {"current_page": page, "per_page": size}})


def _filtered(box: CachetSandbox) -> list[dict[str, Any]]:
    rows = [i for i in box.incidents.values() if _visible(box, i)]
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


def _incidents(box: CachetSandbox) -> None:
    @_route(box, "/incidents", "GET")
    def incidents() -> Response:
        return _paged(_filtered(box), lambda rows: _document(box, rows))

    @_route(box, "/incidents", "POST")
    def create() -> Response:
        _may(box, "incidents.manage")
        wanted = _wanted(box, {"name": str, "message": str, "status": int})
        return _answer(_document(box, box.make(wanted), reading=False), 201)

    @_route(box, "/incidents/<id>", "GET")
    def incident(id: str) -> Response:
        return _answer(_document(box, _incident(box, id)))

    @_route(box, "/incidents/<id>", "PUT", "PATCH")
    def change(id: str) -> Response:
        _may(box, "incidents.manage")
        found = _incident(box, id)
        box.change(found, _wanted(box))
        return _answer(_document(box, found, reading=False))

    @_route(box, "/incidents/<id>", "DELETE")
    def delete(id: str) -> Response:
        _may(box, "incidents.delete")
        del box.incidents[_incident(box, id)["id"]]
        return Response(status=204)


def _updates(box: CachetSandbox) -> None:
    def find(id: str, update_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
        incident = _incident(box, id)
        for update in incident["updates"]:
            if str(update["id"]) == update_id:
                return incident, update
        raise Rejected(404, f"No query results for model [Update] {update_id}")

    @_route(box, "/incidents/<id>/updates", "GET")
    def updates(id: str) -> Response:
        incident = _incident(box, id)
        return _paged(incident["updates"], lambda rows: {"data": [_update(u, incident["id"]) for u in rows]})

    @_route(box, "/incidents/<id>/updates", "POST")
    def record(id: str) -> Response:
        _may(box, "incident-updates.manage")
        incident = _incident(box, id)
        update = box.record(incident, _wanted(box, {"status": int, "message": str}))
        return _answer({"data": _update(update, incident["id"])}, 201)

    @_route(box, "/incidents/<id>/updates/<update_id>", "GET")
    def update(id: str, update_id: str) -> Response:
        incident, found = find(id, update_id)
        return _answer({"data": _update(found, incident["id"])})

    @_route(box, "/incidents/<id>/updates/<update_id>", "PUT", "PATCH")
    def edit(id: str, update_id: str) -> Response:
        _may(box, "incident-updates.manage")
        incident, found = find(id, update_id)
        wanted = _wanted(box)
        found.update({name: wanted[name] for name in ("message", "status") if name in wanted}, updated=box.stamp())
        box.follow(incident)
        return _answer({"data": _update(found, incident["id"])})

    @_route(box, "/incidents/<id>/updates/<update_id>", "DELETE")
    def delete_update(id: str, update_id: str) -> Response:
        _may(box, "incident-updates.delete")
        incident, found = find(id, update_id)
        incident["updates"].remove(found)
        box.follow(incident)
        return Response(status=204)


def _others(box: CachetSandbox) -> None:
    def plain(rows: Mapping[int, Mapping[str, Any]], type: str) -> Response:
        def show(part: list[Any]) -> dict[str, Any]:
            return {"data": [{"id": str(r["id"]), "type": type, "attributes": {**r, **_times(r)}} for r in part]}

        return _paged(list(rows.values()), show)

    @_route(box, "/components", "GET")
    def components() -> Response:
        return plain(box.components, "components")

    @_route(box, "/schedules", "GET")
    def schedules() -> Response:
        return plain(box.schedules, "schedules")

    @_route(box, "/subscribers", "GET")
    def subscribers() -> Response:
        _may(box, "subscribers.manage")
        return plain({}, "subscribers")

    @_route(box, "/ping", "GET")
    def ping() -> Response:
        return _answer({"data": "Pong!"})

    @_route(box, "/version", "GET")
    def version() -> Response:
        return _answer({"data": box.version})


def _wanted(box: CachetSandbox, required: Mapping[str, type] | None = None) -> dict[str, Any]:
    """The request's body, validated. Raises a 422 with the fields at fault."""
    body = request.get_json(silent=True)
    wanted: dict[str, Any] = body if isinstance(body, dict) else {}
    errors: dict[str, list[str]] = {
        name: [f"The {name} field is required."] for name in required or () if wanted.get(name) in (None, "")
    }
    for name, type in {"name": str, "message": str}.items():
        if name in wanted and name not in errors and not isinstance(wanted[name], type):
            errors[name] = [f"The {name} field must be a string."]
    if isinstance(wanted.get("name"), str) and len(wanted["name"]) > 255:
        errors["name"] = ["The name field must not be greater than 255 characters."]
    if wanted.get("status") is not None and wanted["status"] not in INCIDENT_WORDS:
        errors["status"] = ["The selected status is invalid."]
    if wanted.get("visible") is not None and wanted["visible"] not in VISIBILITIES:
        errors["visible"] = ["The selected visible is invalid."]
    if wanted.get("meta") is not None and not isinstance(wanted["meta"], dict):
        errors["meta"] = ["The meta field must be an array."]
    for n, component in enumerate(wanted.get("components") or ()):
        if not isinstance(component, dict) or component.get("id") not in box.components:
            errors[f"components.{n}.id"] = [f"The selected components.{n}.id is invalid."]
        elif component.get("status") not in COMPONENT_WORDS:
            errors[f"components.{n}.status"] = [f"The selected components.{n}.status is invalid."]
    if errors:
        raise Rejected(422, next(iter(errors.values()))[0], errors)
    return wanted
