"""Authentication and authorisation: bearer tokens, their scopes, and a limit on wrong ones.

A wrong token costs one indexed read. An address that sends `LIMIT` of them within `WINDOW` seconds is answered 429
without a read until the window ends, except for a token that was valid when last seen (other clients may share the
address, behind a NAT or a proxy that is not configured). Counted per process, for at most `ADDRESSES` addresses.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict

from flask import Request

from hub.ports import Clock
from hub.store import tokens
from hub.store.tokens import Grant
from hub.store.unit import Store
from hub.web.problems import Problem

LIMIT, WINDOW = 20, 60.0
ADDRESSES = 10_000
_REALM = 'Bearer realm="lockstep"'


def network(address: str | None) -> str:
    """What counts as one address: an IPv4 address, or an IPv6 /64, because one subscriber has a whole /64."""
    try:
        parsed = ipaddress.ip_address((address or "").split("%")[0])
    except ValueError:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))


class Failures:
    """Counts wrong tokens by address. Bounded: the address seen least recently is dropped first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._good: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, address: str) -> float:
        """Seconds until this address may try again; 0 = now."""
        with self._lock:
            since, count = self._counts.get(address, (0.0, 0))
            left = since + WINDOW - self._clock.monotonic()
            return left if count >= LIMIT and left > 0 else 0.0

    def failed(self, address: str, token_hash: str) -> None:
        """Counts a wrong token from this address."""
        with self._lock:
            now = self._clock.monotonic()
            since, count = self._counts.pop(address, (now, 0))
            self._counts[address] = (since, count + 1) if now - since < WINDOW else (now, 1)
            self._good.pop(token_hash, None)
            if len(self._counts) > ADDRESSES:
                self._counts.popitem(last=False)

    def succeeded(self, token_hash: str) -> None:
        """Remembers that this token was valid."""
        with self._lock:
            self._good[token_hash] = None
            self._good.move_to_end(token_hash)
            if len(self._good) > 1_000:
                self._good.popitem(last=False)

    def known(self, token_hash: str) -> bool:
        """Whether this token was valid when last seen."""
        return token_hash in self._good


class Access:
    """Authenticates and authorises requests."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._failures = Failures(clock)

    def require(self, request: Request, scope: str) -> Grant:
        """The grant behind the request's token. Raises Problem 401, 403 or 429; StoreUnavailable."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Problem(
                401,
                "send `Authorization: Bearer ls_...` with a token of this hub (`lockstep token create`)",
                headers={"WWW-Authenticate": _REALM},
            )
        address, digest = network(request.remote_addr), tokens.hashed(token)
        if (wait := self._failures.wait(address)) and not self._failures.known(digest):
            raise Problem(
                429,
                f"{LIMIT} invalid tokens came from your address; wait the seconds given in Retry-After",
                headers={"Retry-After": str(int(wait) + 1)},
            )
        grant = tokens.check(self._store, self._clock, token)
        if grant is None:
            self._failures.failed(address, digest)
            raise Problem(
                401,
                "the token is unknown, expired or revoked; make one with `lockstep token create`",
                headers={"WWW-Authenticate": f'{_REALM}, error="invalid_token"'},
            )
        self._failures.succeeded(digest)
        if not grant.allows(scope):
            raise Problem(
                403,
                f"the token lacks the scope {scope!r}; make one with `lockstep token create NAME --scope {scope}`",
                headers={"WWW-Authenticate": f'{_REALM}, error="insufficient_scope", scope="{scope}"'},
            )
        return grant
