"""The stand-in Statuspage's validation of request bodies, by the vendor's rules."""

from __future__ import annotations

from typing import Any

from flask import request
from werkzeug.exceptions import HTTPException

from adapters.statuspage.sandbox.state import State
from adapters.statuspage.wire import COMPONENT_WORDS, IMPACT_WORDS, SCHEDULED_WORDS

REALTIME = ("investigating", "identified", "monitoring", "resolved")
NAME_LIMIT, BODY_LIMIT = 255, 25_000


class Rejected(HTTPException):
    """An error response."""

    def __init__(self, status: int, error: Any) -> None:
        super().__init__()
        self.code = status
        self.error = error


def wanted_of(name: str) -> dict[str, Any]:
    body = request.get_json(silent=True)
    wanted = body.get(name) if isinstance(body, dict) else None
    if not isinstance(wanted, dict):
        raise Rejected(400, f"{name} is missing")
    return wanted


def check(state: State, wanted: dict[str, Any], scheduled: bool) -> None:
    """Checks the fields of a request by the vendor's rules. Raises a 422 with the list of error messages."""
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
        if id not in state.components:
            errors.append(f"Component {id} does not exist on this page")
        elif state.components[id]["group"]:
            errors.append(f"Component {id} is a group")
    errors += [
        f"Component status {s!r} is not included in the list" for s in components.values() if s not in COMPONENT_WORDS
    ]
    if wanted.get("backfilled") and components:
        errors.append("Components cannot be specified for a backfilled incident")
    if errors:
        raise Rejected(422, errors)
