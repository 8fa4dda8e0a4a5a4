"""Waits for another process without sleeping longer than needed."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sqlalchemy import text

from hub.clock import SystemClock
from hub.store.unit import Store


def until(true: Callable[[], object], seconds: float = 15.0) -> None:
    """Checks every 20 ms until `true()` is; fails after `seconds`."""
    clock, pause = SystemClock(), threading.Event()
    deadline = clock.monotonic() + seconds
    while clock.monotonic() < deadline:
        if true():
            return
        pause.wait(0.02)
    raise AssertionError(f"it did not happen within {seconds:g} s")


def a_transaction_waits(store: Store) -> bool:
    """Whether a transaction in this PostgreSQL database waits for another one's lock."""
    ours = "FROM pg_stat_activity WHERE datname = current_database()"
    with store.reader.connect() as tx:  # outside the caller's transaction
        return bool(tx.scalar(text(f"SELECT count(*) {ours} AND wait_event_type = 'Lock'")))
