"""A connection's health: the circuit breaker, stored in the connection's row so that all workers and people see it.

Five consecutive failures open it for 15 s; each later failure doubles that, up to 5 minutes. After that, calls are
tried again. The first success closes it, and the connection is polled at once: any change may have been missed.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from hub.domain.errors import RetryLater, VendorError
from hub.ports import Ids
from hub.store import connections as connection_rows
from hub.store.cases import LinkRows
from hub.store.records import Connection, save
from hub.store.unit import Store, Tx

log = logging.getLogger(__name__)

THRESHOLD = 5
FIRST, LONGEST = 15.0, 300.0
"""Seconds that the breaker stays open: after the fifth failure, and at most."""


def failed(connection: Connection, error: VendorError, now: datetime) -> None:
    """Counts one failure. A throttled call is none: the vendor is healthy."""
    if isinstance(error, RetryLater) and error.throttled:
        return
    if connection.open_until is not None and connection.open_until > now:
        return  # calls that were in flight when it opened do not count
    if connection.reason != error.words:
        log.warning(
            "calls fail; run `lockstep doctor --part connections`",
            extra={"connection": connection.name, "words": error.words},
        )
    connection.failures += 1
    connection.reason = error.words
    if connection.failures >= THRESHOLD:
        pause = min(LONGEST, FIRST * 2 ** min(connection.failures - THRESHOLD, 10))
        connection.open_until = now + timedelta(seconds=pause)


def succeeded(tx: Tx, connection: Connection, now: datetime) -> None:
    """Resets the connection's failures after a call that the vendor answered; closes the breaker if it was open."""
    if connection.failures == 0 and connection.open_until is None:
        return
    log.info("calls succeed again", extra={"connection": connection.name})
    was_open = connection.open_until is not None
    connection.failures, connection.open_until, connection.reason = 0, None, None
    save(tx, connection)  # its row first: see `hub.store.locking`
    if was_open:
        connection_rows.poll_at(tx, connection.name, now)


def open_until(connection: Connection | LinkRows, now: datetime) -> datetime | None:
    """When the breaker lets a call through again; None if it does now."""
    return connection.open_until if connection.open_until is not None and connection.open_until > now else None


def note_failure(store: Store, now: datetime, name: str, error: VendorError) -> None:
    """Counts a failed call that has no outbox row, in a transaction of its own."""
    if isinstance(error, RetryLater) and error.throttled:
        return
    with store.unit() as tx:
        connection = connection_rows.get(tx, name)
        if connection is not None:
            failed(connection, error, now)
            save(tx, connection)


def backoff(ids: Ids, attempts: int, error: VendorError | None = None, longest: float = LONGEST) -> float:
    """Seconds until the next try: what the vendor asked for (at most an hour), else full jitter over a doubling window,
    at least half a second, so that many waiting rows do not try again together."""
    asked = error.delay if isinstance(error, RetryLater) else None
    if asked is not None:
        return float(min(asked, 3600.0)) + 0.25 * ids.chance()
    return float(max(0.5, ids.chance() * min(longest, 2.0 ** min(attempts, 12))))
