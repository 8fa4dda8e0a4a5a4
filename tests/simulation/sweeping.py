"""The sweep of the simulation's timer."""

from __future__ import annotations

from hub.store.due import due
from hub.sync.hub import Hub


def sweep(hub: Hub) -> None:
    """In the product the timer rings and a worker claims all due rows. Here each due row is a wake-up, so that they run in any order."""
    with hub.store.reading() as tx:
        found = due(tx, hub.clock.now())
    for task, key in found:
        hub.wake.wake(task, key)
