"""The safety net under wake-ups: finds due rows that no worker has claimed, and wakes one worker, which claims them
all. If every wake-up is lost, work is delayed by one sweep interval and nothing else."""

from __future__ import annotations

from hub.store import claims
from hub.sync.hub import Hub

STALLED_SECONDS = 60.0
"""A row that has been due for longer shows that no worker runs: workers query the database at least once a second, and
rows that wait for a vendor's limit are not due."""


def sweep(hub: Hub) -> int:
    """Wakes the workers if anything is due; returns the number of wake-ups sent, 0 or 1. If nothing is due, it costs a
    handful of index look-ups."""
    with hub.store.reading() as tx:
        found = claims.next_waiting(tx, hub.clock.now())
    if found is None:
        return 0
    hub.wake.wake(*found)
    return 1
