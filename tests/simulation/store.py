"""The simulated hub's database, in memory, made once per process and emptied for each run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from hub.store.unit import Store, StoreUnavailable, Tx
from tests.simulation import audit
from tests.simulation.violation import Violation


class SimStore(Store):
    """A store that refuses a transaction of a crashed process, and one inside another."""

    def __init__(self) -> None:
        super().__init__("sqlite://")
        self.full = False
        self.enter: Callable[[], None] = lambda: None
        self.create_all()
        self._kept = self.writer.raw_connection()
        self.db: Any = self._kept.driver_connection
        self.db.execute("PRAGMA temp_store=MEMORY")
        audit.install(self.db)
        self.tables = [r[0] for r in self.db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")]

    def unit(self) -> AbstractContextManager[Tx]:
        if self.full:
            raise StoreUnavailable("no space left")
        return self._guarded(super().unit())

    def reading(self) -> AbstractContextManager[Tx]:
        return self._guarded(super().reading())

    @contextlib.contextmanager
    def _guarded(self, transaction: AbstractContextManager[Tx]) -> Iterator[Tx]:
        self.enter()
        if self.in_transaction:
            raise Violation("one transaction at a time", "a transaction was opened inside another")
        with transaction as tx:
            yield tx

    def wipe(self) -> None:
        """Empties the database, as after `create_all`, without making the tables again."""
        self.watch, self.enter, self.full = None, lambda: None, False
        if self.db.in_transaction:
            self.db.rollback()
        self.db.execute("PRAGMA foreign_keys=OFF")
        for table in self.tables:
            self.db.execute(f"DELETE FROM main.{table}")
        self.db.execute("DELETE FROM audit")
        self.db.execute("PRAGMA foreign_keys=ON")


_STORE: list[SimStore] = []


def fresh_store() -> SimStore:
    """The process's simulated database, emptied."""
    if not _STORE:
        _STORE.append(SimStore())
    _STORE[0].wipe()
    return _STORE[0]


def store_of_last_run() -> SimStore:
    """The database as the last run left it."""
    return _STORE[0]


def forget_store() -> None:
    """Makes the next run create a new database: after an exception the state of this one is unknown."""
    _STORE.clear()
