"""The state of the stand-in Statuspage (one page, its components, incidents with updates, subscribers) and the rules of
its changes.

It includes Statuspage's awkward rules: metadata is replaced whole, resolving does not reset components, every PATCH
with a body or status creates an incident update, and names are not unique. Each function in `listeners` is called at
once with every change.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hub.ports import Clock, Ids

IMPACT_OF = {
    "operational": "none",
    "degraded_performance": "minor",
    "partial_outage": "major",
    "major_outage": "critical",
    "under_maintenance": "maintenance",
}
GRAVITY = ("none", "maintenance", "minor", "major", "critical")


@dataclass(frozen=True)
class Event:
    """A change that subscribers are notified of: an incident's new update, or a component's new status. old: the
    component's status before."""

    incident: dict[str, Any] | None = None
    component: dict[str, Any] | None = None
    old: str = ""


@dataclass
class State:
    """api_keys: accepted keys. list_lag: seconds until a new incident shows in lists (by id it shows at once).
    requests_at: times of the latest requests, for the rate limit."""

    clock: Clock
    ids: Ids
    base_url: str = "https://api.statuspage.io/v1"
    rate_limited: bool = True
    page_id: str = "kctbh9vrtdwd"
    api_keys: set[str] = field(default_factory=lambda: {"sandbox-key"})
    list_lag: float = 0.0
    components: dict[str, dict[str, Any]] = field(default_factory=dict, init=False)
    incidents: dict[str, dict[str, Any]] = field(default_factory=dict, init=False)
    subscribers: dict[str, dict[str, Any]] = field(default_factory=dict, init=False)
    requests_at: deque[datetime] = field(default_factory=deque, init=False)
    listeners: list[Callable[[Event], None]] = field(default_factory=list, init=False, repr=False)

    def now(self) -> str:
        return self.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def key(self) -> str:
        """A new id: twelve characters without a meaning, as the vendor's ids are."""
        return self.ids.new()[-12:]

    def add_component(self, name: str, status: str = "operational", group: bool = False) -> str:
        """Set-up: adds a component, or a group of components. Returns its id."""
        id, now = self.key(), self.now()
        self.components[id] = {
            "id": id, "page_id": self.page_id, "name": name, "status": status, "group": group, "group_id": None,
            "description": None, "position": len(self.components) + 1, "showcase": True,
            "only_show_if_degraded": False, "created_at": now, "updated_at": now,
        }  # fmt: skip
        return id

    # Changes on the page, by the API or by a person.

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
            self._emit(Event(incident=incident))

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
                    self._emit(Event(component=component, old=old))
        return moved

    def impact(self, incident: dict[str, Any]) -> str:
        """The incident's impact: the override if there is one, else computed from the components' present statuses."""
        if incident["impact_override"]:
            return str(incident["impact_override"])
        if incident["scheduled_for"]:
            return "maintenance"
        statuses = [self.components[c]["status"] for c in incident["_components"] if c in self.components]
        return max((IMPACT_OF[s] for s in statuses), key=GRAVITY.index, default="none")

    def set_component(self, component_id: str, status: str) -> None:
        """Sets a component's status alone: the `updated_at` of its incident does not change."""
        component = self.components[component_id]
        old = component["status"]
        component.update(status=status, updated_at=self.now())
        if old != status:
            self._emit(Event(component=component, old=old))

    def _emit(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)
