"""The scheduler: one thread runs at a time, in every order in which two may alternate.

An interleaving is (which thread begins, the numbers of the steps before which it is preempted). Everything else follows: the
running thread goes on until it waits for a lock of the other, or ends. With at most `bound` preemptions the interleavings are
finite, and `explore` runs them all: most real races need one or two.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psycopg

SOON = 0.003
"""After so many seconds without a step the database is asked whether the thread waits for a lock."""

PATIENCE = 30.0

_current = threading.local()


@dataclass(frozen=True)
class Turns:
    """One interleaving. begins: 0 or 1. taken: numbers of the steps before which the other thread runs."""

    begins: int
    taken: tuple[int, ...] = ()


class Stuck(AssertionError):
    """A thread neither makes a step nor waits for a lock."""


@dataclass
class Runner:
    """One worker of a race. backend: the process id of its database connection. trace: the points that it passed."""

    name: str
    act: Callable[[], object]
    backend: Callable[[], int]
    waits: bool = False
    done: bool = False
    at: str = "start"
    error: BaseException | None = None
    trace: list[str] = field(default_factory=list)
    _go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _back: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def begin(self) -> None:
        threading.Thread(target=self._run, name=self.name, daemon=True).start()

    def _run(self) -> None:
        _current.runner = self
        self._go.acquire()
        try:
            self.act()
        except BaseException as e:
            self.error = e
        self.done = True
        self._back.release()

    def point(self, label: str) -> None:
        """A point at which this thread may be preempted."""
        self.at = label
        self.trace.append(label)
        self._back.release()
        self._go.acquire()

    def go(self) -> None:
        self._go.release()

    def came_back(self, seconds: float) -> bool:
        return self._back.acquire(timeout=seconds)


def point(label: str) -> None:
    """A point at which the other worker may run. Does nothing outside a race."""
    runner = getattr(_current, "runner", None)
    if runner is not None and not runner.done:
        runner.point(label)


@dataclass
class Ran:
    """steps: their number. open: numbers of the steps at which the other thread could have run. deadlocks: how often each
    waited for the other and the database ended one of them."""

    turns: Turns
    runners: tuple[Runner, Runner]
    steps: int
    open: list[int]
    told: list[str]
    deadlocks: int


class Race:
    """monitor: a connection that belongs to neither worker."""

    def __init__(self, monitor: psycopg.Connection) -> None:
        self.monitor = monitor
        self.waited = 0

    def _blocked(self, runner: Runner) -> bool:
        row = self.monitor.execute("SELECT pg_blocking_pids(%s)", (runner.backend(),)).fetchone()
        return bool(row and row[0])

    def _await(self, runner: Runner) -> None:
        """Waits until the thread is at a point, has ended, or waits for a lock."""
        for _ in range(int(PATIENCE / SOON)):
            if runner.came_back(SOON):
                runner.waits = False
                return
            if self._blocked(runner):
                if not runner.waits:
                    self.waited += 1
                runner.waits = True
                return
        raise Stuck(f"{runner.name} does not go on after {runner.at}")

    def run(self, turns: Turns, first: Runner, second: Runner) -> Ran:
        runners = (first, second)
        for runner in runners:
            runner.begin()
        now, step, deadlocks = turns.begins, 0, 0
        free: list[int] = []
        told: list[str] = []
        while not all(r.done for r in runners):
            mine, other = runners[now], runners[1 - now]
            if mine.done or mine.waits:
                if other.done or other.waits:
                    deadlocks += not (mine.done or other.done)
                    for runner in runners:
                        if not runner.done:
                            self._await(runner)
                    continue
                now = 1 - now
                continue
            if not other.done and not other.waits:
                free.append(step)
                if step in turns.taken:
                    now, mine, other = 1 - now, other, mine
            told.append(f"{mine.name}: {mine.at}")
            mine.go()
            self._await(mine)
            if other.waits:
                self._await(other)
            step += 1
        return Ran(turns, runners, step, free, told, deadlocks)


def explore(run: Callable[[Turns], Ran], bound: int) -> Iterator[Ran]:
    """Every interleaving with at most `bound` preemptions, each once."""
    waiting = deque([Turns(0), Turns(1)])  # the two serial orders come first: their ends are the correct ones
    while waiting:
        turns = waiting.popleft()
        ran = run(turns)
        yield ran
        if len(turns.taken) < bound:
            last = turns.taken[-1] if turns.taken else -1
            waiting += [Turns(turns.begins, (*turns.taken, at)) for at in ran.open if at > last]


def draw(run: Callable[[Turns], Ran], rng: random.Random, many: int, longest: int, bound: int) -> Iterator[Ran]:
    """`many` random interleavings with up to `bound` preemptions. longest: steps of the longest."""
    for _ in range(many):
        count = rng.randint(2, bound)
        taken = sorted(rng.sample(range(longest), min(count, longest)))
        yield run(Turns(rng.randrange(2), tuple(taken)))
