"""Checks that the web can listen at an address before it starts.

The WSGI server sets SO_REUSEPORT for its own processes: a second hub would start on the same port without an error, and each
would receive part of the other's webhooks. Every reason why the web cannot listen is reported before anything starts.
"""

from __future__ import annotations

import errno
import socket

from hub.clock import SystemClock, nap
from workers.parent import CHECK_SECONDS, GRACE_SECONDS

PATIENCE = CHECK_SECONDS + GRACE_SECONDS + 1.5
"""Seconds for which the processes of a web that was killed may still hold its port."""


class CannotListen(RuntimeError):
    """The web cannot listen there; the text says why, and what to do."""


class Taken(CannotListen):
    """Another program listens there."""


def place(host: str, port: int, *, shared: bool = False, patience: float = PATIENCE) -> str:
    """The IP address of `host`, where `port` is free. shared: other processes of the same hub may listen there already.
    patience: seconds to wait for processes that may be about to end. Raises CannotListen."""
    family, address = _resolved(host, port)
    clock = SystemClock()
    until = clock.monotonic() + patience
    while not _free(family, address, port, shared=shared):
        may_end = not shared and _free(family, address, port, shared=True)  # a web's processes share it; others do not
        if not may_end or clock.monotonic() >= until:
            raise Taken(f"port {port} is taken by another program; choose another with --port")
        nap(0.1)
    return address


def _resolved(host: str, port: int) -> tuple[int, str]:
    """(address family, IP address): IPv4 before IPv6, which most callers mean by `localhost`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, ValueError):
        raise CannotListen(f"--host {host}: this name cannot be resolved; give an address of this machine") from None
    family, *_, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    return family, str(address[0])


def _free(family: int, address: str, port: int, *, shared: bool) -> bool:
    """Whether a program that shares the port (or does not) could listen there. Raises CannotListen where none could."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that have just ended do not count
        if shared:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            probe.bind((address, port))
        except OSError as e:
            if e.errno == errno.EADDRINUSE:
                return False
            raise CannotListen(_reason(e, address, port)) from None
    return True


def _reason(error: OSError, address: str, port: int) -> str:
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--host {address}: not an address of this machine; use 127.0.0.1 (local access only) or 0.0.0.0 (all interfaces)"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} is reserved for root; choose one above 1023 with --port"
    return f"cannot listen at {address}, port {port}: {error.strerror}"
