"""Stands between the server's threads and the application (`wsgi:app`), so that whoever sends slowly, or never ends, holds a
thread that waits and nothing else.

The body is read here, whole, up to what may be sent there; only then does a request take one of the few places in which the
hub itself works. How many those are is measured (`hub.cli.running`); threads that wait for a body cost nothing beside them.

| what came | what happens |
|---|---|
| `/health/...` | goes on at once: no body is read, no place is needed |
| no body, or one that is announced as too large | waits for a place, and goes on unread |
| a body, while `half_sent` others are being read | 503 with Retry-After, unread |
| any other body | is read, then waits for a place |

The server has no deadline for a body: one that never ends holds its thread until its sender hangs up. There are more threads
than bodies may be half sent, so that the rest still answers.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from werkzeug.wsgi import get_content_length

from hub.sync.hub import Hub
from hub.web import operations, webhooks
from hub.web.problems import TYPE, phrase, render, unavailable

HALF_SENT = 48
"""Bodies that one process reads at the same time. Fewer than its threads (`workers.serving.THREADS`)."""

_LOG = structlog.get_logger("hub.web.gate")


class Gate:
    """A WSGI application around the hub's own, for a server with many threads. at_once: requests that the hub works on
    at the same time."""

    def __init__(self, hub: Hub, inner: webhooks.WSGI, at_once: int, half_sent: int = HALF_SENT) -> None:
        self._hub = hub
        self._inner = inner
        self._places = threading.Semaphore(at_once)
        self._readers = threading.Semaphore(half_sent)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("PATH_INFO", "").startswith("/health/"):
            return self._inner(environ, start_response)
        if _has_body(environ):
            if not self._readers.acquire(blocking=False):
                return self._full(environ, start_response)
            try:
                _read(environ, self._limit(environ["PATH_INFO"]))
            finally:
                self._readers.release()
        with self._places:
            return self._inner(environ, start_response)

    def _limit(self, path: str) -> int:
        """Bytes that may be sent there."""
        if not path.startswith(webhooks.PREFIX):
            return operations.MAX_BODY
        return webhooks.limit(self._hub, webhooks.connection_of(path))

    def _full(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        name = webhooks.request_id(environ.get("HTTP_X_REQUEST_ID"), self._hub)
        problem = unavailable("too many requests are being sent slowly at the same time; send it again")
        _LOG.warning(
            "too many requests are being sent slowly at the same time", path=environ["PATH_INFO"][:80], request_id=name
        )
        body = render(problem, name)
        headers = [("Content-Type", TYPE), ("Content-Length", str(len(body))), ("X-Request-Id", name)]
        start_response(f"{problem.status} {phrase(problem.status)}", [*headers, *problem.headers.items()])
        return [body]


def _has_body(environ: dict[str, Any]) -> bool:
    """HTTP/1 announces a body; later versions may just send one."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        return True
    announced = environ.get("CONTENT_LENGTH") or None
    if announced is None:
        return not environ["SERVER_PROTOCOL"].startswith("HTTP/1")
    return announced != "0"


def _read(environ: dict[str, Any], limit: int) -> None:
    """Puts the body into memory. The application sees the stream that the server gave, with all that may come at hand: one
    byte more than the limit, or less than was announced, is for it to refuse."""
    announced = get_content_length(environ)
    if announced is not None and announced > limit:
        body = b""
    else:
        body = environ["wsgi.input"].read(limit + 1 if announced is None else announced)
    environ["wsgi.input"] = io.BytesIO(body)
    if announced is not None:  # then whoever hangs up too early is told from whoever has sent all
        environ.pop("wsgi.input_terminated", None)
