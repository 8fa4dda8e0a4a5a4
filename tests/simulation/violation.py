"""What a run ends with when it shows that something does not hold."""

from __future__ import annotations


class Violation(AssertionError):
    """An invariant, by its name, does not hold."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(f"{name}: {words}")
        self.name = name
        self.words = words
