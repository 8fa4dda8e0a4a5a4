"""The net below all wake-ups: finds whether anything is due that no worker is at, and wakes one, who claims all of it. Losing every
wake-up there ever was costs one sweep's time, nothing else."""

from __future__ import annotations

from hub.store import claims
from hub.sync.hub import Hub

STALLED_SECONDS = 60.0
"""A due row that has waited longer for a worker shows that none works: they look into the database at least once a second, and what
waits for a vendor's limit is not due."""


def sweep(hub: Hub) -> int:
    """Wakes the workers if anything is due; returns how many wake-ups were sent, 0 or 1. Costs a handful of index look-ups when
    nothing is."""
    with hub.store.reading() as tx:
        found = claims.next_waiting(tx, hub.clock.now())
    if found is None:
        return 0
    hub.wake.wake(*found)
    return 1
