"""The web as one WSGI application: webhooks first (`hub.web.webhooks`), then the JSON API, its OpenAPI document and
health."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from hub.store.unit import StoreUnavailable
from hub.sync.hub import Hub
from hub.web import health, openapi, operations
from hub.web.access import Access
from hub.web.api import OPERATIONS
from hub.web.metrics import REQUESTS
from hub.web.problems import TYPE, Problem, render, unavailable
from hub.web.webhooks import Webhooks, request_id

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Set on every response that does not set them itself."""

_LOG = structlog.get_logger("hub.web")


def create_app(hub: Hub, *, redis_state: Callable[[], str] | None = None, trusted_proxies: int = 0) -> Flask:
    """The application of one process.

    redis_state: "up", "refuses writes" or "down", as of now; None = this hub runs without Redis.
    trusted_proxies: the number of your own reverse proxies in front of it; that many entries of X-Forwarded-For are
    trusted.
    """
    app = Flask("hub.web", static_folder=None)
    app.before_request(lambda: _begin(hub))
    app.after_request(_end)
    app.register_error_handler(Problem, _problem)
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(StoreUnavailable, _unavailable)
    app.register_error_handler(Exception, _failed)
    operations.mount(app, hub, Access(hub.store, hub.clock), OPERATIONS)
    health.mount(app, hub, redis_state)
    document = app.json.dumps(openapi.document(OPERATIONS, hub.config.base_url))
    app.add_url_rule(
        "/api/openapi.json", "openapi", lambda: Response(document, content_type="application/json"), methods=["GET"]
    )
    wsgi: Any = Webhooks(hub, app.wsgi_app)
    if trusted_proxies:
        wsgi = ProxyFix(wsgi, x_for=trusted_proxies, x_proto=trusted_proxies, x_host=trusted_proxies)
    app.wsgi_app = wsgi  # type: ignore[method-assign]
    return app


def _begin(hub: Hub) -> None:
    g.request_id = request_id(request.headers.get("X-Request-Id"), hub)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _end(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-Id"] = g.request_id
    if request.path.startswith("/api/"):
        REQUESTS.labels(str(response.status_code)).inc()
        _LOG.info("api", method=request.method, path=request.path, status=response.status_code, actor=g.get("actor"))
    return response


def _problem(problem: Problem) -> Response:
    return Response(render(problem, g.request_id), problem.status, problem.headers, content_type=TYPE)


def _refused(refusal: HTTPException) -> Response:
    """An error that Flask itself raises: an unknown path, a wrong method."""
    details = {
        404: "no resource has this path; `/api/openapi.json` lists them",
        405: "the resource does not support this method",
    }
    status = refusal.code or 500
    headers = {name: value for name, value in refusal.get_headers() if name == "Allow"}
    return _problem(Problem(status, details.get(status, refusal.name.lower()), headers=headers))


def _unavailable(error: StoreUnavailable) -> Response:
    _LOG.error("the database cannot be reached", error=str(error))
    return _problem(unavailable("the hub cannot reach its database; nothing was changed; repeat the request"))


def _failed(error: Exception) -> Response:
    """An error in the hub: its traceback goes to the log only."""
    _LOG.exception("request failed", exc_info=error)
    return _problem(Problem(500, "internal error; the hub's log has its traceback under this request id"))
