"""The simulation's queue of wake-ups: it loses some, repeats none, and keeps no order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.world import World


class Queue:
    """Takes the place of Redis and RQ: wake-ups carry keys only, and any of them may be lost."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.waiting: list[tuple[str, str]] = []

    def wake(self, task: str, key: str) -> None:
        world = self.world
        world.boundary("wake")
        if world.store.in_transaction:
            world.violated("no wake-up inside a transaction", f"{task} {key}")
        if world.chance(world.faults.wake_loss):
            world.counts["wake_lost"] += 1
        elif (task, key) not in self.waiting:
            self.waiting.append((task, key))
        world.boundary("woken")

    def take(self) -> tuple[str, str] | None:
        """Any of the waiting wake-ups, mostly the oldest."""
        if not self.waiting:
            return None
        at = 0 if self.world.rng.random() < 0.7 else self.world.rng.randrange(len(self.waiting))
        return self.waiting.pop(at)

    def empty(self) -> None:
        """Loses all wake-ups, as FLUSHALL does."""
        self.world.note("Redis is emptied")
        self.waiting.clear()
