"""The exception that ends a run when an invariant is violated."""

from __future__ import annotations


class Violation(AssertionError):
    """The invariant `name` does not hold."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(f"{name}: {words}")
        self.name = name
        self.words = words
