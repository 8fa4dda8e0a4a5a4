"""Is this process alive, can it do its work, and how is everything: for load balancers, orchestrators and Prometheus.

| path | 200 means |
|---|---|
| `/health/live` | the process answers |
| `/health/ready` | the database answers, and has the tables that this version needs (or newer ones: a rolling restart) |
| `/metrics` | see `hub.web.metrics`; holds names of connections and counts, no content: keep it inside your network |

Redis is reported and never required: without it the hub is slower, not wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from flask import Flask, Response
from prometheus_client import CONTENT_TYPE_LATEST

from hub.store import migrate
from hub.store.unit import StoreUnavailable
from hub.sync.hub import Hub
from hub.web import metrics

READY = (migrate.HEAD, migrate.AHEAD)


def mount(app: Flask, hub: Hub, redis_alive: Callable[[], bool] | None) -> None:
    """Adds the three routes. redis_alive: whether Redis answers; None = this hub runs without one."""

    def live() -> Response:
        return _json(200, {"alive": True})

    def ready() -> Response:
        found: dict[str, Any] = {"redis": "none" if redis_alive is None else "up" if redis_alive() else "down"}
        try:
            found["tables"] = migrate.state(hub.store)
            found["database"] = "up"
        except StoreUnavailable:
            found["database"] = "down"
        is_ready = found.get("tables") in READY
        return _json(200 if is_ready else 503, {"ready": is_ready, **found})

    def figures() -> Response:
        return Response(metrics.render(hub.store, hub.clock), content_type=CONTENT_TYPE_LATEST)

    for path, view in (("/health/live", live), ("/health/ready", ready), ("/metrics", figures)):
        app.add_url_rule(path, view_func=view, methods=["GET"])


def _json(status: int, document: dict[str, Any]) -> Response:
    return Response(json.dumps(document), status=status, content_type="application/json")
