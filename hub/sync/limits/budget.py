"""Each connection's budget: how many calls in a period, and how many at once. A vendor that hangs, throttles or is down
delays its own connection only.

All workers share the counters through Redis; without Redis each process counts for itself and keeps the limits for its
own calls. Calls are counted, and booked a little ahead, in a sliding window (`hub.sync.limits.window`). The places for
concurrent calls are a sorted set of leases, so that the place of a worker that died becomes free by itself.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from hub.domain.capability import Capabilities, Rate
from hub.domain.errors import RetryLater
from hub.ports import Clock, Ids
from hub.sync.limits.window import SLACK, STEPPED, Window

PLACE = 75.0
"""Seconds after which the place of a worker that died becomes free: longer than a lease plus a call that began within
it. Until then the connection has one place fewer, or none."""

PAUSE = 0.2
"""Seconds that a call takes, about. A caller that finds every place taken tries again when one should be free, after
the callers refused before it."""

SHORTEST, LONGEST_LINE = 0.05, 120.0
"""Seconds: the least and the most that a refused caller waits before it tries again, however many wait."""

LONGEST_NAP = 1.5
"""Seconds: a caller that may call this soon sleeps in its thread and keeps the connection's place, as giving the task
back costs two commits and a wake-up. Above the shortest period of any vendor's rate."""

READ_SHARE, PARTIAL_READ_SHARE = 0.1, 0.05
"""Shares of a connection's budget while writes wait: for reads that can wait, and for partial reads, which mostly find
what we have just written."""

LINE = """
local now = tonumber(redis.call('TIME')[1])
local left = math.max(redis.call('PTTL', KEYS[1]), 0)
if (tonumber(redis.call('GET', KEYS[1]) or '') or 0) > now + 1 then left = 0 end
local wait = math.min(math.max(left + tonumber(ARGV[2]), tonumber(ARGV[1])), tonumber(ARGV[3]))
redis.call('SET', KEYS[1], now, 'PX', wait)
return wait
"""
"""A connection's queue of refused callers is a key that expires when the last of them may try again; this adds one
caller. Its value is the time at which it was set: a value in the future dates from before the clock stepped back, and
its expiry is ignored. Arguments, in milliseconds: the shortest wait, the time for one caller, the longest wait."""

PLACES = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], ARGV[4], '+inf')
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[5]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[6])
return 1
"""
"""Takes one of a connection's places, if fewer than the limit are taken. Arguments: the place; in seconds since the
epoch: now, when the place becomes free, and the score above which a place dates from before the clock stepped back; the
limit; the key's life in seconds."""

TIMEOUTS = {"socket_connect_timeout": 1.0, "socket_timeout": 1.0}


