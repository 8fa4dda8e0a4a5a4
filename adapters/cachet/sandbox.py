"""A stand-in for Cachet v3: components, incidents with updates and metadata, schedules, API tokens with abilities.

It behaves as the code of cachethq/core (2026) does, awkward parts included: numbers for words, incidents invisible unless told
otherwise, metadata replaced whole, components changeable only together with an update, names repeat, and an edited or deleted
update drags the incident's status back to that of the newest update. The HTTP side is `sandbox_routes`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adapters.cachet import sandbox_routes
from adapters.sandboxing import Sandbox

ALL_ABILITIES = frozenset(
    {"incidents.manage", "incidents.delete", "incident-updates.manage", "incident-updates.delete", "components.manage"}
)


@dataclass
class CachetSandbox(Sandbox):
    """tokens: API token → its abilities. protected: reading needs a token too (a setting of the installation).
    per_minute: the installation's request limit."""

    base_url: str = "https://status.example.com"
    tokens: dict[str, frozenset[str]] = field(default_factory=lambda: {"1|sandbox-token": ALL_ABILITIES})
    protected: bool = False
    per_minute: int = 300
    version: str = "v3.0.0"
    components: dict[int, dict[str, Any]] = field(default_factory=dict, init=False)
    incidents: dict[int, dict[str, Any]] = field(default_factory=dict, init=False)
    schedules: dict[int, dict[str, Any]] = field(default_factory=dict, init=False)
    window: tuple[datetime | None, int] = field(default=(None, 0), init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._lock = threading.RLock()
        self._numbers = 0
        sandbox_routes.add(self)
        inner = self.app.wsgi_app

        def one_at_a_time(environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
            with self._lock:
                return inner(environ, start_response)

        self.app.wsgi_app = one_at_a_time  # type: ignore[method-assign]

    def number(self) -> int:
        self._numbers += 1
        return self._numbers

    def stamp(self) -> str:
        """Whole seconds, without a zone, as the vendor shows times."""
        return self.clock.now().strftime("%Y-%m-%d %H:%M:%S")

    def add_component(self, name: str, status: int = 1) -> str:
        """Set-up: returns its id, as text."""
        id = self.number()
        self.components[id] = {"id": id, "name": name, "status": status, "enabled": True, "created": self.stamp()}
        return str(id)

    # What happens on the page, whoever asks for it.

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
        """Attributes only: components come in through updates."""
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
        """The incident takes the status of its newest update, if it has one."""
        spoken = [u["status"] for u in incident["updates"] if u["status"] is not None]
        status = spoken[-1] if spoken else incident["baseline"]
        if incident["status"] != status:
            incident.update(status=status, updated=self.stamp())

    def snapshot(self, id: str) -> dict[str, Any]:
        """How the incident looks on the page, in the page's words."""
        incident = self.incidents[int(id)]
        return {
            "id": id,
            "status": incident["status"],
            "severity": None,
            "title": incident["name"],
            "text": incident["message"],
            "comments": [u["message"] for u in incident["updates"]],
            "impacts": {str(c): word for c, word in incident["components"].items()},
        }

    # What people do in the vendor's own dashboard.

    def people_open(self, name: str, message: str = "Something is wrong.", **more: Any) -> str:
        with self._lock:
            components = [{"id": int(c), "status": s} for c, s in more.pop("components", {}).items()]
            wanted = {"name": name, "message": message, "status": 1, "visible": 1, "components": components, **more}
            return str(self.make(wanted)["id"])

    def people_set(self, id: str, **attributes: Any) -> None:
        """Name, message, status, visible: without an update."""
        with self._lock:
            self.change(self.incidents[int(id)], attributes)

    def people_post_update(self, id: str, message: str, status: int | None = None) -> str:
        with self._lock:
            incident = self.incidents[int(id)]
            wanted = {"message": message, "status": incident["status"] if status is None else status}
            return str(self.record(incident, wanted)["id"])

    def people_edit_update(self, id: str, update_id: str, message: str) -> None:
        with self._lock:
            incident = self.incidents[int(id)]
            update = next(u for u in incident["updates"] if u["id"] == int(update_id))
            update.update(message=message, updated=self.stamp())

    def people_delete_update(self, id: str, update_id: str) -> None:
        with self._lock:
            incident = self.incidents[int(id)]
            incident["updates"] = [u for u in incident["updates"] if u["id"] != int(update_id)]

    def people_set_components(self, id: str, components: dict[str, int]) -> None:
        with self._lock:
            self.incidents[int(id)]["components"] = {int(c): s for c, s in components.items()}

    def people_delete(self, id: str) -> None:
        with self._lock:
            del self.incidents[int(id)]

    def people_schedule(self, name: str) -> str:
        """Maintenance: an object of another sort, in another list."""
        with self._lock:
            id = self.number()
            self.schedules[id] = {"id": id, "name": name, "status": 0, "created": self.stamp()}
            return str(id)
