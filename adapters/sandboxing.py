"""Base of every vendor's stand-in (`adapters/<vendor>/sandbox/`).

A stand-in is a stateful Flask application that behaves as the vendor's documents say, awkward parts included. It runs
in three ways: served on loopback (the demo, the engine tests), called in process through a `requests` or httpx
transport (the simulation, the contract suite), and read directly by a test. It uses nothing of the hub's engine: it
sends webhooks by putting them into `outgoing`, and the sender follows the vendor's own retry rules.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.client import responses as reasons
from typing import Any
from urllib.parse import urlsplit

import requests
from flask import Flask, Response, request
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from hub.ports import Clock, Ids


@dataclass
class Outgoing:
    """One webhook to deliver: POST `body` with `headers` to `url`. id: the vendor's delivery id. about: the id of the
    changed object (a vendor that keeps order keeps it per object)."""

    id: str
    url: str
    headers: dict[str, str]
    body: bytes
    about: str
    made_at: datetime
    attempt: int = 0


@dataclass
class Fault:
    """An injected fault, used up by the next `times` requests for which `match` (method, path) is true.

    kind: "status" (respond with `status` and `headers`, nothing happens), "lost" (nothing arrives: the client sees a
    time-out), "late" (the vendor acts, the client sees a time-out), "later" (the client sees a time-out, and the vendor
    acts only when `Sandbox.settle()` is called: a create that lands late).
    """

    kind: str
    times: int = 1
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    match: Callable[[str, str], bool] = lambda method, path: True


class TimedOut(requests.ReadTimeout):
    """The client's read timed out."""


@dataclass
class Sandbox:
    """Base of a stand-in. A vendor's subclass registers `app`'s routes in `__post_init__` (after
    `super().__post_init__()`), keeps its state in plain attributes, and has methods for people's actions in the
    vendor's pages (`people_set_status(...)`).

    calls: every API request that arrived (method, path with query), for tests that count.
    """

    clock: Clock
    ids: Ids
    base_url: str = "http://127.0.0.1"
    rate_limited: bool = True
    app: Flask = field(init=False)
    outgoing: list[Outgoing] = field(default_factory=list, init=False)
    faults: list[Fault] = field(default_factory=list, init=False)
    calls: list[tuple[str, str]] = field(default_factory=list, init=False)
    down: bool = field(default=False, init=False)
    landing: list[Callable[[], Any]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.app = Flask(type(self).__module__)
        self.app.json.sort_keys = False  # type: ignore[attr-defined]
        self.app.before_request(self._before)

    def _before(self) -> Response | None:
        path = request.full_path.rstrip("?")
        self.calls.append((request.method, path))
        if self.down:
            return Response("service unavailable", status=503)
        for fault in self.faults:
            if fault.kind == "status" and fault.times > 0 and fault.match(request.method, request.path):
                fault.times -= 1
                return Response(fault.body, status=fault.status, headers=fault.headers)
        return None

    def settle(self) -> None:
        """Does the work that was accepted but is not done yet ("later" faults, asynchronous work)."""
        while self.landing:
            self.landing.pop(0)()

    def emit(self, url: str, body: bytes, headers: Mapping[str, str], about: str, id: str | None = None) -> None:
        self.outgoing.append(Outgoing(id or self.ids.new(), url, dict(headers), body, about, self.clock.now()))

    def _fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.kind in ("lost", "late", "later") and fault.times > 0 and fault.match(method, path):
                fault.times -= 1
                return fault
        return None

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """One in-process HTTP exchange, faults included. Raises TimedOut."""
        parts = urlsplit(url)
        fault = self._fault(method, parts.path)
        if fault and fault.kind == "lost":
            raise TimedOut("read timed out")
        if fault and fault.kind == "later":
            self.landing.append(lambda: call_wsgi(self.app, method, url, headers, body))
            raise TimedOut("read timed out")
        answer = call_wsgi(self.app, method, url, headers, body)
        if fault and fault.kind == "late":
            raise TimedOut("read timed out")
        return answer

    def requests_adapter(self) -> BaseAdapter:
        """For `Wire.mounts`: requests to this vendor stay in process."""
        return InProcess(self)


def call_wsgi(
    app: Callable[..., Iterable[bytes]], method: str, url: str, headers: Mapping[str, str], body: bytes
) -> tuple[int, list[tuple[str, str]], bytes]:
    """Calls a WSGI application with one request; returns (status, headers, body)."""
    from urllib.parse import unquote

    parts = urlsplit(url)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(parts.path).encode().decode("latin-1"),
        "REQUEST_URI": parts.path + (f"?{parts.query}" if parts.query else ""),
        "RAW_URI": parts.path,
        "QUERY_STRING": parts.query,
        "SERVER_NAME": parts.hostname or "localhost",
        "SERVER_PORT": str(parts.port or (443 if parts.scheme == "https" else 80)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": parts.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "CONTENT_LENGTH": str(len(body)),
    }
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        if key == "CONTENT_TYPE":
            environ["CONTENT_TYPE"] = value
        elif key != "CONTENT_LENGTH":
            environ[f"HTTP_{key}"] = value
    seen: dict[str, Any] = {}

    def start_response(status: str, response_headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        seen["status"], seen["headers"] = int(status.split()[0]), response_headers
        return lambda data: None

    chunks = app(environ, start_response)
    try:
        content = b"".join(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close:
            close()
    return seen["status"], seen["headers"], content


class InProcess(BaseAdapter):
    """A `requests` transport adapter that passes every request to a stand-in."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__()
        self.sandbox = sandbox

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        body = request.body or b""
        if isinstance(body, str):
            body = body.encode()
        headers = {k: v if isinstance(v, str) else v.decode() for k, v in request.headers.items()}
        status, answer_headers, content = self.sandbox.exchange(
            request.method or "GET", request.url or "", headers, bytes(body)
        )
        response = requests.Response()
        response.status_code = status
        response.reason = reasons.get(status, "")
        response.headers = CaseInsensitiveDict(answer_headers)
        response.raw = io.BytesIO(content)
        response._content = content
        response.url = request.url or ""
        response.request = request
        response.encoding = requests.utils.get_encoding_from_headers(response.headers)
        return response

    def close(self) -> None:
        return None
