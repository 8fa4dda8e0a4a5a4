"""Where there is no Redis at all: one process that sweeps and does the tasks itself, in a few threads.

Slower than the queue (a webhook waits up to a second for the sweep), not less certain: the rows are the truth either way.
"""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING

from workers.hands import HANDS
from workers.timer import GLANCE_SECONDS, Timer

if TYPE_CHECKING:
    from hub.sync.hub import Hub

log = logging.getLogger(__name__)


class LocalWake:
    """`hub.ports.Wake` inside one process: names wait in memory, each (task, name) once."""

    def __init__(self) -> None:
        self._names: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self._waiting: set[tuple[str, str]] = set()
        self._doing: dict[tuple[str, str], bool] = {}
        self._lock = threading.Lock()

    def wake(self, task: str, name: str) -> None:
        with self._lock:
            if (task, name) in self._waiting:
                return
            self._waiting.add((task, name))
        self._names.put((task, name))

    def begin(self, task: str, name: str) -> bool:
        """False if another thread is at this name; it is woken again when that one has ended."""
        with self._lock:
            if (task, name) in self._doing:
                self._doing[task, name] = True
                return False
            self._doing[task, name] = False
        return True

    def end(self, task: str, name: str) -> None:
        with self._lock:
            again = self._doing.pop((task, name), False)
        if again:
            self.wake(task, name)

    def next(self) -> tuple[str, str] | None:
        """Waits for a name; None = it is time to stop."""
        item = self._names.get()
        if item is not None:
            with self._lock:
                self._waiting.discard(item)
        return item

    @property
    def idle(self) -> bool:
        """Whether no name waits and no thread is at one."""
        with self._lock:
            return not self._waiting and not self._doing

    def close(self, threads: int) -> None:
        """Lets this many waiting threads go."""
        for _ in range(threads):
            self._names.put(None)


def run(hub: Hub, wake: LocalWake, stop: threading.Event, threads: int = HANDS, *, burst: bool = False) -> None:
    """Works until `stop` is set; the tasks in hand are finished. `hub.wake` must be `wake`. burst: until nothing is due."""
    log.warning("there is no Redis: polling the database once a second instead (install redis-server for speed)")
    pool = [threading.Thread(target=_work, args=(hub, wake, stop), name=f"task-{n}") for n in range(threads)]
    for thread in pool:
        thread.start()
    try:
        if burst:
            _until_nothing_is_due(Timer(hub), wake, stop)
        else:
            Timer(hub).run(stop)
    finally:
        wake.close(threads)
        for thread in pool:
            thread.join()


def _until_nothing_is_due(timer: Timer, wake: LocalWake, stop: threading.Event) -> None:
    while True:
        idle = wake.idle  # before the sweep: what a thread leaves behind it is found by the next one
        if (not timer.tick() and idle) or stop.wait(GLANCE_SECONDS):
            return timer.leave()


def _work(hub: Hub, wake: LocalWake, stop: threading.Event) -> None:
    from workers.sync import one

    while (item := wake.next()) is not None and not stop.is_set():
        one(hub, wake, *item)
