"""The net below all wake-ups: finds every row that is due and wakes what carries it out. Losing every wake-up there ever
was costs one sweep's time, nothing else."""

from __future__ import annotations

from datetime import datetime

from hub.store.due import EVER, due
from hub.sync.hub import Hub


def sweep(hub: Hub, since: datetime = EVER) -> int:
    """Wakes everything that is due; returns how many wake-ups were sent. Costs a handful of index look-ups when nothing is.
    since: only what has become due after that."""
    with hub.store.reading() as tx:
        found = due(tx, hub.clock.now(), since)
    for task, name in found:
        hub.wake.wake(task, name)
    return len(found)
