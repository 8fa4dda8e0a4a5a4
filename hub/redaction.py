"""Registry of the secret values that this process has read, so that no log line or stored error contains one.

Readers of secrets (`hub.settings.environment`, `hub.store.vault`) register each value; writers of text (`hub.logs`,
`hub.sync.limits.guard`) redact them. Values are kept in memory only.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from urllib.parse import quote

GONE = "[redacted]"

SHORTEST = 8
"""Characters. Shorter values also occur in ordinary text, and redacting them would make it unreadable."""

MOST = 1_000
"""Values kept, the newest: a refresh token that rotates hourly adds a thousand in six weeks."""


class Known:
    """Values to redact. Thread-safe.

    Each is searched for in turn: measured, one regular expression of all takes twice as long for ten values, seven
    times for a hundred.
    """

    def __init__(self) -> None:
        self._values: dict[str, None] = {}
        self._shapes: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<{len(self._values)} values>"

    def learn(self, *values: str) -> None:
        """Registers values to be redacted from now on. Cheap for values that are registered already."""
        new = [value for value in values if len(value) >= SHORTEST and value not in self._values]
        if not new:
            return
        with self._lock:
            kept = list(dict.fromkeys((*self._values, *new)))[-MOST:]
            # longest first: else the end of a value that begins with another would stay visible
            self._shapes = tuple(sorted({s for v in kept for s in _shapes(v)}, key=len, reverse=True))
            self._values = dict.fromkeys(kept)

    def without(self, text: str) -> str:
        """`text` with all registered values redacted."""
        for shape in self._shapes:
            if shape in text:
                text = text.replace(shape, GONE)
        return text


def _shapes(value: str) -> Iterator[str]:
    """The value as it is, as escaped by Python and by JSON, and as quoted in a URL."""
    yield value
    yield repr(value)[1:-1]
    yield json.dumps(value)[1:-1]
    yield quote(value, safe="")


known = Known()
"""The registry of this process."""
