"""What an input may cost. A fuzz that looks at answers alone takes an endless loop, or a bomb, for a slow machine."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 5.0
"""The longest that one call may take, on a slow machine that does other things too."""

TIMES, ROOM = 50, 20 * 1024 * 1024
"""Bytes that a call may hold at once: so many for each byte of its input, and what a library needs that is loaded just then."""


@contextmanager
def bounded(given: int, *, memory: bool = True) -> Iterator[None]:
    """Around one call that is given so many bytes: it is over in time, and holds no more than its input explains, also
    where it raises. memory: False for what is long (counting makes it three times slower), or loads libraries."""
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
