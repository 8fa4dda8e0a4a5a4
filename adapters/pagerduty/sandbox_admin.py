"""The stand-in's account: priorities, users, custom fields, extensions, webhook subscriptions, and the Events API v2."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from flask import Response, request

from adapters.pagerduty.sandbox_api import Incidents
from adapters.pagerduty.sandbox_desk import Desk, Gate, Problem, answer, invalid, run
from adapters.pagerduty.sandbox_shapes import Shape, Subscription, iso, priority_shape

if TYPE_CHECKING:
    from adapters.pagerduty.sandbox import PagerDutySandbox


def install(box: PagerDutySandbox) -> None:
    """Puts all routes onto the stand-in's application."""
    gate = Gate(box)
    box.app.before_request(gate.admit)
    box.app.after_request(gate.stamp)
    for method, path, act in (*Incidents(box).routes(), *Account(box).routes()):
        box.app.add_url_rule(path, f"{method} {path}", functools.partial(run, act), methods=[method])


class Account(Desk):
    """One stand-in's account."""

    def routes(self) -> Sequence[tuple[str, str, Callable[..., Any]]]:
        sub = "/webhook_subscriptions"
        return (
            ("PUT", "/incidents/<id>/custom_fields/values", self.put_custom_fields),
            ("GET", "/incidents/custom_fields", self.list_custom_fields),
            ("GET", "/priorities", self.list_priorities),
            ("GET", "/abilities", self.list_abilities),
            ("GET", "/users", self.list_users),
            ("GET", "/users/<id>", self.get_user),
            ("GET", "/extensions", self.list_extensions),
            ("GET", sub, self.list_subscriptions),
            ("POST", sub, self.create_subscription),
            ("GET", f"{sub}/<id>", self.get_subscription),
            ("DELETE", f"{sub}/<id>", self.delete_subscription),
            ("POST", f"{sub}/<id>/enable", self.enable_subscription),
            ("POST", f"{sub}/<id>/ping", self.ping_subscription),
            ("POST", "/v2/enqueue", self.enqueue),
        )

    # Custom fields: they must be defined before they are used.

    def field_shape(self, name: str) -> Shape:
        return {"id": f"PF{name.upper()[:10]}", "name": name, "display_name": name, "data_type": "string"}

    def put_custom_fields(self, id: str) -> Response:
        incident = self.incident(id)
        sent = (request.get_json(silent=True) or {}).get("custom_fields")
        if not isinstance(sent, list) or not all(isinstance(f, dict) for f in sent):
            raise invalid("custom_fields must be a list")
        if any(f.get("name") not in self.box.custom_fields for f in sent):
            raise Problem(404, 2100, "Not Found", "Custom field not found")
        more = {"type": "field_value", "field_type": "single_value", "description": ""}
        values = [{**self.field_shape(f["name"]), **more, "value": f.get("value")} for f in sent]
        self.box.acts.set_custom_fields(incident, values, None)
        return answer({"custom_fields": values}, 201)

    def list_custom_fields(self) -> Shape:
        now = iso(self.box.clock.now())
        more = {
            "type": "field",
            "field_type": "single_value",
            "self": None,
            "namespace": "incidents",
            "description": "",
        }
        times = {"created_at": now, "updated_at": now, "field_options": None, "enabled": True}
        names = sorted(self.box.custom_fields)
        return {"fields": [{**self.field_shape(n), **more, **times, "summary": n} for n in names]}

    # People and words.

    def list_priorities(self) -> Shape:
        if not self.box.priorities:
            raise Problem(402, 2012, "Account does not have the abilities to perform the action: priorities")
        return self.page("priorities", [priority_shape(id, name) for name, id in self.box.priorities.items()])

    def list_abilities(self) -> Shape:
        return {"abilities": ["urgencies", "teams", "coordinated_responding"]}

    def list_users(self) -> Shape:
        query = request.args.get("query", "").lower()
        found = [u for u in self.box.users.values() if query in u.name.lower() or query in u.email.lower()]
        return self.page("users", [u.rest() for u in found])

    def get_user(self, id: str) -> Shape:
        if id not in self.box.users:
            raise Problem(404, 2100, "Not Found")
        return {"user": self.box.users[id].rest()}

    def list_extensions(self) -> Shape:
        return self.page("extensions", self.box.extensions)

    # Webhook subscriptions.

    def subscription(self, id: str) -> Subscription:
        if id not in self.box.subscriptions:
            raise Problem(404, 2100, "Not Found")
        return self.box.subscriptions[id]

    def list_subscriptions(self) -> Shape:
        return self.page("webhook_subscriptions", [s.rest() for s in self.box.subscriptions.values()])

    def create_subscription(self) -> Response:
        data = self.body("webhook_subscription")
        url, about, events = (data.get("delivery_method") or {}).get("url"), data.get("filter"), data.get("events")
        if not url or not isinstance(about, dict) or not about.get("type") or not events:
            raise invalid("delivery_method.url, filter and events are required")
        made = self.box.people_subscribe(str(url), [str(e) for e in events], about)
        made.description = str(data.get("description") or "")
        return answer({"webhook_subscription": made.rest(show_secret=True)})

    def get_subscription(self, id: str) -> Shape:
        return {"webhook_subscription": self.subscription(id).rest()}

    def delete_subscription(self, id: str) -> Response:
        del self.box.subscriptions[self.subscription(id).id]
        return answer(None, 204)

    def enable_subscription(self, id: str) -> Shape:
        found = self.subscription(id)
        found.active, found.disabled_until, found.drops = True, None, 0
        return {"webhook_subscription": found.rest()}

    def ping_subscription(self, id: str) -> Response:
        data = {"message": "Hello from your friend Pagey!", "type": "ping"}
        self.box.queue_delivery(self.subscription(id), "pagey.ping", data, None, id)
        return answer(None, 202)

    # Events API v2: validated now, taken in later.

    def enqueue(self) -> Response:
        body = request.get_json(silent=True)
        sent: Shape = body if isinstance(body, dict) else {}
        errors = self.event_errors(sent)
        if errors:
            return answer({"status": "invalid event", "message": "Event object is invalid", "errors": errors}, 400)
        sent = {**sent, "dedup_key": sent.get("dedup_key") or self.box.ids.new()}
        self.box.accept_event(sent)
        return answer({"status": "success", "message": "Event processed", "dedup_key": sent["dedup_key"]}, 202)

    def event_errors(self, sent: Shape) -> list[str]:
        errors = []
        if not isinstance(sent.get("routing_key"), str) or len(sent["routing_key"]) != 32:
            errors.append("'routing_key' is invalid (must be 32 characters long)")
        if sent.get("event_action") not in ("trigger", "acknowledge", "resolve"):
            errors.append("'event_action' is missing or invalid")
        if len(str(sent.get("dedup_key") or "")) > 255:
            errors.append("'dedup_key' is longer than 255 characters")
        if sent.get("event_action") != "trigger":
            return errors + ([] if sent.get("dedup_key") else ["'dedup_key' is missing or blank"])
        payload = sent.get("payload")
        if not isinstance(payload, dict):
            return [*errors, "'payload' is missing"]
        missing = [name for name in ("summary", "source", "severity") if not payload.get(name)]
        errors += [f"'payload.{name}' is missing or blank" for name in missing]
        if payload.get("severity") not in ("critical", "error", "warning", "info"):
            errors.append("'payload.severity' is invalid")
        if len(str(payload.get("summary") or "")) > 1024:
            errors.append("'payload.summary' is longer than 1024 characters")
        return errors
