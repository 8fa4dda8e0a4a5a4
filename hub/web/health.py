"""Liveness, readiness and metrics, for load balancers, orchestrators and Prometheus.

| path | 200 means |
|---|---|
| `/health/live` | the process answers |
| `/health/ready` | the database answers, and has the tables that this version needs (or newer ones: a rolling restart) |
| `/metrics` | see `hub.web.metrics`; shows names of connections and counts, no content: keep it inside your network |

`/health/ready` also reports what makes the hub slower. That does not make it unready: a web that a load balancer takes
out of service would lose webhooks that it can store. `redis`: "up", "refuses writes", "down" (in both the workers poll
the database) or "none". `oldest_due_seconds`: for how long the longest overdue row has waited for a worker; `working`
is false above `STALLED_SECONDS`, which high load alone does not reach. Redis is never required.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from flask import Flask, Response
from prometheus_client import CONTENT_TYPE_LATEST

from hub.store import figures, migrate
from hub.store.unit import StoreUnavailable
from hub.sync.hub import Hub
from hub.sync.sweep import STALLED_SECONDS
from hub.web import metrics

READY = (migrate.HEAD, migrate.AHEAD)


def mount(app: Flask, hub: Hub, redis_state: Callable[[], str] | None) -> None:
    """Adds the three routes. redis_state: see `hub.web.app.create_app`."""

    def redis() -> str:
        return redis_state() if redis_state is not None else "none"

    def live() -> Response:
        return _json(200, {"alive": True})

    def ready() -> Response:
        found: dict[str, Any] = {"redis": redis()}
        try:
            found["tables"] = migrate.state(hub.store)
            found["database"] = "up"
            if found["tables"] == migrate.HEAD:
                age = figures.oldest_due(hub.store, hub.clock.now())
                found |= {"oldest_due_seconds": round(age, 1), "working": age <= STALLED_SECONDS}
        except StoreUnavailable:
            found["database"] = "down"
        is_ready = found.get("tables") in READY
        return _json(200 if is_ready else 503, {"ready": is_ready, **found})

    def prometheus() -> Response:
        return Response(metrics.render(hub.store, hub.clock, redis()), content_type=CONTENT_TYPE_LATEST)

    for path, view in (("/health/live", live), ("/health/ready", ready), ("/metrics", prometheus)):
        app.add_url_rule(path, view_func=view, methods=["GET"])


def _json(status: int, document: dict[str, Any]) -> Response:
    return Response(json.dumps(document), status=status, content_type="application/json")
