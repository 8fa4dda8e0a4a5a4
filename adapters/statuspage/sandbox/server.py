"""The stand-in Statuspage as one object: its state served over HTTP, its notifications, and people's actions in its
pages.

It serves one request at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from adapters.sandboxing import Sandbox
from adapters.statuspage.sandbox import routes
from adapters.statuspage.sandbox.state import State
from adapters.statuspage.sandbox.webhooks import Webhooks
from adapters.statuspage.wire import STATUS_WORDS


@dataclass
class StatuspageSandbox(State, Sandbox):
    """The state, served over HTTP."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._lock = threading.RLock()
        self._webhooks = Webhooks(self, self.emit)
        self.listeners.append(self._webhooks.publish)
        routes.add(self.app, self)
        inner = self.app.wsgi_app

        def one_at_a_time(environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
            with self._lock:
                return inner(environ, start_response)

        self.app.wsgi_app = one_at_a_time  # type: ignore[method-assign]

    def delivery_failed(self, url: str) -> None:
        """Records that a notification to `url` was given up; an endpoint that fails often is quarantined."""
        self._webhooks.delivery_failed(url)

    def snapshot(self, id: str) -> dict[str, Any]:
        """What a visitor sees of the incident, in the page's values."""
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

    # People's actions in Statuspage's own pages.

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
        """Sets the whole list of an incident's components, without publishing a text."""
        with self._lock:
            left = dict.fromkeys(set(self.incidents[id]["_components"]) - set(components), "operational")
            wanted = {"components": {**left, **components}, "component_ids": sorted(components)}
            self.change(self.incidents[id], wanted)

    def people_set_component(self, component_id: str, status: str) -> None:
        """Sets a component's status alone: the `updated_at` of its incident does not change."""
        with self._lock:
            self.set_component(component_id, status)

    def people_delete(self, id: str) -> None:
        with self._lock:
            del self.incidents[id]
