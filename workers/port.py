"""Where the web listens, tried before it is taken.

The WSGI server shares its port with whoever shares it too (its own processes do): a second hub would start there without a
word, and each would take part of the other's webhooks. What cannot be listened at is said in words, before anything starts.
"""

from __future__ import annotations

import errno
import socket

from hub.clock import SystemClock, nap
from workers.parent import GRACE_SECONDS, LOOK_SECONDS

PATIENCE = LOOK_SECONDS + GRACE_SECONDS + 1.5
"""Seconds: as long the processes of a web that was killed may still hold its port."""


class NoPlace(RuntimeError):
    """The web cannot listen there; the text says why, and what to do."""


class Taken(NoPlace):
    """Another program listens there."""


def place(host: str, port: int, *, shared: bool = False, patience: float = PATIENCE) -> str:
    """The IP address of `host`, where `port` is free. shared: other processes of the same hub may be there already.
    patience: seconds that processes which may be about to end have for it. Raises NoPlace."""
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
    """(address family, IP address): IPv4 before IPv6, because that is what `localhost` is to most who call."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, ValueError):
        raise NoPlace(f"--host {host}: this machine knows no such name or address") from None
    family, *_, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    return family, str(address[0])


def _free(family: int, address: str, port: int, *, shared: bool) -> bool:
    """Whether a program that shares the port (or does not) could listen there. Raises NoPlace where nobody could."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that have just ended hold up nobody
        if shared:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            probe.bind((address, port))
        except OSError as e:
            if e.errno == errno.EADDRINUSE:
                return False
            raise NoPlace(_why_not(e, address, port)) from None
    return True


def _why_not(error: OSError, address: str, port: int) -> str:
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--host {address}: not an address of this machine; 127.0.0.1 is for itself alone, 0.0.0.0 for everybody"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} is for the system's administrator; choose one from 1024 on with --port"
    return f"nothing can listen at {address}, port {port}: {error.strerror}"
