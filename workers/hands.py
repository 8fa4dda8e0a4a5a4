"""The threads of one worker. A task waits for its vendor nearly all of the time it takes, so one process does several at
once; which of them may talk to one vendor at the same time is the budget's to say (`hub.sync.limits.budget`)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

HANDS = 12
"""Tasks at once in one worker. With eight, 1,000 changes a minute found them all taken now and then, by what only reads the
echo of our own writes. More hold more database connections than a small PostgreSQL likes to give."""


class Hands:
    """A pool that takes no more than it can do at once: what it cannot take stays in the queue, for other workers."""

    def __init__(self, size: int = HANDS) -> None:
        self._free = threading.Semaphore(size)
        self._pool = ThreadPoolExecutor(size, "task")

    def take(self, work: Callable[[], None]) -> None:
        """Waits until a hand is free, and gives it the work. `work` must not raise: nobody would hear of it."""
        self._free.acquire()
        try:
            self._pool.submit(self._do, work)
        except BaseException:
            self._free.release()
            raise

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            self._free.release()

    def finish(self) -> None:
        """Waits for everything in hand."""
        self._pool.shutdown(wait=True)
