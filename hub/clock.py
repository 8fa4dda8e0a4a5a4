"""The one source of time, ids and random numbers. All other code receives a `Clock` and `Ids` (see `hub.ports`)."""

from __future__ import annotations

import random
import secrets
import time
from datetime import UTC, datetime, timedelta

_ALPHABET = "0123456789abcdefghijklmnopqrstuv"


_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


def _base32(number: int, width: int) -> str:
    """The lowest `width` base-32 digits of a number, computed two at a time."""
    digits = [_PAIRS[number >> shift & 1023] for shift in range(10 * ((width - 1) // 2), -1, -10)]
    return "".join(digits)[-width:]


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


def nap(seconds: float) -> None:
    """Sleeps `seconds` in this thread."""
    time.sleep(seconds)


class SystemIds:
    """Ids from the system's randomness: 10 characters of milliseconds, 16 random ones."""

    def new(self) -> str:
        return _base32(time.time_ns() // 1_000_000, 10) + _base32(secrets.randbits(80), 16)

    def token(self, size: int = 32) -> str:
        return secrets.token_urlsafe(size)

    def chance(self) -> float:
        return secrets.randbits(53) / (1 << 53)


class ManualClock:
    """A clock that moves only by `advance` and `set`: for tests and the simulation."""

    def __init__(self, start: datetime = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)) -> None:
        self._now = start
        self._start = start

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._start).total_seconds()

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    def set(self, when: datetime) -> None:
        self._now = when


class SeededIds:
    """Ids and random numbers from a seed: the same seed gives the same ids in the same order."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - reproducible on purpose, never in production
        self._count = 0

    def new(self) -> str:
        self._count += 1
        return _base32(self._count, 10) + _base32(self._random.getrandbits(80), 16)

    def token(self, size: int = 32) -> str:
        return _base32(self._random.getrandbits(size * 5), size)

    def chance(self) -> float:
        return self._random.random()
