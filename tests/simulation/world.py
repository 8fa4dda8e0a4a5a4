"""The whole hub in one thread on virtual time: two workers, a timer and a web process over one SQLite database in memory,
four model vendors, people, and faults.

Python calls are synchronous, so interleaving happens where real processes interleave: inside a vendor call, when no
transaction is open (which is asserted), the rest of the world may go on. A crash is a `BaseException` raised at a boundary;
the process that it hits can do nothing more, not even in a `finally`, and restarts without its memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hub.clock import ManualClock, SeededIds
from hub.domain.policy import Config
from hub.domain.values import Ref
from hub.sync import tasks
from hub.sync.hub import Hub
from hub.sync.limits.budget import Budget
from tests.contract.world import MemorySecrets
from tests.simulation import audit
from tests.simulation.coverage import Coverage
from tests.simulation.faults import CALM, Faults
from tests.simulation.store import fresh_store
from tests.simulation.sweeping import sweep
from tests.simulation.violation import Violation


class Crash(BaseException):
    """A `kill -9` of the process at this boundary."""


@dataclass
class Actor:
    """A process of the hub. `dead`: it has crashed and has not been restarted yet."""

    name: str
    hub: Hub
    vendors: Mapping[str, Any]
    task: str = ""
    target: str = ""
    busy: bool = False
    dead: bool = False
    lives: int = 1


class World(ABC):
    """One run. crash_at: the number of the only boundary at which to crash (scripted runs).

    Its parts import it, and it imports none of them: `tests.simulation.building` puts them together."""

    config: Config
    servers: dict[str, Any]
    network: Any
    ledger: Any
    invariants: Any
    queue: Any

    def __init__(
        self, seed: int | str, faults: Faults = CALM, crash_at: int | None = None, coverage: Coverage | None = None,
        config: Config | None = None, styles: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.seed, self.faults, self.crash_at = seed, faults, crash_at
        self.coverage = coverage or Coverage()
        self.rng, self.net, self.sky, self.kill = (random.Random(f"{seed}/{s}") for s in ("do", "net", "sky", "kill"))
        self.clock = ManualClock()
        self.stormy = True
        self.trace: list[str] = []
        self.counts: Counter[str] = Counter()
        self.boundaries = 0
        self.stack: list[Actor] = []
        self.landing: list[tuple[datetime, Callable[[], Any]]] = []
        self.down_until: dict[str, datetime] = {}
        self.dead: set[str] = set()
        self.hidden: dict[Ref, datetime] = {}
        self.hooks: list[tuple[str, str, Callable[[], Any]]] = []
        self.fates: list[tuple[str, str]] = []
        self.compose()
        self.furnish(config, styles)
        self.store = fresh_store()
        self.actors = {name: self._born(name, 1) for name in ("worker-1", "worker-2", "timer", "web")}
        self.workers = [self.actors["worker-1"], self.actors["worker-2"]]
        self.open()
        self.store.watch, self.store.enter = self._committing, self._alive

    # ------------------------------------------------------------------ processes

    def _born(self, name: str, life: int) -> Actor:
        vendors = self.clients(f"{name}.{life}")
        hub = Hub(
            store=self.store, clock=self.clock, ids=SeededIds(f"{self.seed}/{name}/{life}"), wake=self.queue,
            adapters=vendors, config=self.config, budget=Budget(self.clock, enforce=False), secrets=self.secrets,
            owner=f"{name}.{life}",
        )  # fmt: skip
        return Actor(name, hub, vendors, lives=life)

    @abstractmethod
    def furnish(self, config: Config | None, styles: Mapping[str, Any] | None) -> None:
        """Sets `config`, `servers` and `network`: the company's policy, its vendors, and their webhooks to the hub."""

    @abstractmethod
    def compose(self) -> None:
        """Sets `ledger`, `invariants` and `queue`."""

    @abstractmethod
    def open(self) -> None:
        """Starts the hub: makes its connections' rows, and has its plans checked."""

    @abstractmethod
    def clients(self, owner: str) -> Mapping[str, Any]:
        """One process's adapters."""

    def secrets(self, connection: str) -> MemorySecrets:
        return MemorySecrets()

    def run(self, actor: Actor, task: str, act: Callable[[Hub], Any]) -> Any:
        """Runs `act` in a process. Returns None if a crash interrupted it."""
        assert not actor.busy
        actor.busy, actor.task = True, task
        self.stack.append(actor)
        try:
            return act(actor.hub)
        except Crash:
            self.counts["crash"] += 1
            self.note("†")
            actor.dead = True
            return None
        finally:
            self.stack.pop()
            actor.busy = False
            if actor.dead:
                self._restart(actor)

    def _restart(self, actor: Actor) -> None:
        fresh = self._born(actor.name, actor.lives + 1)
        actor.hub, actor.vendors, actor.lives, actor.dead = fresh.hub, fresh.vendors, fresh.lives, False

    def work(self, actor: Actor | None = None) -> bool:
        """A free worker takes one wake-up and carries it out. False if there is nothing to do."""
        free = [w for w in self.workers if not w.busy]
        actor = actor or (self.rng.choice(free) if free else None)
        taken = self.queue.take() if actor and not actor.busy else None
        if actor is None or taken is None:
            return False
        task, name = taken
        self.counts["task"] += 1
        self.note(f"{actor.hub.owner} {task} {name}")
        actor.target = name
        self.run(actor, task, lambda hub: tasks.run(hub, task, name))
        return True

    def tick(self, seconds: float) -> None:
        """Moves the clock; the timer sweeps, unless it is busy."""
        until = self.clock.now() + timedelta(seconds=seconds)
        while self.landing and min(at for at, _ in self.landing) <= until:
            at, act = min(self.landing, key=lambda landed: landed[0])
            self.landing.remove((at, act))
            self.clock.advance(max(0.0, (at - self.clock.now()).total_seconds()))
            self.note("a late write lands")
            with contextlib.suppress(Exception):
                act()
        self.clock.advance(max(0.0, (until - self.clock.now()).total_seconds()))
        self.counts["tick"] += 1
        timer = self.actors["timer"]
        if not timer.busy:
            self.run(timer, "sweep", sweep)

    # ------------------------------------------------------------------ boundaries

    def _alive(self) -> None:
        if self.stack and self.stack[-1].dead:
            raise Crash

    def boundary(self, moment: str, *about: Any) -> None:
        """A crash point of the running process. moment: commit, committed, send, answered, wake, woken."""
        self._alive()
        if not self.stack:
            return
        actor = self.stack[-1]
        if moment in ("send", "answered"):
            if self.store.in_transaction:
                self.violated("no call inside a transaction", f"{actor.task}: {about}")
            if moment == "send":
                self.counts["call"] += 1
                self.note(f"{actor.hub.owner} → {about[0]} {about[1]}")
        self.boundaries += 1
        place = f"{actor.task}:{moment}"
        self.coverage.boundary(place)
        hit = self.boundaries == self.crash_at if self.crash_at is not None else (
            self.stormy and self.faults.crash > 0 and self.kill.random() < self.faults.crash
        )  # fmt: skip
        if hit:
            self.coverage.crash(place)
            actor.dead = True
            self.note(f"crash of {actor.hub.owner} at {place}")
            raise Crash(place)

    def _committing(self, moment: str) -> None:
        if moment == "commit":
            self.uncommitted = audit.take(self.store.db)
            self.invariants.before_commit(self.uncommitted)
            self.boundary("commit")
        else:
            self.ledger.committed(self.uncommitted)
            self.invariants.after_commit(self.uncommitted)
            self.boundary("committed")

    # ------------------------------------------------------------------ faults

    def chance(self, probability: float) -> bool:
        return self.stormy and probability > 0 and self.sky.random() < probability

    def weather(self, vendor: str, what: str, write: bool) -> str | None:
        """The fault of this call, None if there is none. `fates`: faults that a script has set for the next call of a name."""
        f = self.faults
        for fate in self.fates:
            if fate[0] in f"{vendor} {what}":
                self.fates.remove(fate)
                return self._strike(fate[1])
        if vendor in self.dead:
            return self._strike("hang" if f.hangs else "unavailable")
        if self.down_until.get(vendor, self.clock.now()) > self.clock.now():
            return self._strike("revoked")
        if self.chance(f.revoked):
            self.down_until[vendor] = self.clock.now() + timedelta(seconds=self.sky.uniform(1, 300))
            return self._strike("revoked")
        for name in ("unavailable", "throttled", "lost_before", "lost_after"):
            if self.chance(getattr(f, name)):
                return self._strike(name)
        if write and self.chance(f.lands_late):
            return self._strike("lands_late")
        if self.chance(f.pause):
            return self._strike("stall")
        return None

    def _strike(self, fault: str) -> str:
        self.counts[fault] += 1
        self.coverage.fault(fault)
        self.note(f"  ({fault})")
        return fault

    def half(self) -> bool:
        """Whether a create of two requests fails after the first."""
        return self.chance(self.faults.lost_after)

    def lag(self, limit: float) -> float:
        """Seconds by which a read is old."""
        if limit and self.chance(self.faults.stale_reads):
            self.coverage.fault("stale_reads")
            return self.sky.uniform(0, limit)
        return 0.0

    def delay(self) -> float | None:
        """The Retry-After of a throttling vendor, in seconds; None if it gives none."""
        return self.sky.choice((None, 1.0, 7.0, 40.0))

    def later(self, limit: float, act: Callable[[], Any]) -> None:
        """Carries out a write whose caller has given up, within `limit` seconds."""
        self.landing.append((self.clock.now() + timedelta(seconds=self.sky.uniform(0.1, limit * 0.95)), act))

    def wait(self, seconds: float, post: bool = False) -> None:
        """The running process waits; the others go on. post: long enough for webhooks to be delivered in between."""
        for _ in range(4):
            self.tick(seconds / 4)
            while post and self.network.deliver_one():
                pass
            for _ in range(6):
                if len(self.stack) >= 3 or not self.work():
                    break

    def stall(self) -> None:
        """Stops the running process for longer than any lease."""
        self.wait(self.sky.uniform(61, 200), post=True)

    def pause(self, vendor: str, what: str = "", moment: str = "before") -> None:
        """During a call, the rest of the world may go on."""
        for hook in self.hooks:
            if hook[0] == moment and hook[1] in f"{vendor} {what}":
                self.hooks.remove(hook)
                hook[2]()
                return
        if len(self.stack) >= 3 or not self.chance(self.faults.interleave):
            return
        kind = self.sky.random()
        if kind < 0.45:
            self.work()
        elif kind < 0.8 and self.people is not None:
            self.people.act()
        elif kind < 0.9:
            self.network.deliver_one()
        else:
            self.tick(self.sky.choice((0.1, 1.0, 5.0)))

    people: Any = None

    # ------------------------------------------------------------------ evidence

    def last_seen(self, owner: str, ref: Ref) -> int:
        """The version of an object that this worker was last shown; 0: never."""
        for actor in self.actors.values():
            vendor = actor.vendors.get(ref.id.rpartition("-")[0])
            if vendor is not None and vendor.actor == owner and ref in vendor.last_seen:
                return int(vendor.last_seen[ref].version or 0)
        return 0

    def note(self, line: str) -> None:
        self.trace.append(f"{self.clock.monotonic():9.2f} {'  ' * len(self.stack)}{line}")

    def violated(self, name: str, words: str) -> None:
        self.note(f"VIOLATED {name}: {words}")
        raise Violation(name, words)

    def fingerprint(self) -> str:
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()

    @property
    def events(self) -> int:
        """Number of edits, webhooks, wake-ups carried out, faults and crashes. Ticks and calls are not counted."""
        return sum(n for name, n in self.counts.items() if name not in ("tick", "call"))
