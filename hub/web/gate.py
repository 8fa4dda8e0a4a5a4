"""Stands between the server's threads and the application (`wsgi:app`), so that a client that sends its body slowly, or
never ends it, holds one waiting thread and nothing else.

The body is read here, whole, up to the limit of its path; only then does a request take one of the few slots in which
the hub works on requests. Their number is measured (`hub.cli.running`); a thread that waits for a body costs next to
nothing.

| request | what happens |
|---|---|
| `/health/...` | passed on at once: no body is read, no slot is needed |
| no body, or a Content-Length above the limit | waits for a slot, and is passed on unread |
| a body, while `half_sent` others are being read | 503 with Retry-After, unread |
| any other body | is read, then waits for a slot |

The server has no deadline for a body: one that never ends holds its thread until its sender hangs up. There are more threads
than bodies that may be read at the same time, so that the other threads still answer.
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
    at the same time. half_sent: bodies that are read at the same time."""

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
        """Bytes that a body sent to this path may have."""
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
    """Whether a body follows. HTTP/1 declares it in a header; later versions may send one without."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        return True
    announced = environ.get("CONTENT_LENGTH") or None
    if announced is None:
        return not environ["SERVER_PROTOCOL"].startswith("HTTP/1")
    return announced != "0"


def _read(environ: dict[str, Any], limit: int) -> None:
    """Reads the body into memory, as `wsgi.input`. The application refuses a body of one byte more than the limit, or
    of less than Content-Length."""
    announced = get_content_length(environ)
    if announced is not None and announced > limit:
        body = b""
    else:
        body = environ["wsgi.input"].read(limit + 1 if announced is None else announced)
    environ["wsgi.input"] = io.BytesIO(body)
    if announced is not None:  # so that werkzeug compares the length, and detects a sender that hung up early
        environ.pop("wsgi.input_terminated", None)
