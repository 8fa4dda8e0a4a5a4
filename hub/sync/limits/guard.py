"""Wraps every adapter: any exception outside the protocol becomes a `VendorError`, so that it counts against the
connection's health, is shown to people, and is retried with a growing backoff like any other failure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast

from hub.domain.capability import Capabilities
from hub.domain.errors import InvalidSignature, OutcomeUnknown, RetryLater, Unusable, VendorError
from hub.domain.vocabulary import Relation
from hub.ports import Adapter
from hub.redaction import known
from hub.store.faults import Collision, StoreUnavailable

log = logging.getLogger(__name__)

CALLS: Mapping[str, type[VendorError]] = {
    "create": OutcomeUnknown,  # the write may have been sent
    "update": OutcomeUnknown,
    "observe": RetryLater,
    "find": RetryLater,
    "read_fields": RetryLater,
    "history": RetryLater,
    "walk": RetryLater,
    "changed_since": RetryLater,
    "link_back": RetryLater,  # may be repeated without harm, as may `subscribe`
    "subscribe": RetryLater,
    "renew": RetryLater,
    "probe": RetryLater,
}
"""call to the vendor → the error raised when the adapter itself fails in it."""

OTHERS = ("authenticate", "hints", "handshake", "reply", "reactions", "examine", "no_id")
"""Calls passed on unchanged: their callers handle an adapter that fails."""

KNOWN = (VendorError, InvalidSignature, Unusable, StoreUnavailable, Collision)
"""Raised unchanged: the protocol's errors, and those of the store behind an adapter's notebook and secrets."""


class Guard:
    """A guarded adapter. Has exactly the adapter's methods, so that checks for the optional protocols give the same
    result."""

    def __init__(self, connection: str, adapter: Adapter) -> None:
        self._connection, self._adapter = connection, adapter
        self._logged: set[tuple[object, ...]] = set()

    @property
    def capabilities(self) -> Capabilities:
        return self._adapter.capabilities

    @property
    def relations(self) -> Mapping[str, Mapping[str, Relation]]:
        return self._adapter.relations

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)

    def log_once(self, call: str, error: Exception) -> str:
        """Logs an adapter's own failure, once for each place in the code. Returns text for people, without the
        exception's message, which may contain a secret."""
        last = error.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        place = (call, type(error), last and last.tb_frame.f_code.co_filename, last and last.tb_lineno)
        if place not in self._logged:
            self._logged.add(place)
            log.error("an adapter failed", extra={"connection": self._connection, "call": call}, exc_info=error)
        return f"its adapter failed with {type(error).__name__}; see the log"


def guarded(connection: str, adapter: Adapter) -> Adapter:
    """`adapter`, wrapped so that it raises the protocol's errors only."""
    offers = frozenset(name for name in (*CALLS, *OTHERS) if hasattr(adapter, name))
    return cast(Adapter, _guard(offers)(connection, adapter))


@cache
def _guard(offers: frozenset[str]) -> type[Guard]:
    return type(
        "Guard", (Guard,), {name: _caught(name, CALLS[name]) if name in CALLS else _passed(name) for name in offers}
    )


def _caught(name: str, meaning: type[VendorError]) -> Callable[..., Any]:
    def call(self: Guard, *args: Any, **more: Any) -> Any:
        try:
            return getattr(self._adapter, name)(*args, **more)
        except VendorError as e:
            e.words = known.without(e.words)  # shown to people; a vendor may repeat a secret that it was sent
            raise
        except KNOWN:
            raise
        except Exception as e:
            raise meaning(self.log_once(name, e)) from None

    return call


def _passed(name: str) -> Callable[..., Any]:
    def call(self: Guard, *args: Any, **more: Any) -> Any:
        return getattr(self._adapter, name)(*args, **more)

    return call
