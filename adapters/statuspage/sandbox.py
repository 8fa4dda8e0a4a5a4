"""A stand-in for Atlassian Statuspage: one page, its components, incidents and webhook subscribers.

It behaves as the published v1 document and the webhooks seen in practice say, awkward parts included: metadata is replaced
whole, resolving does not reset components, every PATCH with a body or status makes an incident update, names repeat,
notifications are unsigned and carry no id, and the 61st request within 60 s gets a 420. The HTTP side is `sandbox_routes`.
"""

from __future__ import annotations

import copy
import json
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from adapters.sandboxing import Sandbox
from adapters.statuspage import sandbox_routes
from adapters.statuspage.wire import STATUS_WORDS

IMPACT_OF = {
    "operational": "none",
    "degraded_performance": "minor",
    "partial_outage": "major",
    "major_outage": "critical",
    "under_maintenance": "maintenance",
}
GRAVITY = ("none", "maintenance", "minor", "major", "critical")
FAILURES_UNTIL_QUARANTINE = 10
NOBODY_AFFECTED = [{"name": "No components were affected by this update."}]


@dataclass
class StatuspageSandbox(Sandbox):
    """api_keys: what is accepted. list_lag: seconds until a new incident shows in lists (by id it shows at once)."""

    base_url: str = "https://api.statuspage.io/v1"
    page_id: str = "kctbh9vrtdwd"
    api_keys: set[str] = field(default_factory=lambda: {"sandbox-key"})
    list_lag: float = 0.0
    components: dict[str, dict[str, Any]] = field(default_factory=dict, init=False)
    incidents: dict[str, dict[str, Any]] = field(default_factory=dict, init=False)
    subscribers: dict[str, dict[str, Any]] = field(default_factory=dict, init=False)
    requests_at: deque[datetime] = field(default_factory=deque, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._lock = threading.RLock()
        sandbox_routes.add(self)
        inner = self.app.wsgi_app

        def one_at_a_time(environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
            with self._lock:
                return inner(environ, start_response)

        self.app.wsgi_app = one_at_a_time  # type: ignore[method-assign]

    def now(self) -> str:
        return self.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def key(self) -> str:
        """Twelve characters that say nothing, as the vendor's ids are."""
        return self.ids.new()[-12:]

    def add_component(self, name: str, status: str = "operational", group: bool = False) -> str:
        """Set-up: a component, or a group of components. Returns its id."""
        id, now = self.key(), self.now()
        self.components[id] = {
            "id": id, "page_id": self.page_id, "name": name, "status": status, "group": group, "group_id": None,
            "description": None, "position": len(self.components) + 1, "showcase": True,
            "only_show_if_degraded": False, "created_at": now, "updated_at": now,
        }  # fmt: skip
        return id

    # What happens on the page, whoever asks for it.

    def make(self, wanted: dict[str, Any]) -> dict[str, Any]:
        id, now = self.key(), self.now()
        incident: dict[str, Any] = {
            "id": id, "page_id": self.page_id, "name": wanted["name"], "status": wanted.get("status", "investigating"),
            "created_at": now, "updated_at": now, "monitoring_at": None, "resolved_at": None,
            "impact_override": wanted.get("impact_override"), "shortlink": f"https://stspg.io/{id}",
            "scheduled_for": wanted.get("scheduled_for"), "scheduled_until": wanted.get("scheduled_until"),
            "scheduled_remind_prior": False, "scheduled_reminded_at": None, "scheduled_auto_in_progress": False,
            "scheduled_auto_completed": False, "backfilled": bool(wanted.get("backfilled")),
            "metadata": copy.deepcopy(wanted.get("metadata") or {}), "postmortem_body": None,
            "postmortem_body_last_updated_at": None, "postmortem_ignored": False, "postmortem_published_at": None,
            "postmortem_notified_subscribers": False, "postmortem_notified_twitter": False, "incident_updates": [],
        }  # fmt: skip
        incident["_components"] = []
        incident["_visible_from"] = self.clock.now() + timedelta(seconds=self.list_lag)
        self.incidents[id] = incident
        moved = self._move_components(incident, wanted)
        self._record(incident, wanted, moved)
        return incident

    def change(self, incident: dict[str, Any], wanted: dict[str, Any]) -> None:
        for name in ("name", "impact_override", "scheduled_for", "scheduled_until"):
            if name in wanted:
                incident[name] = wanted[name]
        if "metadata" in wanted:
            incident["metadata"] = copy.deepcopy(wanted["metadata"] or {})
        moved = self._move_components(incident, wanted)
        incident["updated_at"] = self.now()
        if "status" in wanted:
            incident["status"] = wanted["status"]
        if "status" in wanted or "body" in wanted:
            self._record(incident, wanted, moved)

    def _record(self, incident: dict[str, Any], wanted: dict[str, Any], moved: list[dict[str, Any]]) -> None:
        now = self.now()
        if incident["status"] == "monitoring":
            incident["monitoring_at"] = now
        incident["resolved_at"] = now if incident["status"] in ("resolved", "completed") else None
        deliver = wanted.get("deliver_notifications", True)
        update = {
            "id": self.key(), "incident_id": incident["id"], "status": incident["status"],
            "body": wanted.get("body") or "", "created_at": now, "updated_at": now, "display_at": now,
            "affected_components": moved or None, "deliver_notifications": deliver, "custom_tweet": None,
            "wants_twitter_update": False, "twitter_updated_at": None, "tweet_id": None,
        }  # fmt: skip
        incident["incident_updates"].insert(0, update)
        if deliver:
            self._tell({"incident": self.webhook_incident(incident)}, incident["id"])

    def _move_components(self, incident: dict[str, Any], wanted: dict[str, Any]) -> list[dict[str, Any]]:
        statuses: dict[str, str] = wanted.get("components") or {}
        if "component_ids" in wanted:
            incident["_components"] = list(wanted["component_ids"] or [])
        named = [c for c in statuses if c not in incident["_components"]]
        incident["_components"] += [c for c in named if "component_ids" not in wanted]
        moved = []
        for id, status in statuses.items():
            component = self.components[id]
            old = component["status"]
            moved.append({"code": id, "name": component["name"], "old_status": old, "new_status": status})
            if status != old:
                component.update(status=status, updated_at=self.now())
                if wanted.get("deliver_notifications", True):
                    self._tell_component(component, old)
        return moved

    # What is shown.

    def impact(self, incident: dict[str, Any]) -> str:
        """Computed from the components as they are now, unless overridden."""
        if incident["impact_override"]:
            return str(incident["impact_override"])
        if incident["scheduled_for"]:
            return "maintenance"
        statuses = [self.components[c]["status"] for c in incident["_components"] if c in self.components]
        return max((IMPACT_OF[s] for s in statuses), key=GRAVITY.index, default="none")

    def shown(self, incident: dict[str, Any]) -> dict[str, Any]:
        out = {k: copy.deepcopy(v) for k, v in incident.items() if not k.startswith("_") and k != "backfilled"}
        out["impact"] = self.impact(incident)
        out["components"] = [dict(self.components[c]) for c in incident["_components"] if c in self.components]
        return out

    def webhook_incident(self, incident: dict[str, Any]) -> dict[str, Any]:
        """As notifications show it: with nulls, without metadata, and with a sentence where no component was touched."""
        out = {k: v for k, v in self.shown(incident).items() if k != "metadata"}
        for update in out["incident_updates"][:1]:
            update["affected_components"] = update["affected_components"] or NOBODY_AFFECTED
        return {**out, "backfilled": incident["backfilled"]}

    def snapshot(self, id: str) -> dict[str, Any]:
        """How the incident looks on the page, in the page's words."""
        incident = self.incidents[id]
        texts = [u["body"] for u in reversed(incident["incident_updates"])]
        return {
            "id": id,
            "status": incident["status"],
            "severity": self.impact(incident),
            "title": incident["name"],
            "text": texts[0] if texts else "",
            "comments": [text for text in texts[1:] if text],
            "impacts": {c: self.components[c]["status"] for c in incident["_components"] if c in self.components},
        }

    # Webhooks.

    def _tell(self, about: dict[str, Any], id: str) -> None:
        worst = max(
            (IMPACT_OF.get(c["status"], "none") for c in self.components.values()), key=GRAVITY.index, default="none"
        )
        for subscriber in self.subscribers.values():
            if subscriber.get("quarantined_at"):
                continue
            payload = {
                "meta": {
                    "unsubscribe": f"https://acme.statuspage.io/?unsubscribe={subscriber['id']}",
                    "documentation": "https://help.statuspage.io/help/webhook-notifications",
                    "generated_at": self.now(),
                },
                "page": {"id": self.page_id, "status_indicator": worst, "status_description": worst.title()},
                **about,
            }
            headers = {"Content-Type": "application/json", "User-Agent": "StatuspageIo Webhook/1.0"}
            self.emit(subscriber["endpoint"], json.dumps(payload).encode(), headers, id)

    def _tell_component(self, component: dict[str, Any], old: str) -> None:
        change = {
            "id": self.key(), "component_id": component["id"], "old_status": old, "new_status": component["status"],
            "component_type": "Component", "created_at": self.now(),
        }  # fmt: skip
        self._tell({"component_update": change, "component": dict(component)}, component["id"])

    def delivery_failed(self, url: str) -> None:
        """The sender gave up on a notification: an endpoint that fails often is quarantined."""
        for subscriber in self.subscribers.values():
            if subscriber["endpoint"] == url:
                subscriber["_failures"] = subscriber.get("_failures", 0) + 1
                if subscriber["_failures"] >= FAILURES_UNTIL_QUARANTINE:
                    subscriber["quarantined_at"] = self.now()

    # What people do in the vendor's own UI.

    def people_open(self, name: str, body: str = "", components: dict[str, str] | None = None, **more: Any) -> str:
        with self._lock:
            wanted = {"name": name, "body": body, "components": components or {}, **more}
            return str(self.make(wanted)["id"])

    def people_set_status(self, id: str, status: str, body: str = "") -> None:
        assert status in STATUS_WORDS
        with self._lock:
            self.change(self.incidents[id], {"status": status, "body": body})

    def people_rename(self, id: str, name: str) -> None:
        with self._lock:
            self.change(self.incidents[id], {"name": name})

    def people_override_impact(self, id: str, impact: str | None) -> None:
        with self._lock:
            self.change(self.incidents[id], {"impact_override": impact})

    def people_post_update(self, id: str, body: str) -> str:
        with self._lock:
            self.change(self.incidents[id], {"body": body})
            return str(self.incidents[id]["incident_updates"][0]["id"])

    def people_edit_update(self, id: str, update_id: str, body: str) -> None:
        with self._lock:
            update = next(u for u in self.incidents[id]["incident_updates"] if u["id"] == update_id)
            update.update(body=body, updated_at=self.now())

    def people_delete_update(self, id: str, update_id: str) -> None:
        with self._lock:
            kept = [u for u in self.incidents[id]["incident_updates"] if u["id"] != update_id]
            self.incidents[id]["incident_updates"] = kept

    def people_set_components(self, id: str, components: dict[str, str]) -> None:
        """The whole list of an incident's components, without a published text."""
        with self._lock:
            left = dict.fromkeys(set(self.incidents[id]["_components"]) - set(components), "operational")
            wanted = {"components": {**left, **components}, "component_ids": sorted(components)}
            self.change(self.incidents[id], wanted)

    def people_set_component(self, component_id: str, status: str) -> None:
        """A component alone: its incident's `updated_at` stays as it was."""
        with self._lock:
            component = self.components[component_id]
            old = component["status"]
            component.update(status=status, updated_at=self.now())
            if old != status:
                self._tell_component(component, old)

    def people_delete(self, id: str) -> None:
        with self._lock:
            del self.incidents[id]
