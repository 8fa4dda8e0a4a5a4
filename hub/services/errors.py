"""How a request to the services can fail."""

from __future__ import annotations


class NotFound(LookupError):
    """What was asked for does not exist; the text names it."""


class Conflict(Exception):
    """The current state does not allow it; the text says why, and what to do."""


class Invalid(ValueError):
    """A value is wrong. field: which; words: why, and what would be right."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(f"{field}: {words}")
        self.field = field
        self.words = words
