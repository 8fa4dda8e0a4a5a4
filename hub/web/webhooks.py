"""Receives webhooks: `POST /in/<connection>` and `/in/<connection>/<anything>` (a GET only where the vendor's handshake
is one). Runs before Flask, so that a webhook costs no routing, session or context: only reading it, verifying it, and
the one commit in `hub.sync.inbound.intake`.

| request | response |
|---|---|
| authentic, whatever its content, and every repeat | 2xx: the adapter's own reply, else 202 |
| an invalid signature | 401 (counted per connection, and reported by `lockstep doctor`) |
| a connection that is not configured | 404 |
| a connection that is left out (its client library is not installed) | 503 with Retry-After |
| a connection whose secret to verify webhooks is not set | 503 with Retry-After; not counted as an invalid signature |
| another method | 405 |
| more than `MAX_BODY` bytes (or `max_body_bytes` of the connection) | 413, without reading the whole body |
| any failure in the hub | 503 with Retry-After: the one status after which every sender repeats the webhook |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import structlog

from hub.domain.errors import InvalidSignature
from hub.domain.values import Reply, Request
from hub.ports import Replies
from hub.store.unit import StoreUnavailable
from hub.sync.hub import Hub, NoSuchConnection
from hub.sync.inbound import intake
from hub.web import bodies
from hub.web.metrics import WEBHOOKS
from hub.web.problems import TYPE, Problem, phrase, render, unavailable

PREFIX = "/in/"

MAX_BODY = 1024 * 1024
"""Bytes of a webhook, unless the connection sets `max_body_bytes`. Vendors send some 100 KiB at most."""

NOT_SERVED = "this connection cannot be served now; send it again"

_REPEATED = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOG = structlog.get_logger("hub.web.webhooks")

WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def request_id(given: str | None, hub: Hub) -> str:
    """The sender's X-Request-Id if it is at most 64 letters, digits and `._-`, else a new id."""
    return given if given and _REPEATED.fullmatch(given) else hub.ids.new()


def connection_of(path: str) -> str:
    """The name of the connection whose webhooks are sent to this path."""
    return path[len(PREFIX) :].partition("/")[0]


def limit(hub: Hub, connection: str) -> int:
    """Bytes that a webhook of the connection may have."""
    known = hub.config.connections.get(connection)
    return (known.settings.get("max_body_bytes") if known else None) or MAX_BODY


class Webhooks:
    """A WSGI application: answers webhooks, and passes every other request to `inner`."""

    def __init__(self, hub: Hub, inner: WSGI) -> None:
        self._hub = hub
        self._inner = inner

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if not path.startswith(PREFIX):
            return self._inner(environ, start_response)
        name = request_id(environ.get("HTTP_X_REQUEST_ID"), self._hub)
        connection = connection_of(path)
        try:
            reply = self._accept(connection, environ, name)
            status, body, kind, more = reply.status, reply.body, reply.content_type, {}
        except Problem as problem:
            status, body, kind, more = problem.status, render(problem, name), TYPE, problem.headers
            remedy = {
                413: "if the vendor sends bodies of that size, raise max_body_bytes of the connection in lockstep.toml"
            }.get(status)
            _LOG.info("webhook refused", connection=connection[:80], status=status, error=problem.detail, remedy=remedy, request_id=name)  # fmt: skip
        WEBHOOKS.labels(connection if connection in self._hub.config.connections else "unknown", str(status)).inc()
        headers = [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("X-Request-Id", name),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-store"),
            ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
            *more.items(),
        ]
        start_response(f"{status} {phrase(status)}", headers)
        return [body]

    def _accept(self, connection: str, environ: dict[str, Any], name: str) -> Reply:
        hub, method = self._hub, environ["REQUEST_METHOD"]
        if connection in hub.left_out:
            _LOG.warning("webhook of a connection that is left out", connection=connection, why=hub.left_out[connection].what, remedy=hub.left_out[connection].remedy, request_id=name)  # fmt: skip
            raise unavailable(NOT_SERVED)
        adapter = hub.adapters.get(connection)
        if adapter is None:
            raise Problem(404, "there is no connection of that name")
        if method != "POST" and not (method == "GET" and isinstance(adapter, Replies)):
            raise Problem(405, "send webhooks with POST", headers={"Allow": "POST"})
        try:
            request = read(environ, limit(hub, connection), hub)
            return intake.accept(hub, connection, request)
        except Problem:
            raise
        except intake.SecretMissing as e:
            _LOG.warning("webhook not verified: its secret is not set", connection=connection, secret=str(e), remedy="set it; `lockstep doctor --part connections` names the connection's missing secrets", request_id=name)  # fmt: skip
            raise unavailable(NOT_SERVED) from None
        except InvalidSignature:
            # the intake logs the reason; the response has nothing that would help an attacker to sign
            _LOG.warning(
                "webhook refused: invalid signature",
                connection=connection,
                remote=environ.get("REMOTE_ADDR"),
                request_id=name,
            )
            raise Problem(401, "the signature is invalid") from None
        except NoSuchConnection:
            raise Problem(404, "there is no connection of that name") from None
        except StoreUnavailable as e:
            _LOG.error("the webhook could not be stored", connection=connection, error=str(e), request_id=name)
            raise unavailable("the hub cannot store the webhook now; send it again") from None
        except Exception:
            _LOG.exception("the webhook could not be received", connection=connection, request_id=name)
            raise unavailable("the hub cannot receive the webhook now; send it again") from None


def read(environ: dict[str, Any], most: int, hub: Hub) -> Request:
    """The request as a plain value: header names in lower case, the body raw, text without NUL.

    Raises Problem 413 (before reading, if Content-Length is given) or 400 (the sender hung up, or more than 100 query
    parameters).
    """
    body = bodies.whole(environ, most)
    try:
        query = dict(parse_qsl(_clean(environ.get("QUERY_STRING", "")), keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise Problem(400, "the query has more than 100 parameters") from None
    return Request(
        method=environ["REQUEST_METHOD"],
        path=_clean(environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")),
        query={_clean(name): _clean(value) for name, value in query.items()},
        headers=_headers(environ),
        body=body,
        received_at=hub.clock.now(),
    )


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    headers = {
        name[5:].replace("_", "-").lower(): _clean(value) for name, value in environ.items() if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    return headers


def _clean(text: str) -> str:
    """The text without NUL, which PostgreSQL does not store."""
    return text.replace("\x00", "") if "\x00" in text else text
