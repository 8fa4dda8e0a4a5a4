"""The store's errors. Imports no database library, because commands that need none import this."""

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
    """Another transaction inserted the same unique key; nothing was changed; repeat."""


COLLIDED = "another request changed this object at the same moment; nothing was changed. Read it again, then repeat"
"""The message of a Collision for the user."""


class TransactionOpen(RuntimeError):
    """A transaction was begun inside another one of the same thread: a defect in the hub."""


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


def make_folder(path: str) -> None:
    """Creates the folder of a SQLite file with mode 0700. Raises StoreUnavailable."""
    folder = Path(path).parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as e:
        raise StoreUnavailable(f"the folder {folder} cannot be made: {e.strerror}") from None
