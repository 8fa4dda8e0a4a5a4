"""The values of secrets that this process has handed out, so that no line of a log repeats one, whatever it looks like.

Whoever hands a secret out (`hub.settings.environment`, `hub.store.vault`) has it learnt here; whoever writes words down (`hub.logs`,
`hub.sync.limits.guard`) has them taken out. A value is kept in memory alone, where it has just been anyway.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from urllib.parse import quote

GONE = "[redacted]"

SHORTEST = 8
"""Characters. What is shorter stands in words that are no secret, and would make them unreadable."""

MOST = 1_000
"""Values remembered, the newest: a refresh token that rotates each hour would else be a thousand in a few weeks."""


class Known:
    """Values that must not be read. May be used from several threads.

    Each is looked for in turn: measured, one regular expression of all takes twice as long for ten, and seven times for a hundred.
    """

    def __init__(self) -> None:
        self._values: dict[str, None] = {}
        self._shapes: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<{len(self._values)} values>"

    def learn(self, *values: str) -> None:
        """From now on these are taken out. Costs a look for those that are known."""
        new = [value for value in values if len(value) >= SHORTEST and value not in self._values]
        if not new:
            return
        with self._lock:
            kept = list(dict.fromkeys((*self._values, *new)))[-MOST:]
            # a value that is the beginning of another goes after it, else the other's end would stay
            self._shapes = tuple(sorted({s for v in kept for s in _shapes(v)}, key=len, reverse=True))
            self._values = dict.fromkeys(kept)

    def without(self, text: str) -> str:
        """`text` without them."""
        for shape in self._shapes:
            if shape in text:
                text = text.replace(shape, GONE)
        return text


def _shapes(value: str) -> Iterator[str]:
    """As it is, inside quotes of Python and of JSON, and in an address."""
    yield value
    yield repr(value)[1:-1]
    yield json.dumps(value)[1:-1]
    yield quote(value, safe="")


known = Known()
"""Those of this process."""
