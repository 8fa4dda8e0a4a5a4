"""How a request in the services can fail."""

from __future__ import annotations


class NotFound(LookupError):
    """There is no such thing; the text says what was looked for."""


class Conflict(Exception):
    """It cannot be done as things are now; the text says why, and what to do."""


class Invalid(ValueError):
    """A value is wrong. field: which; words: why, and what would be right."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(f"{field}: {words}")
        self.field = field
        self.words = words
