"""Limits on the time and memory of one call. Without them a fuzz test takes an endless loop or a decompression bomb for slowness."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 5.0
"""Most seconds of one call, on a slow and busy machine."""

TIMES, ROOM = 50, 20 * 1024 * 1024
"""Most bytes that a call may hold at once: so many for each byte of its input, plus room for a library that is loaded in it."""


@contextmanager
def bounded(given: int, *, memory: bool = True) -> Iterator[None]:
    """Asserts that the call within, given so many bytes, ends in time and holds no more memory than allowed, also if it raises.
    memory: False for a long call (measuring makes it three times slower), or one that loads libraries."""
    began = time.monotonic()
    if memory:
        tracemalloc.start()
    try:
        yield
    finally:
        took = time.monotonic() - began
        _, held = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert took < SECONDS, f"{took:.1f} seconds for {given} bytes"
        assert held < TIMES * given + ROOM, f"{held} bytes held for {given} bytes"
