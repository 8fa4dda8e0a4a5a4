"""The one transaction boundary. A commit happens at the end of a `Store.unit()`, or with the single statement of
`Store.at_once()`. No vendor is called inside a transaction, and none is opened inside another. On PostgreSQL an
incident's row is locked where it is changed (`incidents.lock`).

`Store.watch` is called with "commit" before and "committed" after each commit of a unit: the crash points of the
simulation.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.pool import Pool

from hub.settings.database import file_of
from hub.store.driver_errors import translated
from hub.store.engines import BUSY_SECONDS, begin, engines
from hub.store.faults import Collision as Collision
from hub.store.faults import File, TransactionOpen
from hub.store.faults import StoreUnavailable as StoreUnavailable
from hub.store.tables import metadata

Tx = Connection
"""A transaction in progress, as the modules of this package take it: SQLAlchemy's connection, its transaction begun."""

_INHERITED: list[Pool] = []
"""Pools of the parent process: referenced here, so that no connection of theirs is closed in the child."""


class Store:
    """A database. url: an SQLAlchemy URL (`sqlite:///path`, `sqlite://`, `postgresql+psycopg://...`)."""

    def __init__(self, url: str, watch: Callable[[str], None] | None = None) -> None:
        self.url = url.replace("postgres://", "postgresql://", 1)
        self.watch = watch
        self.file = File(file_of(self.url))
        self.writer, self.reader = engines(self.url, self.file)
        self._in_this_process()

    def _in_this_process(self) -> None:
        self._pid = os.getpid()
        self._turn = threading.Lock()
        self._thread = threading.local()

    @property
    def is_sqlite(self) -> bool:
        return self.writer.dialect.name == "sqlite"

    @property
    def in_transaction(self) -> bool:
        """Whether this thread has a transaction of this store open."""
        return getattr(self._thread, "open", False)

    @contextmanager
    def unit(self) -> Iterator[Tx]:
        """A transaction that commits at the end, or rolls back whole on any exception.

        Raises StoreUnavailable when the database, not the statement, is at fault; Collision when another transaction has just
        taken what must be unique; TransactionOpen within another one.
        """
        with self._alone(self.writer):
            with self.writer.begin() as tx:
                begin(tx, to_write=True)
                yield tx
                self._notify("commit")
            self._notify("committed")

    @contextmanager
    def reading(self) -> Iterator[Tx]:
        """Reads only; never blocks a writer. Raises as `unit` does."""
        with self._alone(self.reader), self.reader.connect() as tx:
            begin(tx, to_write=False)
            yield tx

    def at_once(self) -> AbstractContextManager[Tx]:
        """For a single statement. On a server it runs in autocommit mode, which saves two round trips. Raises as `unit`
        does."""
        return self.unit() if self.is_sqlite else self.reading()

    def create_all(self) -> None:
        """All tables at once, without migrations: for tests and the simulation."""
        with self.unit() as tx:
            metadata.create_all(tx)

    def close(self) -> None:
        self.writer.dispose()
        self.reader.dispose()

    def _notify(self, moment: str) -> None:
        if self.watch:
            self.watch(moment)

    @contextmanager
    def _alone(self, engine: Engine) -> Iterator[None]:
        """Wraps every transaction: refuses a nested one, queues writers of this process (SQLite allows one), translates
        errors.

        (In memory there is one connection, so readers queue too.)"""
        if os.getpid() != self._pid:
            self._forked()
        if self.in_transaction:
            raise TransactionOpen("this thread already has an open transaction; end it first (a defect in the hub)")
        turn = self._turn if engine is self.writer and self.is_sqlite else None
        if turn is not None and not turn.acquire(timeout=BUSY_SECONDS):
            raise StoreUnavailable(
                f"no turn to write within {BUSY_SECONDS} s: other threads of this process are writing"
            )
        self._thread.open = True
        try:
            with translated(self.file.path):
                yield
        finally:
            self._thread.open = False
            if turn is not None:
                turn.release()

    def _forked(self) -> None:
        """A connection must not be shared with the parent process: a child begins with empty pools."""
        _INHERITED.extend((self.writer.pool, self.reader.pool))
        self.writer.dispose(close=False)
        self.reader.dispose(close=False)
        self._in_this_process()
