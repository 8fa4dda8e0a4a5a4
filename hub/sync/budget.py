"""Each connection's budget: how often, and how many at once. A vendor that hangs, throttles or is down costs only its own.

The counters are shared between all workers through Redis; without it they are this process's own, and the limits are still
kept within each process. Calls are counted, and booked a little ahead, in a moving window (`hub.sync.window`); the places for
calls at once are a sorted set of leases, so that a worker that died gives its place back by itself.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from hub.domain.capability import Capabilities, Rate
from hub.domain.errors import RetryLater
from hub.ports import Clock, Ids
from hub.sync.window import SLACK, STEPPED, Window

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

PATIENT_SHARE = 0.1
"""Of a connection's budget, for reads that can wait, while writes do."""

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

TIMEOUTS = {"socket_connect_timeout": 1.0, "socket_timeout": 1.0}


class Budget:
    """redis_url: where the counters are shared, or None. workers: how many worker slots there are in all: a connection never
    holds the last one. enforce: False only where a simulated vendor keeps the limits. nap: how a thread waits (seconds); None
    where it must not."""

    def __init__(
        self,
        clock: Clock,
        redis_url: str | None = None,
        prefix: str = "lockstep",
        *,
        ids: Ids | None = None,
        workers: Callable[[], int] = lambda: 2,
        enforce: bool = True,
        nap: Callable[[float], None] | None = None,
    ) -> None:
        self.clock = clock
        self.prefix = prefix
        self.ids = ids
        self.workers = workers
        self.enforce = enforce
        self.nap = nap
        self._local = Window()
        self._shared: Window | None = None
        self._redis: Any = None
        if redis_url:
            self._connect(redis_url)
        self._running: dict[str, int] = {}
        self._line: dict[str, float] = {}
        self._lock = threading.Lock()

    def _connect(self, url: str) -> None:
        with contextlib.suppress(Exception):
            import redis

            self._redis = redis.Redis.from_url(url, **TIMEOUTS)
            self._shared = Window(self._redis)

    def admit(self, connection: str, capabilities: Capabilities, calls: int = 1, *, patient: bool = False) -> None:
        """Takes `calls` calls out of the budget, all or none. Raises RetryLater (throttled, with the delay).

        patient: a read that no write depends on. While writes wait, such calls get `PATIENT_SHARE` of the budget: in a storm
        people are told first, and what comes back from the vendor (mostly our own writes' echo) is read afterwards."""
        if not self.enforce:
            return
        for rate in capabilities.rates:
            book = self._book_patiently if patient else self._book
            delay = book(connection, rate, min(calls, rate.count))
            if delay is not None:
                words = f"{connection}: own budget of {rate.count} calls in {rate.per:g} s is used up"
                raise RetryLater(words, delay, throttled=True)

    def _windows(self) -> Iterator[Window]:
        """Where the counters are: shared, and after its failure this process's own."""
        if self._shared is not None:
            yield self._shared
        yield self._local

    def _book(
        self, connection: str, rate: Rate, calls: int, *, line: str | None = None, nap: bool = True
    ) -> float | None:
        """None if admitted, after the nap that it took; else seconds to stay away. line: where those who are refused wait, if
        not with the connection's. nap: whether to wait for a moment that is near."""
        key, ahead = f"{self.prefix}:window:{connection}:{rate.per:g}", LONGEST_NAP if nap and self.nap else 0.0
        for window in self._windows():
            try:
                booked, wait = window.book(key, rate, calls, self.clock.now().timestamp(), ahead)
                if not booked:
                    return self._place_in_line(window is self._shared, line or connection, wait, rate, calls)
            except Exception:  # noqa: S112 - Redis is away: go on with this process's own count
                continue
            if wait > 0 and self.nap is not None:
                self.nap(wait)
            return None
        return None

    def _book_patiently(self, connection: str, rate: Rate, calls: int) -> float | None:
        """As `_book`, with a line of its own. While others wait, in the connection's line or for a moment that is booked, it
        has its share, which begins to grow with the first refusal."""
        line = f"{connection}:patient"
        if self._line_seconds(connection) <= 0 and self._book(connection, rate, calls, line=line, nap=False) is None:
            return None
        slow = Rate(1, calls * rate.per / rate.count / PATIENT_SHARE)
        delay = self._share(line, slow)
        return self._book(connection, rate, calls, line=line) if delay is None else delay

    def _share(self, line: str, slow: Rate) -> float | None:
        """None if it is the turn of a read that can wait, else seconds to stay away."""
        key, now = f"{self.prefix}:share:{line}", self.clock.now().timestamp()
        for window in self._windows():
            with contextlib.suppress(Exception):
                booked, wait = window.book(key, slow, 1, now, late=True)
                return None if booked else self._place_in_line(window is self._shared, line, wait, slow, 1)
        return None

    def _line_seconds(self, connection: str) -> float:
        """When the last one in the connection's line will come back."""
        if self._redis is not None:
            with contextlib.suppress(Exception):
                return int(self._redis.pttl(f"{self.prefix}:line:{connection}")) / 1000
        with self._lock:
            return self._line.get(connection, 0.0) - self.clock.monotonic()

    def _place_in_line(self, shared: bool, connection: str, wait: float, rate: Rate, calls: int) -> float:
        """Seconds until the caller should come back: those who are refused come one after another, at the limit's own pace.
        If all came back together, each time all but one in vain, a thousand waiting rows would keep every worker busy."""
        pace, wait = calls * (rate.per + SLACK) / rate.count, max(wait, SHORTEST)
        if shared:
            key = f"{self.prefix}:line:{connection}"
            milliseconds = (round(1000 * seconds) for seconds in (wait, pace, LONGEST_LINE))
            return int(self._redis.eval(LINE, 1, key, *milliseconds)) / 1000
        now = self.clock.monotonic()
        with self._lock:
            place = max(self._line.get(connection, now) + pace, now + wait)
            self._line[connection] = min(place, now + LONGEST_LINE)
            return self._line[connection] - now

    @contextlib.contextmanager
    def slot(self, connection: str, capabilities: Capabilities) -> Iterator[None]:
        """One of the connection's places for calls at once. Raises RetryLater when all are taken."""
        limit = max(1, min(capabilities.concurrency, self.workers() - 1))
        with self._lock:
            free = self._running.get(connection, 0) < limit
            self._running[connection] = self._running.get(connection, 0) + free
        if not free:
            raise self._full(connection, limit)
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
        try:
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.zremrangebyscore(key, "-inf", now)
                pipe.zremrangebyscore(key, now + PLACE + STEPPED, "+inf")
                pipe.zadd(key, {place: now + PLACE})
                pipe.expire(key, int(PLACE) + 1)
                pipe.zrank(key, place)
                rank = pipe.execute()[-1]
            if rank is not None and rank >= limit:
                self._redis.zrem(key, place)
                raise self._full(connection, limit)
        except RetryLater:
            raise
        except Exception:
            return None  # Redis is away: this process's own count stands
        return place

    def _full(self, connection: str, limit: int) -> RetryLater:
        """What is raised when every place is taken: come back behind those who came before."""
        words, pace = f"{connection}: {limit} calls are already under way", Rate(limit, PAUSE)
        try:
            delay = self._place_in_line(self._redis is not None, f"{connection}:places", PAUSE, pace, 1)
        except Exception:
            delay = self._place_in_line(False, f"{connection}:places", PAUSE, pace, 1)
        return RetryLater(words, delay, throttled=True)
