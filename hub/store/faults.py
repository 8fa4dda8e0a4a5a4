"""What a database may answer instead of doing what it was asked, as the rest of the hub hears of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DatabaseError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout


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


DAMAGED = ("SQLITE_NOTADB", "SQLITE_CORRUPT")


def unavailable(error: DBAPIError, file: str | None) -> StoreUnavailable | None:
    """What an error means, if it is the database that is at fault; None if it is the statement. file: of a SQLite database."""
    # SQLite says only with the base class that a file is damaged, or no database at all
    if not (error.connection_invalidated or type(error) in (OperationalError, DatabaseError)):
        return None
    words = _first_line(error)
    if file and getattr(error.orig, "sqlite_errorname", "").startswith(DAMAGED):
        remedy = "put a backup in its place, or move it away and run `lockstep migrate` for an empty one"
        return StoreUnavailable(f"{file} is damaged ({words})", remedy)
    return StoreUnavailable(f"{type(error.orig).__name__}: {words}")


@contextmanager
def translated(file: str | None) -> Iterator[None]:
    """Raises what the errors of the database mean to a caller; any other error goes on its way."""
    try:
        yield
    except PoolTimeout as e:
        raise StoreUnavailable("every database connection of this process stays in use") from e
    except IntegrityError as e:
        raise Collision(_first_line(e)) from e
    except DBAPIError as e:
        meant = unavailable(e, file)
        if meant is None:
            raise
        raise meant from e


def _first_line(error: DBAPIError) -> str:
    return next(iter(str(error.orig).splitlines()), "")


class File:
    """The file of a SQLite database, once it is open. path: None where the database is a server, or in memory."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self._opened: tuple[int, int] | None = None

    def opened(self, *_: Any) -> None:
        """A connection has been made."""
        self._opened = self._opened or self._there()

    def look(self) -> None:
        """Raises StoreUnavailable if another file, or none, is there now: connections go on reading what was moved away."""
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
