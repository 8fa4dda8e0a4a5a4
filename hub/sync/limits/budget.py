"""Each connection's budget: how often, and how many at once. A vendor that hangs, throttles or is down costs only its own.

The counters are shared between all workers through Redis; without it they are this process's own, and the limits are still
kept within each process. Calls are counted, and booked a little ahead, in a moving window (`hub.sync.limits.window`); the places for
calls at once are a sorted set of leases, so that a worker that died gives its place back by itself.
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
"""Seconds after which the place of a worker that never came back is free again: above a lease, and what a call that was begun
within it may still take. Until then the connection has one place less, or none."""

PAUSE = 0.2
"""Seconds that a call takes, about: who finds every place taken comes back when one of them should be free, behind those who
came before."""

SHORTEST, LONGEST_LINE = 0.05, 120.0
"""Seconds: who is refused comes back after that, however many wait."""

LONGEST_NAP = 1.5
"""Seconds: who may call so soon waits where it is, in one of the connection's places. Going away and coming back costs two
commits and a wake-up. Above the shortest window of any vendor's."""

READ_SHARE, PARTIAL_READ_SHARE = 0.1, 0.05
"""Of a connection's budget, for reads that can wait, while writes do; for those that read the fields alone, which mostly find what
we have just written."""

LINE = """
local now = tonumber(redis.call('TIME')[1])
local left = math.max(redis.call('PTTL', KEYS[1]), 0)
if (tonumber(redis.call('GET', KEYS[1]) or '') or 0) > now + 1 then left = 0 end
local wait = math.min(math.max(left + tonumber(ARGV[2]), tonumber(ARGV[1])), tonumber(ARGV[3]))
redis.call('SET', KEYS[1], now, 'PX', wait)
return wait
"""
"""A connection's line is a key that lives until the last one in it may come back, and now one caller longer. Its value is
when that was set: a key from the future was set before the clock stepped back, and lives too long. Milliseconds: the shortest
wait, what one caller takes, the longest wait."""

PLACES = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], ARGV[4], '+inf')
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[5]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[6])
return 1
"""
"""Takes one of a connection's places, if fewer than the limit are taken. Arguments: the place, and in seconds since the epoch: now, when the
place is free again, what was set before the clock stepped back; the limit; the key's life in seconds."""

TIMEOUTS = {"socket_connect_timeout": 1.0, "socket_timeout": 1.0}


class Budget:
    """redis_url: where the counters are shared, or None. workers: how many worker slots there are in all, threads: those of this
    process, None where that does not matter; of neither does a connection ever hold the last one. enforce: False only where a simulated vendor keeps the limits. nap: how a thread waits (seconds); None
    where it must not."""

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
        """The client, imported and made with the first call that is counted; None where there is no Redis."""
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

        share: for a read that no write depends on. While writes wait, such calls get this much of the budget: in a storm
        people are told first, and what comes back from the vendor (mostly our own writes' echo) is read afterwards."""
        if not self.enforce:
            return
        for rate in capabilities.rates:
            many = min(calls, rate.count)
            delay = self._book(connection, rate, many) if share is None else self._fit(connection, rate, many, share)
            if delay is not None:
                words = f"{connection}: own budget of {rate.count} calls in {rate.per:g} s is used up"
                raise RetryLater(words, delay, throttled=True)

    def _try(
        self, name: str, rate: Rate, calls: int, ahead: float = 0.0, late: bool = False
    ) -> tuple[bool, float, bool]:
        """(whether it is booked, seconds to wait, whether the count is all workers'), of the window of that name."""
        key, now = f"{self.prefix}:{name}", self.clock.now().timestamp()
        if self._shared is not None:
            with contextlib.suppress(Exception):  # Redis is away: go on with this process's own count
                return *self._shared.book(key, rate, calls, now, ahead, late), True
        return *self._local.book(key, rate, calls, now, ahead, late), False

    def _book(self, connection: str, rate: Rate, calls: int, line: str | None = None) -> float | None:
        """None if admitted, after the nap that it took; else seconds to stay away. line: where those who are refused wait, if
        not with the connection's."""
        ahead = LONGEST_NAP if self.nap else 0.0
        booked, wait, shared = self._try(f"window:{connection}:{rate.per:g}", rate, calls, ahead)
        if not booked:
            return self._place_in_line(shared, line or connection, wait, rate, calls)
        if wait > 0 and self.nap is not None:
            self.nap(wait)
        return None

    def _fit(self, connection: str, rate: Rate, calls: int, share: float) -> float | None:
        """As `_book`, for a read that can wait. While others wait, in the connection's line or for a moment that is booked, it
        has its share, which begins to grow with the first refusal. Those who are refused wait in a line of their own, which
        moves at the whole limit's pace: when the others have gone, nobody waits for a share any more."""
        line, window = f"{connection}:patient", f"window:{connection}:{rate.per:g}"
        if self._line_seconds(connection) <= 0 and self._try(window, rate, calls)[0]:
            return None
        slow = Rate(1, calls * rate.per / rate.count / share)
        fits, _, shared = self._try(f"share:{line}", slow, 1, late=True)
        return self._book(connection, rate, calls, line) if fits else self._place_in_line(shared, line, 0, rate, calls)

    def _line_seconds(self, connection: str) -> float:
        """When the last one in the connection's line will come back."""
        if self._redis is not None:
            with contextlib.suppress(Exception):
                return int(self._redis.pttl(f"{self.prefix}:line:{connection}")) / 1000
        with self._lock:
            return self._line.get(connection, 0.0) - self.clock.monotonic()

    def _place_in_line(self, shared: bool, line: str, wait: float, rate: Rate, calls: int) -> float:
        """Seconds until the caller should come back: those who are refused come one after another, at the limit's own pace.
        If all came back together, each time all but one in vain, a thousand waiting rows would keep every worker busy."""
        pace, wait = calls * (rate.per + SLACK) / rate.count, max(wait, SHORTEST)
        if shared:
            key = f"{self.prefix}:line:{line}"
            milliseconds = (round(1000 * seconds) for seconds in (wait, pace, LONGEST_LINE))
            with contextlib.suppress(Exception):  # Redis is away
                return int(self._redis.eval(LINE, 1, key, *milliseconds)) / 1000
        now = self.clock.monotonic()
        with self._lock:
            place = max(self._line.get(line, now) + pace, now + wait)
            self._line[line] = min(place, now + LONGEST_LINE)
            return self._line[line] - now

    @contextlib.contextmanager
    def slot(self, connection: str, capabilities: Capabilities) -> Iterator[None]:
        """One of the connection's places for calls at once. Raises RetryLater when all are taken."""
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
        """A place shared by all workers; None without Redis. Raises RetryLater."""
        if self._redis is None or self.ids is None or not self.enforce:
            return None
        key, place, now = f"{self.prefix}:places:{connection}", self.ids.new(), self.clock.now().timestamp()
        args = place, now, now + PLACE, now + PLACE + STEPPED, limit, int(PLACE) + 1
        try:
            taken = self._places(keys=[key], args=args)
        except Exception:
            return None  # Redis is away: this process's own count stands
        if not taken:
            raise self._full(connection, limit)
        return place

    def _full(self, connection: str, limit: int) -> RetryLater:
        """What is raised when every place is taken: come back behind those who came before."""
        pace = Rate(limit, PAUSE)
        delay = self._place_in_line(self._redis is not None, f"{connection}:places", PAUSE, pace, 1)
        return RetryLater(f"{connection}: {limit} calls are already under way", delay, throttled=True)
