"""The timer: finds due rows that nobody has claimed and wakes the workers. Several may run; the one that holds the lease in SQL
sweeps, and another takes over within `LEASE_SECONDS` of its death.
"""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from hub.store import leases, steps
from hub.store.due import shift_back
from hub.store.unit import StoreUnavailable, Tx

if TYPE_CHECKING:
    from hub.sync.hub import Hub

log = logging.getLogger(__name__)

LEASE = "timer"
LEASE_SECONDS = 5.0
TICK_SECONDS = 1.0
STRAGGLERS = 5.0
"""Seconds after which a transaction that began before the clock stepped back has ended."""
SWEEP_SECONDS = 0.1
"""Between two sweeps. A write that waits for a vendor's rate limit would lose half a second each time with a sweep a second."""


class Timer:
    """One timer process (or thread)."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._logged = ""
        self._registered = False

    def tick(self) -> int | None:
        """Takes or renews the lease, then sweeps. Returns how many wake-ups were sent (1 for all that is due), None without the
        lease. The first tick writes the configuration's connections into the database.

        Never raises for an unavailable database: the next tick comes in a second.
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
                self._log("standing by: another timer sweeps")
                return None
            self._log("sweeping")
            return sweep(hub)
        except StoreUnavailable as e:
            self._log(f"the database is not available: {e}")
            return None
        except Exception:
            log.exception("the sweep failed; it is repeated in a second")
            return None

    def _mind_the_clock(self, tx: Tx, now: datetime) -> bool:
        """Whether the clock has stepped back. If so, moves what waits for a time before the step back too."""
        back = leases.stepped_back(tx, LEASE, self._hub.owner, now, LEASE_SECONDS)
        if back:
            log.warning("the clock has stepped back by %.0f s; due times are moved back by as much", back)
            shift_back(tx, now, back)
            steps.note(tx, steps.Step(now, back))
        return bool(back)

    def _mind_the_stragglers(self, tx: Tx, now: datetime) -> None:
        """Moves back, after a step, the due times that transactions committed which had read the clock before it; whichever timer
        noticed the step, and at least once after the last of them has committed."""
        step = steps.last(tx)
        if step is None:
            return
        if now < step.from_:  # else all of it is due by now
            shift_back(tx, max(now, step.from_ - timedelta(seconds=2 * STRAGGLERS)), step.seconds)
        if now - step.at > timedelta(seconds=STRAGGLERS):
            steps.forget(tx)

    def run(self, stop: threading.Event) -> None:
        """Ticks until `stop` is set, then releases the lease."""
        while not stop.is_set():
            began = self._hub.clock.monotonic()
            ours = self.tick() is not None
            while not stop.wait(SWEEP_SECONDS) and self._hub.clock.monotonic() - began < TICK_SECONDS:
                if ours:
                    self._sweep()
        self.leave()

    def leave(self) -> None:
        """Releases the lease, so that another timer need not wait for its end."""
        try:
            with self._hub.store.unit() as tx:
                leases.give_back(tx, LEASE, self._hub.owner, self._hub.clock.now())
        except StoreUnavailable:
            log.info("the timer's lease could not be released; it expires by itself")

    def _sweep(self) -> None:
        """Sweeps without reading the lease. What it misses, the next tick finds."""
        from hub.sync.sweep import sweep

        try:
            sweep(self._hub)
        except Exception as e:
            self._log(f"a sweep between two ticks failed ({type(e).__name__})")

    def _log(self, text: str) -> None:
        if text != self._logged:
            self._logged = text
            log.info("timer: %s", text)
