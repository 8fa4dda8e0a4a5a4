"""The stand-in Statuspage's notifications: unsigned, without an id, to each subscriber. A subscriber whose endpoint
fails often is quarantined."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.statuspage.sandbox.payloads import webhook_incident
from adapters.statuspage.sandbox.state import GRAVITY, IMPACT_OF, Event, State

FAILURES_UNTIL_QUARANTINE = 10


@dataclass
class Webhooks:
    """Notifies the subscribers. emit: queues one notification (url, body, headers, id of the changed object)."""

    state: State
    emit: Callable[[str, bytes, Mapping[str, str], str], None]

    def publish(self, event: Event) -> None:
        """Queues the notifications that Statuspage sends for a change."""
        if event.incident is not None:
            self._emit({"incident": webhook_incident(self.state, event.incident)}, event.incident["id"])
        if event.component is not None:
            self._emit_component(event.component, event.old)

    def _emit(self, about: dict[str, Any], id: str) -> None:
        worst = max(
            (IMPACT_OF.get(c["status"], "none") for c in self.state.components.values()),
            key=GRAVITY.index,
            default="none",
        )
        for subscriber in self.state.subscribers.values():
            if subscriber.get("quarantined_at"):
                continue
            payload = {
                "meta": {
                    "unsubscribe": f"https://acme.statuspage.io/?unsubscribe={subscriber['id']}",
                    "documentation": "https://help.statuspage.io/help/webhook-notifications",
                    "generated_at": self.state.now(),
                },
                "page": {"id": self.state.page_id, "status_indicator": worst, "status_description": worst.title()},
                **about,
            }
            headers = {"Content-Type": "application/json", "User-Agent": "StatuspageIo Webhook/1.0"}
            self.emit(subscriber["endpoint"], json.dumps(payload).encode(), headers, id)

    def _emit_component(self, component: dict[str, Any], old: str) -> None:
        change = {
            "id": self.state.key(), "component_id": component["id"], "old_status": old, "new_status": component["status"],
            "component_type": "Component", "created_at": self.state.now(),
        }  # fmt: skip
        self._emit({"component_update": change, "component": dict(component)}, component["id"])

    def delivery_failed(self, url: str) -> None:
        """Records that a notification to `url` was given up; an endpoint that fails often is quarantined."""
        for subscriber in self.state.subscribers.values():
            if subscriber["endpoint"] == url:
                subscriber["_failures"] = subscriber.get("_failures", 0) + 1
                if subscriber["_failures"] >= FAILURES_UNTIL_QUARANTINE:
                    subscriber["quarantined_at"] = self.state.now()
