"""Works due rows: claims them in batches from SQL, runs each in a thread of a bounded pool, and releases the claims.

A process runs one drain at a time, for an RQ job (`workers.sync.run`) or on a clock where Redis takes no writes (`workers.worker`).

* A drain ends when nothing is due, and claims nothing new once it is older than `SECONDS`. While a task waits for its vendor,
  it goes on claiming for its free threads, so that a vendor that hangs delays only its own tasks.
* It learns of new rows by the doorbell (`workers.queue`), and queries SQL at least once a second.
* It renews the claims of its running tasks (`hub.store.claims`); those of a dead worker expire.
* It runs in its own thread. What RQ raises in the main thread (a job's time-out, a Redis error in a signal handler) ends the
  claiming and is raised again when all tasks have ended; it never interrupts a transaction.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from queue import SimpleQueue
from typing import Protocol

from hub.clock import nap
from hub.store import claims
from hub.store.claims import Claim, Item
from hub.store.unit import StoreUnavailable, Tx
from hub.sync import tasks
from hub.sync.hub import Hub

log = logging.getLogger(__name__)

THREADS = 12
"""Tasks at once in one worker. With eight, 1,000 changes a minute sometimes used all of them for reading the echo of our own
writes."""
SECONDS = 1.0
"""How long a drain claims whatever is due; then RQ's worker gets its turn (heartbeat, stop request)."""
SLOW_SECONDS = 1.0
"""A task that takes longer waits for its vendor."""
LONGEST_SECONDS = 240.0
"""How long a drain goes on claiming beside tasks that wait for vendors. After that it only waits for them, so that it ends."""
LINGER_SECONDS = 0.15
"""How long an idle drain stays: the webhooks of our own writes arrive just after them, and then need no job."""
LISTEN_SECONDS = 0.03
"""Between two reads of the doorbell."""
BATCH_SECONDS = 0.002
"""How long a drain waits after a wake-up, so that one claim takes those that follow at once."""
QUERY_SECONDS = 1.0
"""Between two queries for due rows without a wake-up."""
PASS_ON_SECONDS = 0.1
"""Between two wake-ups to other workers while this one has no free thread."""
RENEW_SECONDS = 5.0
"""Between two renewals of the claims of running tasks."""


class Bell(Protocol):
    """The doorbell, as a drain uses it. No method raises."""

    def listen(self, rung: Callable[[], None]) -> None:
        """From now on a wake-up of this process calls `rung` instead of waking the workers."""
        ...

    def heard(self, free: bool) -> bool:
        """Whether other processes have rung since the last call. free: this drain has threads for their next rings."""
        ...

    def pass_on(self) -> None:
        """Wakes the other workers: more is due than this drain takes."""
        ...

    def leave(self) -> bool:
        """Ends `listen`. Returns whether other processes have rung since the last call of `heard`."""
        ...


