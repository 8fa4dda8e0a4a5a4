"""The job behind every wake-up of the sync engine: a task and a name, nothing more. What is due stands in SQL."""

from __future__ import annotations

import logging
from typing import Protocol, runtime_checkable

from hub.ports import Wake
from hub.sync.hub import Hub
from workers import bootstrap
from workers.hands import Hands
from workers.queue import DRAIN_SECONDS

log = logging.getLogger(__name__)


_hands: Hands | None = None


def run(task: str, name: str) -> None:
    """Gives one task (a key of `hub.sync.tasks.DUTIES`) for one name to a free hand of this worker, which then goes on with
    those that wait behind it. Comes back at once: only a worker with no hand free waits.

    Nothing is raised into the queue: RQ would keep the traceback in Redis, where no redaction reaches it. What was not
    done stays due in SQL and is found by the sweep.
    """
    global _hands
    if _hands is None:
        _hands = Hands()
    hub = bootstrap.of_this_process()
    _hands.take(lambda: _do(hub, task, name))


def finish() -> None:
    """Waits for what the hands of this worker have begun."""
    global _hands
    hands, _hands = _hands, None
    if hands is not None:
        hands.finish()


def _do(hub: Hub, task: str, name: str) -> None:
    wake, began = hub.wake, hub.clock.monotonic()
    if not isinstance(wake, Chain):
        one(hub, wake, task, name)
        return
    item: tuple[str, str] | None = (task, name) if wake.begin(task, name) else None
    while item is not None:
        _run(hub, *item)
        item = wake.then(*item, more=hub.clock.monotonic() - began < DRAIN_SECONDS)


@runtime_checkable
class Turns(Protocol):
    """A wake-up port that knows which names are being seen to, so that no two workers read the same object at once."""

    def begin(self, task: str, name: str) -> bool: ...

    def end(self, task: str, name: str) -> None: ...


@runtime_checkable
class Chain(Turns, Protocol):
    """One that ends a name and begins the next that waits in one exchange."""

    def then(self, task: str, name: str, more: bool) -> tuple[str, str] | None: ...


def one(hub: Hub, wake: Wake, task: str, name: str) -> None:
    """One task for one name, unless somebody is at it already. Raises nothing."""
    turns = wake if isinstance(wake, Turns) else None
    if turns is not None and not turns.begin(task, name):
        return
    try:
        _run(hub, task, name)
    finally:
        if turns is not None:
            turns.end(task, name)


def _run(hub: Hub, task: str, name: str) -> None:
    from hub.sync import tasks

    try:
        tasks.run(hub, task, name)
    except Exception:
        log.exception("%s of %s failed; the sweep brings it again", task, name)
