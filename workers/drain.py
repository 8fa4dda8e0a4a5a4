"""Works due rows: claims them in batches from SQL, does each in a thread of a bounded pool, and gives the claims back.

A process runs one drain at a time, for an RQ job (`workers.sync.run`) or on a clock where Redis refuses (`workers.worker`).

* A drain ends when nothing is due, and claims nothing new when it is older than `SECONDS`. But while a task waits for its
  vendor, it goes on claiming for its free threads: a vendor that hangs must not hold up what has nothing to do with it.
* It hears of new rows by the doorbell (`workers.queue`), and looks into SQL at least once a second.
* It renews the claims of the tasks that are under way (`hub.store.claims`); those of a dead worker run out.
* It runs in a thread of its own. What RQ raises in the main thread (a job's time-out, an error of Redis in a signal handler)
  ends the claiming, and is raised again when all tasks have ended; it never interrupts a transaction.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Protocol

from hub.clock import nap
from hub.store import claims
from hub.store.claims import Claim, Item
from hub.store.unit import StoreUnavailable, Tx
from hub.sync import tasks
from hub.sync.hub import Hub

log = logging.getLogger(__name__)

THREADS = 12
"""Tasks at once in one worker. With eight, 1,000 changes a minute found them all taken now and then, by what only reads the
echo of our own writes."""
SECONDS = 1.0
"""How long a drain claims whatever is due, before the worker looks after itself again (heartbeat, being told to stop)."""
SLOW_SECONDS = 1.0
"""A task that takes longer waits for its vendor."""
LONGEST_SECONDS = 240.0
"""How long a drain goes on claiming beside tasks that wait. Then it only waits for them, so that it ends some time."""
LINGER_SECONDS = 0.15
"""How long an idle drain stays: what webhooks tell of our own writes comes just after them, and then needs no job."""
LISTEN_SECONDS = 0.03
"""Between two looks at the doorbell."""
BATCH_SECONDS = 0.002
"""How long a drain waits after it was told of one thing, so that it claims once for what follows from it."""
LOOK_SECONDS = 1.0
"""Between two looks into SQL when nobody rings."""
PASS_ON_SECONDS = 0.1
"""Between two times that other workers are told of what this one has no thread for."""
RENEW_SECONDS = 5.0
"""Between two renewals of the claims of what is under way."""


class Bell(Protocol):
    """The doorbell, as a drain hears it. No method raises."""

    def listen(self, rung: Callable[[], None]) -> None:
        """From now on `rung` is called when this process wakes a task, instead of telling the workers."""
        ...

    def heard(self, free: bool) -> bool:
        """Whether other processes have rung since the last call. free: this drain has threads for what they will ring for."""
        ...

    def pass_on(self) -> None:
        """Tells the other workers that there is more than this drain takes."""
        ...

    def leave(self) -> bool:
        """The end of `listen`. Returns whether other processes have rung since the last call of `heard`."""
        ...


class Drain:
    """stop: set when nothing new is to be claimed any more. threads: tasks at once."""

    def __init__(self, hub: Hub, bell: Bell, stop: threading.Event, threads: int = THREADS) -> None:
        self.hub, self.bell, self.stop, self.threads = hub, bell, stop, threads
        self._pool = ThreadPoolExecutor(threads, "task")
        self._one = threading.Lock()
        self._current: _Run | None = None

    def run(self) -> int:
        """Works until nothing is due (see above); returns how many tasks were done. If another drain of this process runs, that
        one is told, and nothing is done here.

        Raises StoreUnavailable where nothing could be claimed, and what was raised in this thread meanwhile; even then all tasks
        have ended.
        """
        if not self._one.acquire(blocking=False):
            current = self._current
            if current is not None:
                current.rung()
            return 0
        try:
            self._current = _Run(self, self._pool)
            return self._until_it_ends(self._current)
        finally:
            self._current = None
            self._one.release()

    def _until_it_ends(self, run: _Run) -> int:
        thread = threading.Thread(target=run.work, name="drain")
        thread.start()
        error: BaseException | None = None
        while thread.is_alive():
            try:
                thread.join()
            except BaseException as e:  # raised by a signal's handler while tasks are under way
                error = error or e
                run.enough.set()
        error = error or run.error
        if error is not None:
            raise error
        return run.done

    def close(self) -> None:
        """Ends the threads. No drain may be running."""
        self._pool.shutdown(wait=True)


class _Run:
    """One drain from its beginning to its end, in a thread of its own."""

    def __init__(self, drain: Drain, pool: ThreadPoolExecutor) -> None:
        self.hub, self.bell, self.stop, self.threads = drain.hub, drain.bell, drain.stop, drain.threads
        self.enough = threading.Event()
        self.error: BaseException | None = None
        self.done = 0
        self._pool = pool
        self._event = threading.Event()  # a task has ended, or this process has rung
        self._ended: SimpleQueue[tuple[Claim, bool]] = SimpleQueue()
        self._rings = 0
        self._running: dict[Item, tuple[float, int]] = {}  # → (since when, rings before it)
        self._back: dict[Item, bool] = {}  # claims to give back → whether the task has raised
        self._last: dict[Item, datetime] = {}  # what this drain has done → when it was due then
        self._want = True  # there may be something to claim
        self._listens = False
        self._began = self._claimed_at = self._renewed_at = self._passed_on_at = self._busy_at = self._now()

    def _now(self) -> float:
        return self.hub.clock.monotonic()

    def work(self) -> None:
        """Never raises: see `error`."""
        try:
            self._step(overdue=True)
            while self._goes_on():
                if self._event.wait(LISTEN_SECONDS):
                    nap(BATCH_SECONDS)
                    self._event.clear()
                self._collect()
                self._step()
        except BaseException as e:
            self.error = e
        finally:
            self._end()

    def rung(self) -> None:
        """In any thread of this process: a task was woken."""
        self._rings += 1
        self._want = True
        self._event.set()

    # --- when to go on ------------------------------------------------------------------------------------------

    def _takes(self) -> bool:
        """Whether anything new may be claimed."""
        now = self._now()
        if self.stop.is_set() or self.enough.is_set() or now - self._began > LONGEST_SECONDS:
            return False
        return now - self._began < SECONDS or any(now - since > SLOW_SECONDS for since, _ in self._running.values())

    def _goes_on(self) -> bool:
        if self._running:
            return True
        return self._takes() and (self._want or self._now() - self._busy_at < LINGER_SECONDS)

    def _step(self, overdue: bool = False) -> None:
        now, free, takes = self._now(), self.threads - len(self._running), self._takes()
        if takes and not self._listens:
            self._listens = True
            self.bell.listen(self.rung)
        elif not takes:
            self._leave()
        elif free and self.bell.heard(free > self.threads // 2):
            self._rings += 1
            self._want = True
        overdue = overdue or now - self._claimed_at > LOOK_SECONDS
        if takes and free and (self._want or overdue):
            self._claim(overdue)
        elif takes and self._want and now - self._passed_on_at > PASS_ON_SECONDS:
            self._pass_on()
        if self._running and now - self._renewed_at > RENEW_SECONDS:
            self._renew()

    def _pass_on(self) -> None:
        self._passed_on_at = self._now()
        self.bell.pass_on()

    def _leave(self) -> None:
        """Whoever rings from now on, or has rung for this drain in vain, is heard by other workers."""
        if self._listens:
            self._listens = False
            if self.bell.leave() or self._want:
                self.bell.pass_on()

    # --- claims -------------------------------------------------------------------------------------------------

    def _claim(self, overdue: bool = False) -> None:
        """Gives back what has ended and claims for the free threads, in one transaction. overdue: also what nobody has given
        back in time."""
        hub, free, self._want = self.hub, self.threads - len(self._running), False
        now = hub.clock.now()
        self._claimed_at = self._now()
        try:
            with hub.store.unit() as tx:
                self._give_back(tx, now)
                taken = claims.take_over(tx, hub.owner, now, free) if overdue else []
                if len(taken) < free:
                    taken += claims.take(tx, hub.owner, now, free - len(taken))
                stuck = {c.item for c in taken if self._last.get(c.item) == c.due_at}
                claims.hold(tx, hub.owner, now, stuck)
        except StoreUnavailable as e:
            if not self._running:
                raise
            log.warning("nothing can be claimed (%s); the tasks in hand go on", e)
            return
        self._back.clear()
        for claim in taken:
            if claim.item in stuck:
                del self._last[claim.item]
            else:
                self._running[claim.item] = self._claimed_at, self._rings
                self._pool.submit(self._task, claim)
        if len(taken) == free:
            self._want = True
            self._pass_on()

    def _give_back(self, tx: Tx, now: datetime) -> None:
        claims.failed(tx, self.hub.owner, now, [item for item, failed in self._back.items() if failed])
        claims.give_back(tx, self.hub.owner, [item for item, failed in self._back.items() if not failed])

    def _renew(self) -> None:
        with self.hub.store.unit() as tx:
            claims.renew(tx, self.hub.owner, self.hub.clock.now(), self._running)
        self._renewed_at = self._now()

    # --- tasks --------------------------------------------------------------------------------------------------

    def _task(self, claim: Claim) -> None:
        """In a thread of the pool."""
        failed = False
        try:
            tasks.run(self.hub, claim.task, claim.key)
        except Exception:
            failed = True
            log.exception("task %s of %s failed; it is done again after a pause", claim.task, claim.key)
        finally:
            self._ended.put((claim, failed))
            self._event.set()

    def _collect(self) -> None:
        """Takes note of the tasks that have ended."""
        try:
            while True:
                claim, failed = self._ended.get_nowait()
                _, rings = self._running.pop(claim.item)
                self._back[claim.item] = failed
                self._last[claim.item] = claim.due_at
                self._want |= rings != self._rings  # its row may be due again: what came for it could not be claimed
                self._busy_at = self._now()
                self.done += 1
        except Empty:
            return

    def _end(self) -> None:
        """Waits for what is under way, and gives everything back."""
        self._leave()
        while self._running:
            self._event.wait(LOOK_SECONDS)
            self._event.clear()
            self._collect()
            if self._running and self._now() - self._renewed_at > RENEW_SECONDS:
                self._give_up_on(self._renew)
        if self._back:
            self._give_up_on(self._return_all)
        if self._want:
            self.bell.pass_on()

    def _return_all(self) -> None:
        with self.hub.store.unit() as tx:
            self._give_back(tx, self.hub.clock.now())

    def _give_up_on(self, act: Callable[[], None]) -> None:
        try:
            act()
        except StoreUnavailable as e:
            log.warning("claims could not be given back or renewed (%s); they run out by themselves", e)
