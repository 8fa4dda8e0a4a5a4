"""A small closed-loop load generator: each connection sends its next request as soon as the last one is answered.

One thread, one selector, and requests made before the clock starts keep the generator's cost small and equal for both sides.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


class BadAnswer(RuntimeError):
    """The server did not answer with 2xx."""


@dataclass
class Load:
    """seconds: from the first request to the last answer. latencies: seconds of each request."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds if self.seconds else 0.0


def post(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """The bytes of one request."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def run(port: int, requests: Sequence[bytes], connections: int = 8) -> Load:
    """Sends all requests. Raises BadAnswer."""
    load, waiting = Load(), iter(requests)
    selector = selectors.DefaultSelector()
    began = time.perf_counter()
    for _ in range(min(connections, len(requests))):
        peer = _Peer(socket.create_connection(("127.0.0.1", port), timeout=20))
        selector.register(peer.socket, selectors.EVENT_READ, peer)
        peer.send(next(waiting))
    while selector.get_map():
        for key, _ in selector.select(20):
            _read(key.data, waiting, selector, load)
    load.seconds = time.perf_counter() - began
    return load


@dataclass
class _Peer:
    socket: socket.socket
    seen: bytes = b""
    sent: float = 0.0

    def send(self, request: bytes) -> None:
        self.seen, self.sent = b"", time.perf_counter()
        self.socket.sendall(request)


def _read(peer: _Peer, waiting: Iterator[bytes], selector: selectors.BaseSelector, load: Load) -> None:
    more = peer.socket.recv(65536)
    peer.seen += more
    head, end, body = peer.seen.partition(b"\r\n\r\n")
    if not more:
        raise BadAnswer(f"the server hung up after {peer.seen[:200]!r}")
    if not end or len(body) < _length(head):
        return
    load.latencies.append(time.perf_counter() - peer.sent)
    if not head.startswith(b"HTTP/1.1 2"):
        raise BadAnswer(head.decode("latin-1"))
    request = next(waiting, None)
    if request is None:
        selector.unregister(peer.socket)
        peer.socket.close()
    else:
        peer.send(request)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":", 1)[1])
    return 0
