"""The state of the stand-in Cachet (components, incidents with updates and metadata, schedules, API tokens with
abilities) and the rules of its changes.

It includes Cachet's awkward rules: numbers stand for statuses, metadata is replaced whole, components change only
together with an update, names are not unique, and editing or deleting an update sets the incident's status back to that
of its newest update.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.ports import Clock, Ids

ALL_ABILITIES = frozenset(
    {"incidents.manage", "incidents.delete", "incident-updates.manage", "incident-updates.delete", "components.manage"}
)


@dataclass
class State:
    """tokens: API token → its abilities. protected: reading needs a token too (a setting of the installation).
    per_minute: the installation's request limit. window: the start of the current minute, and the requests in it."""

    clock: Clock
    ids: Ids
    base_url: str = "https://status.example.com"
    rate_limited: bool = True
    tokens: dict[str, frozenset[str]] = field(default_factory=lambda: {"1|sandbox-token": ALL_ABILITIES})
    protected: bool = False
    per_minute: int = 300
    version: str = "v3.0.0"
    components: dict[int, dict[str, Any]] = field(default_factory=dict, init=False)
    incidents: dict[int, dict[str, Any]] = field(default_factory=dict, init=False)
    schedules: dict[int, dict[str, Any]] = field(default_factory=dict, init=False)
    window: tuple[datetime | None, int] = field(default=(None, 0), init=False)
    last_number: int = field(default=0, init=False)

    def number(self) -> int:
        self.last_number += 1
        return self.last_number

    def stamp(self) -> str:
        """The time now as the vendor shows it: in whole seconds, without a zone."""
        return self.clock.now().strftime("%Y-%m-%d %H:%M:%S")

    def add_component(self, name: str, status: int = 1) -> str:
        """Set-up: adds a component. Returns its id as a string."""
        id = self.number()
        self.components[id] = {"id": id, "name": name, "status": status, "enabled": True, "created": self.stamp()}
        return str(id)

    # Changes on the page, by the API or by a person.

    def make(self, wanted: dict[str, Any]) -> dict[str, Any]:
        id, now = self.number(), self.stamp()
        incident = {
            "id": id, "guid": f"{self.ids.new()[-12:]}-{id}", "name": wanted["name"], "message": wanted.get("message") or "",
            "status": wanted["status"], "baseline": wanted["status"], "visible": int(wanted.get("visible") or 0),
            "stickied": bool(wanted.get("stickied")), "notifications": bool(wanted.get("notifications")),
            "meta": dict(wanted.get("meta") or {}), "updates": [], "created": now, "updated": now,
            "components": {c["id"]: c["status"] for c in wanted.get("components") or ()},
        }  # fmt: skip
        self.incidents[id] = incident
        return incident

    def change(self, incident: dict[str, Any], wanted: dict[str, Any]) -> None:
        """Changes attributes only; components change through updates."""
        for name in ("name", "message", "status", "visible", "stickied", "notifications"):
            if wanted.get(name) is not None:
                incident[name] = wanted[name]
        if wanted.get("status") is not None:
            incident["baseline"] = wanted["status"]
        if isinstance(wanted.get("meta"), dict):
            incident["meta"] = dict(wanted["meta"])
        incident["updated"] = self.stamp()

    def record(self, incident: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
        now = self.stamp()
        update = {
            "id": self.number(),
            "status": wanted["status"],
            "message": wanted["message"],
            "created": now,
            "updated": now,
        }
        incident["updates"].append(update)
        incident["components"].update({c["id"]: c["status"] for c in wanted.get("components") or ()})
        self.follow(incident)
        return update

    def follow(self, incident: dict[str, Any]) -> None:
        """Sets the incident's status to that of its newest update with a status, else to the one set directly last."""
        spoken = [u["status"] for u in incident["updates"] if u["status"] is not None]
        status = spoken[-1] if spoken else incident["baseline"]
        if incident["status"] != status:
            incident.update(status=status, updated=self.stamp())
