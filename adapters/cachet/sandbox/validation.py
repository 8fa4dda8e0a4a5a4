"""The stand-in Cachet's validation of request bodies, by the vendor's rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import request
from werkzeug.exceptions import HTTPException

from adapters.cachet.sandbox.state import State

INCIDENT_WORDS, COMPONENT_WORDS, VISIBILITIES = range(5), range(1, 7), (True, False, 0, 1, 2)


class Rejected(HTTPException):
    """An error response."""

    def __init__(
        self, status: int, message: str, errors: Mapping[str, list[str]] | None = None, **headers: str
    ) -> None:
        super().__init__()
        self.code = status
        self.body: dict[str, Any] = {"message": message, **({"errors": errors} if errors else {})}
        self.extra = {name.replace("_", "-"): value for name, value in headers.items()}


def wanted_of(state: State, required: Mapping[str, type] | None = None) -> dict[str, Any]:
    """The request's body, validated. Raises a 422 that names the invalid fields."""
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
        if not isinstance(component, dict) or component.get("id") not in state.components:
            errors[f"components.{n}.id"] = [f"The selected components.{n}.id is invalid."]
        elif component.get("status") not in COMPONENT_WORDS:
            errors[f"components.{n}.status"] = [f"The selected components.{n}.status is invalid."]
    if errors:
        raise Rejected(422, next(iter(errors.values()))[0], errors)
    return wanted