class Budget:
    """redis_url: where the counters are shared, or None. workers: the number of worker threads in all; threads: those
    of this process, None for no limit in it. A connection never holds the last one of either. enforce: False only where
    a simulated vendor keeps the limits. nap: how a thread sleeps (seconds); None where it must not."""

    def __init__(
        self,
        clock: Clock,
        redis_url: str | None = None,
        prefix: str = "lockstep",
        *,
        ids: Ids | None = None,
        workers: Callable[[], int] = lambda: 2,
        threads: int | None = None,
        enforce: bool = True,
        nap: Callable[[float], None] | None = None,
    ) -> None:
        self.clock = clock
        self.prefix = prefix
        self.ids = ids
        self.workers = workers
        self.threads = threads
        self.enforce = enforce
        self.nap = nap
        self._local = Window()
        self._url = redis_url
        self._running: dict[str, int] = {}
        self._line: dict[str, float] = {}
        self._lock = threading.Lock()

    @cached_property
    def _redis(self) -> Any:
        """The client, imported and created at the first counted call; None without Redis."""
        if not self._url:
            return None
        with contextlib.suppress(Exception):
            import redis

            return redis.Redis.from_url(self._url, **TIMEOUTS)
        return None

    @cached_property
    def _shared(self) -> Window | None:
        return Window(self._redis) if self._redis is not None else None

    @cached_property
    def _places(self) -> Any:
        return self._redis.register_script(PLACES)

    def admit(self, connection: str, capabilities: Capabilities, calls: int = 1, *, share: float | None = None) -> None:
        """Takes `calls` calls out of the budget, all or none. Raises RetryLater (throttled, with the delay).

        share: for a read that no write depends on. While writes wait, such calls get this share of the budget: in a
        storm of changes the writes that inform people go first, and the reads (mostly echoes of our own writes)
        follow."""
        if not self.enforce:
            return
        for rate in capabilities.rates:
            many = min(calls, rate.count)
            delay = self._book(connection, rate, many) if share is None else self._fit(connection, rate, many, share)
            if delay is not None:
                words = f"{connection}: the hub's budget of {rate.count} calls in {rate.per:g} s is used up"
                raise RetryLater(words, delay, throttled=True)

    def _try(
        self, name: str, rate: Rate, calls: int, ahead: float = 0.0, late: bool = False
    ) -> tuple[bool, float, bool]:
        """(whether it is booked, seconds to wait, whether all workers share the count), for the window of that name."""
        key, now = f"{self.prefix}:{name}", self.clock.now().timestamp()
        if self._shared is not None:
            with contextlib.suppress(Exception):  # without Redis: use this process's own count
                return *self._shared.book(key, rate, calls, now, ahead, late), True
        return *self._local.book(key, rate, calls, now, ahead, late), False

    def _book(self, connection: str, rate: Rate, calls: int, line: str | None = None) -> float | None:
        """None if admitted, after any sleep that this needed; else seconds until the caller should try again. line: the
        queue of refused callers to join, instead of the connection's."""
        ahead = LONGEST_NAP if self.nap else 0.0
        booked, wait, shared = self._try(f"window:{connection}:{rate.per:g}", rate, calls, ahead)
        if not booked:
            return self._place_in_line(shared, line or connection, wait, rate, calls)
        if wait > 0 and self.nap is not None:
            self.nap(wait)
        return None

    def _fit(self, connection: str, rate: Rate, calls: int, share: float) -> float | None:
        """As `_book`, for a read that can wait. While other callers wait, in the connection's queue or for a booked
        time, it gets its share, counted from the first refusal. Refused reads wait in a queue of their own that moves
        at the pace of the whole limit: once the other callers are served, no read waits for its share."""
        line, window = f"{connection}:patient", f"window:{connection}:{rate.per:g}"
        if self._line_seconds(connection) <= 0 and self._try(window, rate, calls)[0]:
            return None
        slow = Rate(1, calls * rate.per / rate.count / share)
        fits, _, shared = self._try(f"share:{line}", slow, 1, late=True)
        return self._book(connection, rate, calls, line) if fits else self._place_in_line(shared, line, 0, rate, calls)

    def _line_seconds(self, connection: str) -> float:
        """Seconds until the last caller in the connection's queue tries again."""
        if self._redis is not None:
            with contextlib.suppress(Exception):
                return int(self._redis.pttl(f"{self.prefix}:line:{connection}")) / 1000
        with self._lock:
            return self._line.get(connection, 0.0) - self.clock.monotonic()

    def _place_in_line(self, shared: bool, line: str, wait: float, rate: Rate, calls: int) -> float:
        """Seconds until the caller should try again: refused callers return one after another, at the pace of the
        limit. If all returned together, all but one in vain each time, a thousand waiting rows would keep every worker
        busy."""
        pace, wait = calls * (rate.per + SLACK) / rate.count, max(wait, SHORTEST)
        if shared:
            key = f"{self.prefix}:line:{line}"
            milliseconds = (round(1000 * seconds) for seconds in (wait, pace, LONGEST_LINE))
            with contextlib.suppress(Exception):  # without Redis: count below
                return int(self._redis.eval(LINE, 1, key, *milliseconds)) / 1000
        now = self.clock.monotonic()
        with self._lock:
            place = max(self._line.get(line, now) + pace, now + wait)
            self._line[line] = min(place, now + LONGEST_LINE)
            return self._line[line] - now

    @contextlib.contextmanager
    def slot(self, connection: str, capabilities: Capabilities) -> Iterator[None]:
        """Holds one of the connection's places for concurrent calls. Raises RetryLater (throttled) when all are
        taken."""
        limit = max(1, min(capabilities.concurrency, self.workers() - 1))
        here = limit if self.threads is None else max(1, min(limit, self.threads - 1))
        with self._lock:
            free = self._running.get(connection, 0) < here
            self._running[connection] = self._running.get(connection, 0) + free
        if not free:
            raise self._full(connection, here)
        place = None
        try:
            place = self._take_place(connection, limit)
            yield
        finally:
            with self._lock:
                self._running[connection] -= 1
            if place is not None:
                with contextlib.suppress(Exception):
                    self._redis.zrem(f"{self.prefix}:places:{connection}", place)

    def _take_place(self, connection: str, limit: int) -> str | None:
        """Takes a place that all workers count; None without Redis. Raises RetryLater when all are taken."""
        if self._redis is None or self.ids is None or not self.enforce:
            return None
        key, place, now = f"{self.prefix}:places:{connection}", self.ids.new(), self.clock.now().timestamp()
        args = place, now, now + PLACE, now + PLACE + STEPPED, limit, int(PLACE) + 1
        try:
            taken = self._places(keys=[key], args=args)
        except Exception:
            return None  # without Redis: this process's own count is the limit
        if not taken:
            raise self._full(connection, limit)
        return place

    def _full(self, connection: str, limit: int) -> RetryLater:
        """The error for a caller that finds every place taken: it tries again after the callers refused before it."""
        pace = Rate(limit, PAUSE)
        delay = self._place_in_line(self._redis is not None, f"{connection}:places", PAUSE, pace, 1)
        return RetryLater(f"{connection}: {limit} calls are already in flight, the most at once", delay, throttled=True)
