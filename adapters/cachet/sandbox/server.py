"""The stand-in Cachet as one object: its state served over HTTP, and people's actions in its dashboard.

It sends no webhooks, and serves one request at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from adapters.cachet.sandbox import routes
from adapters.cachet.sandbox.state import State
from adapters.sandboxing import Sandbox


@dataclass
class CachetSandbox(State, Sandbox):
    """The state, served over HTTP."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._lock = threading.RLock()
        routes.add(self.app, self)
        inner = self.app.wsgi_app

        def one_at_a_time(environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
            with self._lock:
                return inner(environ, start_response)

        self.app.wsgi_app = one_at_a_time  # type: ignore[method-assign]

    def snapshot(self, id: str) -> dict[str, Any]:
        """What a visitor sees of the incident, in the page's values."""
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

    # People's actions in Cachet's own dashboard.

    def people_open(self, name: str, message: str = "Something is wrong.", **more: Any) -> str:
        with self._lock:
            components = [{"id": int(c), "status": s} for c, s in more.pop("components", {}).items()]
            wanted = {"name": name, "message": message, "status": 1, "visible": 1, "components": components, **more}
            return str(self.make(wanted)["id"])

    def people_set(self, id: str, **attributes: Any) -> None:
        """Sets name, message, status or visible directly, without an update."""
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
        """Creates a scheduled maintenance: another kind of object, in another list. Returns its id."""
        with self._lock:
            id = self.number()
            self.schedules[id] = {"id": id, "name": name, "status": 0, "created": self.stamp()}
            return str(id)
