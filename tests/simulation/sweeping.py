"""What the timer of the simulation does."""

from __future__ import annotations

from hub.store.due import due
from hub.sync.hub import Hub


def sweep(hub: Hub) -> None:
    """The timer rings, and whoever is woken claims all that is due. Here each of those is a wake-up, so that they come in any order."""
    with hub.store.reading() as tx:
        found = due(tx, hub.clock.now())
    for task, key in found:
        hub.wake.wake(task, key)