class Drain:
    """stop: once set, nothing new is claimed. threads: tasks at once."""

    def __init__(self, hub: Hub, bell: Bell, stop: threading.Event, threads: int = THREADS) -> None:
        self.hub, self.bell, self.stop, self.threads = hub, bell, stop, threads
        self.linger = LINGER_SECONDS
        self._pool = ThreadPoolExecutor(threads, "task")
        self._one = threading.Lock()
        self._current: _Run | None = None

    def run(self) -> int:
        """Works until nothing is due (see above); returns how many tasks were done. If another drain of this process runs, it is
        woken, and this call does nothing.

        Raises StoreUnavailable where nothing could be claimed, and whatever was raised in this thread during the drain, after all
        tasks have ended.
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
        error: BaseException | None = None
        try:
            thread.start()
        except BaseException as e:  # raised by a signal handler: the thread may run all the same
            error = e
            run.enough.set()
        while True:
            try:
                if run.over.wait(1.0) or thread.ident is None:  # the latter: it was never started
                    break
            except BaseException as e:  # raised by a signal handler while tasks run
                error = error or e
                run.enough.set()
        error = error or run.error
        if error is not None:
            raise error
        return run.done

    def close(self) -> None:
        """Ends the threads. No drain may run."""
        self._pool.shutdown(wait=True)


class _Run:
    """One drain from its beginning to its end, in a thread of its own."""

    def __init__(self, drain: Drain, pool: ThreadPoolExecutor) -> None:
        self.hub, self.bell, self.stop, self.threads = drain.hub, drain.bell, drain.stop, drain.threads
        self.linger = drain.linger
        self.enough = threading.Event()
        self.over = threading.Event()
        self.error: BaseException | None = None
        self.done = 0
        self._pool = pool
        self._event = threading.Event()  # a task has ended, or this process has rung
        self._ended: SimpleQueue[tuple[Claim, bool]] = SimpleQueue()
        self._rings = 0
        self._running: dict[Item, tuple[float, int]] = {}  # → (start, rings before it)
        self._back: dict[Item, bool] = {}  # claims to release → whether the task has raised
        self._last: dict[Item, datetime] = {}  # tasks done by this drain → their due_at then
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
            try:
                self._end()
            finally:
                self.over.set()

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
        return self._takes() and (self._want or self._now() - self._busy_at < self.linger)

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
        overdue = overdue or now - self._claimed_at > QUERY_SECONDS
        if takes and free and (self._want or overdue):
            self._claim(overdue)
        elif takes and self._want and now - self._passed_on_at > PASS_ON_SECONDS:
            self._pass_on()
        if self._running and now - self._renewed_at > RENEW_SECONDS:
            self._give_up_on(self._renew)

    def _pass_on(self) -> None:
        self._passed_on_at = self._now()
        self.bell.pass_on()

    def _leave(self) -> None:
        """Leaves further rings, and those that this drain has not answered, to other workers."""
        if self._listens:
            self._listens = False
            if self.bell.leave() or self._want:
                self.bell.pass_on()

    # --- claims -------------------------------------------------------------------------------------------------

    def _claim(self, overdue: bool = False) -> None:
        """Releases what has ended and claims for the free threads, in one transaction. overdue: take over expired claims too."""
        hub, free, self._want = self.hub, self.threads - len(self._running), False
        now = hub.clock.now()
        self._claimed_at = self._now()
        try:
            with hub.store.unit() as tx:
                claims.turn(tx)
                self._release(tx, now)
                taken = claims.take_over(tx, hub.owner, now, free) if overdue else []
                if len(taken) < free:
                    taken += claims.take(tx, hub.owner, now, free - len(taken))
                stuck = {c.item for c in taken if self._last.get(c.item) == c.due_at}
                claims.defer(tx, hub.owner, now, stuck)
        except StoreUnavailable as e:
            if not self._running:
                raise
            log.warning("due rows cannot be claimed (%s); running tasks continue", e)
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

    def _release(self, tx: Tx, now: datetime) -> None:
        claims.failed(tx, self.hub.owner, now, [item for item, failed in self._back.items() if failed])
        claims.release(tx, self.hub.owner, [item for item, failed in self._back.items() if not failed])

    def _renew(self) -> None:
        self._renewed_at = self._now()
        with self.hub.store.unit() as tx:
            claims.renew(tx, self.hub.owner, self.hub.clock.now(), self._running)

    # --- tasks --------------------------------------------------------------------------------------------------

    def _task(self, claim: Claim) -> None:
        """In a thread of the pool."""
        failed = False
        try:
            tasks.run(self.hub, claim.task, claim.key)
        except BaseException:  # nothing above it in this thread would log it
            failed = True
            log.exception("task %s of %s failed; it is done again after a pause", claim.task, claim.key)
        finally:
            self._ended.put((claim, failed))
            self._event.set()

    def _collect(self) -> None:
        """Records the tasks that have ended."""
        while not self._ended.empty():
            claim, failed = self._ended.get()
            _, rings = self._running.pop(claim.item)
            self._back[claim.item] = failed
            self._last[claim.item] = claim.due_at
            self._want |= rings != self._rings  # its row may be due again, and could not be claimed while the task ran
            self._busy_at = self._now()
            self.done += 1

    def _end(self) -> None:
        """Waits for the running tasks and releases every claim."""
        self._leave()
        while self._running:
            self._event.wait(QUERY_SECONDS)
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
            claims.turn(tx)
            self._release(tx, self.hub.clock.now())

    def _give_up_on(self, act: Callable[[], None]) -> None:
        try:
            act()
        except StoreUnavailable as e:
            log.warning("claims could not be released or renewed (%s); they expire by themselves", e)
