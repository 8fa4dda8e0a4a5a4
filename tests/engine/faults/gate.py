"""A proxy between the hub and one vendor: it passes everything until its mode makes it behave like a failing vendor."""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DEADLINE = 60.0
"""Seconds after which a silent vendor too closes a connection."""

NONSENSE = b"\x00\xff<html>{'this': is no answer</html>"


def _secured(plain: socket.socket, folder: Path) -> socket.socket:
    """The socket behind TLS, with a self-signed certificate."""
    key, certificate = folder / "gate.key", folder / "gate.crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True, timeout=60, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)


class Gate:
    """mode: `pass`; `silent` (accepts the request, does nothing, never answers); `hold` (the vendor acts, the answer waits until
    the mode changes); `garbage` (the vendor acts, the answer is 200 with a malformed body).

    match: (method, path) → whether the mode applies to that request; by default to every one.
    held: the client's port of each request that is waiting for its answer. spoilt: number of requests that it applied to.
    """

    def __init__(self, target: int, untrusted: Path | None = None) -> None:
        """untrusted: a folder for a self-signed certificate, which no client trusts; then the gate accepts TLS only."""
        self.target = target
        self._scheme = "http" if untrusted is None else "https"
        self.mode = "pass"
        self.match: Callable[[str, str], bool] = lambda method, path: True
        self.held: set[int] = set()
        self.spoilt = 0
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._requests())
        self._server.daemon_threads = True
        if untrusted is not None:
            self._server.socket = _secured(self._server.socket, untrusted)
        self.port = self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @contextmanager
    def served(self) -> Iterator[None]:
        threading.Thread(target=self._server.serve_forever, name="gate", daemon=True).start()
        try:
            yield
        finally:
            self.set("pass")
            self._server.shutdown()
            self._server.server_close()

    def set(self, mode: str) -> None:
        with self._changed:
            self.mode = mode
            self._changed.notify_all()

    def wait(self, port: int) -> None:
        """Waits until the mode changes."""
        with self._changed:
            self.held.add(port)
            mode = self.mode
            self._changed.wait_for(lambda: self.mode != mode, DEADLINE)
            self.held.discard(port)

    def _requests(self) -> type[BaseHTTPRequestHandler]:
        gate = self

        class Requests(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                return None

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                mode = gate.mode if gate.match(self.command, self.path.split("?")[0]) else "pass"
                gate.spoilt += mode != "pass"
                if mode == "silent":
                    gate.wait(self.client_address[1])
                    self.close_connection = True
                    return
                status, headers, answer = self._forward(body)
                if mode == "hold":
                    gate.wait(self.client_address[1])
                elif mode == "garbage":
                    status, headers, answer = 200, [("Content-Type", "application/json")], NONSENSE
                try:
                    self._answer(status, headers, answer)
                except OSError:  # the client has closed
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any

            def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
                upstream = http.client.HTTPConnection("127.0.0.1", gate.target, timeout=30)
                try:
                    upstream.request(self.command, self.path, body or None, dict(self.headers.items()))
                    answer = upstream.getresponse()
                    return answer.status, answer.getheaders(), answer.read()
                finally:
                    upstream.close()

            def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                if status not in (204, 304):
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if status not in (204, 304):
                    self.wfile.write(body)

        return Requests
