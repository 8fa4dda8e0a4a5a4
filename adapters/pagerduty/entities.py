"""The only module that imports `pypd` (1.1.0, unmaintained): per-connection subclasses of its entities whose
`_do_request` uses the hub's transport. Replacing the library changes only this file. Imported at the first call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pypd

Call = Callable[[str, str, Mapping[str, str], Any, Any], Any]
"""(method, url, headers, params, json) → the JSON object of the response, or None."""


class _Bound:
    """Mixin for pypd's entities: sends their requests through the connection's own `call`."""

    call: Call

    def _do_request(self, method: str, url: str, **kwargs: Any) -> Any:
        return self.call(method, url, kwargs["headers"], kwargs.get("params"), kwargs.get("json"))


def incident_class(call: Call, base_url: str) -> Any:
    """pypd's Incident, with its Note, for one connection. Each connection has its own classes, because pypd's globals
    would mix accounts up."""

    def entity(base: Any, endpoint: str, **more: Any) -> Any:
        fixed = {
            "call": staticmethod(call),
            "endpoint": endpoint,
            "base_url": base_url,
            "api_key": "set by Client.call",
        }
        return type(base.__name__, (_Bound, base), {**fixed, **more})

    return entity(pypd.Incident, "incidents", noteFactory=entity(pypd.Note, "notes"))
