"""The stand-in Cachet's JSON:API documents with included resources. They show times and statuses both as text for
people and as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.cachet.sandbox.state import State
from adapters.cachet.sandbox.validation import Rejected

INCLUDES = {"components", "components.group", "updates", "user", "meta"}
STATUS_LABELS = {0: "Unknown", 1: "Investigating", 2: "Identified", 3: "Watching", 4: "Fixed"}
COMPONENT_LABELS = {
    1: "Operational", 2: "Performance Issues", 3: "Partial Outage", 4: "Major Outage", 5: "Unknown", 6: "Under Maintenance",
}  # fmt: skip


def times(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "created": {"human": "moments ago", "string": row["created"]},
        "updated": {"human": "moments ago", "string": row.get("updated", row["created"])},
    }


def _word(value: Any, labels: Mapping[int, str]) -> dict[str, Any]:
    return {"human": labels.get(value), "value": value}


def update_resource(update: Mapping[str, Any], incident_id: int) -> dict[str, Any]:
    shown = {
        "id": update["id"],
        "updateable_id": incident_id,
        "updateable_type": "incident",
        "message": update["message"],
    }
    attributes = {**shown, "status": _word(update["status"], STATUS_LABELS), **times(update)}
    return {"id": str(update["id"]), "type": "updates", "attributes": attributes}


def document(state: State, rows: Any, include: str, reading: bool = True) -> dict[str, Any]:
    """rows: one incident or a list. include: the requested names, separated by commas. A resource is included once,
    even if several incidents share it. Raises Rejected (400) for a name that is not allowed."""
    wanted = set(filter(None, include.split(",")))
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
            **times(incident),
        }
        if "meta" in wanted and reading:
            attributes["meta"] = incident["meta"]
        related: dict[str, list[dict[str, Any]]] = {}
        if "components" in wanted:
            related["components"] = [
                {
                    "id": str(c), "type": "components",
                    "attributes": {
                        "id": c, "name": state.components[c]["name"],
                        "status": _word(state.components[c]["status"], COMPONENT_LABELS),
                        "pivot": {"incident_id": incident["id"], "component_status": _word(word, COMPONENT_LABELS)},
                    },
                }
                for c, word in incident["components"].items()
            ]  # fmt: skip
        if "updates" in wanted:
            related["updates"] = [update_resource(u, incident["id"]) for u in incident["updates"]]
        for members in related.values():
            for member in members:
                included.setdefault((member["type"], member["id"]), member)
        names = {name: {"data": [{"id": m["id"], "type": m["type"]} for m in ms]} for name, ms in related.items()}
        return {"id": str(incident["id"]), "type": "incidents", "attributes": attributes, "relationships": names}

    data = [resource(row) for row in rows] if isinstance(rows, list) else resource(rows)
    return {"data": data, **({"included": list(included.values())} if included else {})}
