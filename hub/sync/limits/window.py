"""The times at which a connection's last calls were, or will be, sent: a sliding window in which a call can be booked a
little ahead. After a booking the caller waits and calls without asking again, so the earliest time that the limit
allows is always used."""

from __future__ import annotations

import threading
from collections.abc import MutableMapping
from typing import Any

from hub.domain.capability import Rate

STEPPED = 30.0
"""Seconds. A call counted further in the future than this was counted before the clock stepped back. It is discarded;
else the connection would make no calls until the clock catches up. Larger than any difference between workers'
clocks."""

SLACK = 0.06
"""Seconds added to a limit's period: we count calls when they leave, the vendor when they arrive, so a call that is
just in time by our count may be early by the vendor's. A refusal costs more than this."""

BOOK = """
local now, count, per, calls = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local ahead, stepped, late = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == '1'
local last = tonumber(redis.call('LINDEX', KEYS[1], -1) or '')
if last and last > now + per + stepped then redis.call('DEL', KEYS[1]) end
if late and not last then
  redis.call('RPUSH', KEYS[1], now)
  redis.call('PEXPIRE', KEYS[1], 2 * per)
  return {0, per}
end
local before = tonumber(redis.call('LINDEX', KEYS[1], calls - count - 1) or '')
local wait = before and math.max(before + per - now, 0) or 0
if wait > ahead then return {0, wait} end
for _ = 1, calls do redis.call('RPUSH', KEYS[1], now + wait) end
redis.call('LTRIM', KEYS[1], -count, -1)
redis.call('PEXPIRE', KEYS[1], wait + 2 * per)
return {1, wait}
"""
"""`_booked` as a Lua script, for the window that all workers share. Milliseconds."""


class Window:
    """A sliding window for each key. redis: keeps the times for all workers; None: they are kept in this process."""

    def __init__(self, redis: Any = None) -> None:
        self._book = redis.register_script(BOOK) if redis is not None else None
        self._moments: MutableMapping[str, list[int]] = {}
        self._lock = threading.Lock()

    def book(
        self, key: str, rate: Rate, calls: int, now: float, ahead: float = 0.0, late: bool = False
    ) -> tuple[bool, float]:
        """Books `calls` calls, all at one time. now: seconds since the epoch. ahead: seconds ahead that they may be
        booked. late: an unused window counts as used now.

        Returns (True, seconds to wait before they are sent), or, with nothing booked, (False, seconds until there is
        room). Raises redis.RedisError."""
        moment, per, far, stepped = (round(1000 * seconds) for seconds in (now, rate.per + SLACK, ahead, STEPPED))
        if self._book is not None:
            booked, wait = self._book(keys=[key], args=[moment, rate.count, per, calls, far, stepped, int(late)])
            return bool(booked), int(wait) / 1000
        with self._lock:
            moments = self._moments.setdefault(key, [])
            done, wait = _booked(moments, moment, rate.count, per, calls, far, stepped, late)
        return done, wait / 1000


def _booked(
    moments: list[int], now: int, count: int, per: int, calls: int, ahead: int, stepped: int, late: bool
) -> tuple[bool, int]:
    """moments: times of the last `count` calls, oldest first; booked ones are added. Milliseconds.

    The call that is `count` places before the last of the new ones must be at least `per` ago."""
    if moments and (moments[-1] > now + per + stepped or (late and now > moments[-1] + 2 * per)):
        moments.clear()
    if late and not moments:
        moments.append(now)
        return False, per
    wait = max(moments[calls - count - 1] + per - now, 0) if len(moments) > count - calls else 0
    if wait > ahead:
        return False, wait
    moments += [now + wait] * calls
    del moments[:-count]
    return True, wait
