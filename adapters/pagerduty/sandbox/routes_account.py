"""The PagerDuty stand-in's routes for the account: custom fields, priorities, abilities, users and extensions."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Response, request

from adapters.pagerduty.sandbox.lifecycle import Lifecycle
from adapters.pagerduty.sandbox.payloads import iso, priority_payload, rest_user
from adapters.pagerduty.sandbox.routing import Problem, Route, Routes, answer, invalid
from adapters.pagerduty.sandbox.state import Payload, State


class AccountRoutes(Routes):
    """Routes for the account's settings and users."""

    def __init__(self, state: State, lifecycle: Lifecycle) -> None:
        super().__init__(state)
        self.lifecycle = lifecycle

    def routes(self) -> Sequence[Route]:
        return (
            ("PUT", "/incidents/<id>/custom_fields/values", self.put_custom_fields),
            ("GET", "/incidents/custom_fields", self.list_custom_fields),
            ("GET", "/priorities", self.list_priorities),
            ("GET", "/abilities", self.list_abilities),
            ("GET", "/users", self.list_users),
            ("GET", "/users/<id>", self.get_user),
            ("GET", "/extensions", self.list_extensions),
        )

    # Custom fields must be defined before they are used.

    def custom_field(self, name: str) -> Payload:
        return {"id": f"PF{name.upper()[:10]}", "name": name, "display_name": name, "data_type": "string"}

    def put_custom_fields(self, id: str) -> Response:
        incident = self.incident(id)
        sent = (request.get_json(silent=True) or {}).get("custom_fields")
        if not isinstance(sent, list) or not all(isinstance(f, dict) for f in sent):
            raise invalid("custom_fields must be a list")
        if any(f.get("name") not in self.state.custom_fields for f in sent):
            raise Problem(404, 2100, "Not Found", "Custom field not found")
        more = {"type": "field_value", "field_type": "single_value", "description": ""}
        values = [{**self.custom_field(f["name"]), **more, "value": f.get("value")} for f in sent]
        self.lifecycle.set_custom_fields(incident, values, None)
        return answer({"custom_fields": values}, 201)

    def list_custom_fields(self) -> Payload:
        now = iso(self.state.clock.now())
        more = {
            "type": "field",
            "field_type": "single_value",
            "self": None,
            "namespace": "incidents",
            "description": "",
        }
        times = {"created_at": now, "updated_at": now, "field_options": None, "enabled": True}
        names = sorted(self.state.custom_fields)
        return {"fields": [{**self.custom_field(n), **more, **times, "summary": n} for n in names]}

    # Users, and the features of the account.

    def list_priorities(self) -> Payload:
        if not self.state.priorities:
            raise Problem(402, 2012, "Account does not have the abilities to perform the action: priorities")
        return self.page("priorities", [priority_payload(id, name) for name, id in self.state.priorities.items()])

    def list_abilities(self) -> Payload:
        return {"abilities": ["urgencies", "teams", "coordinated_responding"]}

    def list_users(self) -> Payload:
        query = request.args.get("query", "").lower()
        found = [u for u in self.state.users.values() if query in u.name.lower() or query in u.email.lower()]
        return self.page("users", [rest_user(u) for u in found])

    def get_user(self, id: str) -> Payload:
        if id not in self.state.users:
            raise Problem(404, 2100, "Not Found")
        return {"user": rest_user(self.state.users[id])}

    def list_extensions(self) -> Payload:
        return self.page("extensions", self.state.extensions)
