"""The timer: it looks for what is due and unclaimed, and rings for the workers. Several may run, one of them sweeps: the one
that holds the lease in SQL. The others take over within `LEASE_SECONDS` of its death.
"""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from hub.store import leases, steps
from hub.store.due import bring_back
from hub.store.unit import StoreUnavailable, Tx

if TYPE_CHECKING:
    from hub.sync.hub import Hub

log = logging.getLogger(__name__)

LEASE = "timer"
LEASE_SECONDS = 5.0
TICK_SECONDS = 1.0
STRAGGLERS = 5.0
"""A transaction that began before the clock stepped back is over so many seconds later."""
GLANCE_SECONDS = 0.1
"""Between two sweeps. A write that waits for a vendor's rate limit would lose half a second each time with a sweep a second."""


class Timer:
    """One timer process (or thread)."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._said = ""
        self._registered = False

    def tick(self) -> int | None:
        """One look: takes or renews the lease, then sweeps. Returns how many wake-ups were sent (1 for all that is due), None
        without the lease.
        The first one brings the connections' rows in line with the configuration.

        Never raises for a database that is away: the next tick comes in a second.
        """
        from hub.sync.setup import register
        from hub.sync.sweep import sweep

        hub = self._hub
        try:
            if not self._registered:
                register(hub)
                self._registered = True
            with hub.store.unit() as tx:
                now = hub.clock.now()
                stepped = self._mind_the_clock(tx, now)
                fence = leases.take(tx, LEASE, hub.owner, now, LEASE_SECONDS)
                if fence is not None and not stepped:
                    self._mind_the_stragglers(tx, now)
            if fence is None:
                self._say("standing by: another timer sweeps")
                return None
            self._say("sweeping")
            return sweep(hub)
        except StoreUnavailable as e:
            self._say(f"the database is not available: {e}")
            return None
        except Exception:
            log.exception("the sweep failed; once more in a second")
            return None

    def _mind_the_clock(self, tx: Tx, now: datetime) -> bool:
        """Whether the clock has stepped back. If so, what waits for a time before the step is brought along."""
        back = leases.stepped_back(tx, LEASE, self._hub.owner, now, LEASE_SECONDS)
        if back:
            log.warning("the clock has stepped back by %.0f s; everything that waits is brought along", back)
            bring_back(tx, now, back)
            steps.note(tx, steps.Step(now, back))
        return bool(back)

    def _mind_the_stragglers(self, tx: Tx, now: datetime) -> None:
        """Brings along, after a step, what was committed meanwhile by those who had looked at the clock before it; whichever
        timer noticed the step, and at least once after the last of them has committed."""
        step = steps.last(tx)
        if step is None:
            return
        if now < step.from_:  # else all of that is due by now
            bring_back(tx, max(now, step.from_ - timedelta(seconds=2 * STRAGGLERS)), step.seconds)
        if now - step.at > timedelta(seconds=STRAGGLERS):
            steps.forget(tx)

    def run(self, stop: threading.Event) -> None:
        """Ticks until `stop` is set, then gives the lease back."""
        while not stop.is_set():
            began = self._hub.clock.monotonic()
            ours = self.tick() is not None
            while not stop.wait(GLANCE_SECONDS) and self._hub.clock.monotonic() - began < TICK_SECONDS:
                if ours:
                    self._read_fields()
        self.leave()

    def leave(self) -> None:
        """Gives the lease back: another timer need not wait until it has run out."""
        try:
            with self._hub.store.unit() as tx:
                leases.give_back(tx, LEASE, self._hub.owner, self._hub.clock.now())
        except StoreUnavailable:
            log.info("the lease ends by itself")

    def _read_fields(self) -> None:
        """Sweeps without a look at the lease. What it misses, the next tick finds."""
        from hub.sync.sweep import sweep

        try:
            sweep(self._hub)
        except Exception as e:
            self._say(f"a look between two sweeps failed ({type(e).__name__})")

    def _say(self, words: str) -> None:
        if words != self._said:
            self._said = words
            log.info("timer: %s", words)
