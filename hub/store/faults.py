"""What a database may answer instead of doing what it was asked, as the rest of the hub hears of it. Imports no database library:
commands that need none import this."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


class StoreUnavailable(Exception):
    """The database cannot be reached or refuses to write now; nothing was changed. remedy: "", or what helps against just
    this."""

    def __init__(self, words: str = "", remedy: str = "") -> None:
        super().__init__(f"{words}; {remedy}" if remedy else words)
        self.words = words
        self.remedy = remedy


class Collision(Exception):
    """Another transaction took, at the same moment, what must be unique; nothing was changed; do it again."""


COLLIDED = "another request changed the same thing at the same moment, and nothing was changed by this one; read it again, then repeat"
"""A Collision, in words for whoever asked for the change."""


class TransactionOpen(RuntimeError):
    """A transaction was to be begun inside another one of the same thread: a mistake in the hub's own code."""


class File:
    """The file of a SQLite database, once it is open. path: None where the database is a server, or in memory."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self._opened: tuple[int, int] | None = None

    def opened(self, *_: Any) -> None:
        """Records the file's identity at the first connection."""
        self._opened = self._opened or self._there()

    def check(self) -> None:
        """Raises StoreUnavailable if the file was moved away or replaced: open connections would go on reading the old
        one."""
        if self._opened and self._there() != self._opened:
            raise StoreUnavailable(f"{self.path} was moved away or replaced", "put it back, then restart the hub")

    def _there(self) -> tuple[int, int] | None:
        if self.path is None:
            return None
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino


def make_room(path: str) -> None:
    """Makes the folder of a SQLite file, which nobody else may enter. Raises StoreUnavailable."""
    folder = Path(path).parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as e:
        raise StoreUnavailable(f"the folder {folder} cannot be made: {e.strerror}") from None
