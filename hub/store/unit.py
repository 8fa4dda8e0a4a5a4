"""The one transaction boundary. Every commit of the hub happens at the end of a `Store.unit()`; no vendor is ever called
inside one. PostgreSQL: row locks where an incident is changed (`incidents.lock`).

`Store.watch` is told "commit" before and "committed" after each commit: the crash points of the simulation.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from hub.store.address import file_of
from hub.store.faults import Collision as Collision
from hub.store.faults import File, unavailable
from hub.store.faults import StoreUnavailable as StoreUnavailable
from hub.store.pool import BUSY_SECONDS, Connections, connections
from hub.store.pool import Tx as Tx
from hub.store.tables import metadata

_INHERITED: list[Connections] = []
"""The parent process's: neither used nor closed here."""


class Unit:
    """One transaction, as a context: see `Store.unit` and `Store.reading`. writes: it commits at the end."""

    __slots__ = ("_from", "_store", "_turn", "_tx", "_writes")

    def __init__(self, store: Store, writes: bool) -> None:
        self._store = store
        self._writes = writes
        self._tx: Tx | None = None

    def __enter__(self) -> Tx:
        store = self._store
        store.forked()
        self._from = store.writers if self._writes else store.readers
        self._turn = self._from.turn if self._writes else None
        if self._turn is not None and not self._turn.acquire(timeout=BUSY_SECONDS):
            raise StoreUnavailable("the threads of this process wait too long for each other's commits")
        try:
            tx = self._tx = self._from.take()
            tx.begin(self._writes)
        except BaseException as e:
            self._undo(e)
            raise
        return tx

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is not None:
            self._undo(error)
            return
        store, tx = self._store, self._tx
        assert tx is not None
        try:
            if not self._writes:
                tx.rollback()
            else:
                if store.watch:
                    store.watch("commit")
                tx.commit()
                if store.watch:
                    store.watch("committed")
        except BaseException as e:
            self._undo(e)
            raise
        self._from.give_back(tx)
        if self._turn is not None:
            self._turn.release()

    def _undo(self, error: BaseException) -> None:
        """Rolls back. Raises what the error of the database means to a caller; any other error goes on its way."""
        try:
            lost = self._rolled_back(error)
        finally:
            if self._turn is not None:
                self._turn.release()
        cause = error.orig if isinstance(error, DBAPIError) else error
        driver = self._from.engine.dialect.loaded_dbapi
        if not isinstance(cause, driver.Error):
            return
        if isinstance(cause, driver.IntegrityError):
            raise Collision(next(iter(str(cause).splitlines()), "")) from error
        # SQLite says only with the base class that a file is damaged, or no database at all
        if lost or isinstance(cause, driver.OperationalError) or type(cause) is driver.DatabaseError:
            raise unavailable(cause, self._store.file.path) from error

    def _rolled_back(self, error: BaseException) -> bool:
        """Whether the connection was lost with it."""
        tx, self._tx = self._tx, None
        if tx is None:
            return isinstance(error, DBAPIError) and error.connection_invalidated
        if not _lost(tx, error):
            with contextlib.suppress(Exception):
                tx.rollback()
                self._from.give_back(tx)
                return False
        self._from.lose(tx)
        return True


def _lost(tx: Tx, error: BaseException) -> bool:
    """Whether it is the connection that failed."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    return isinstance(error, tx.errors) and tx.dialect.is_disconnect(error, tx.driver, None)  # type: ignore[arg-type]


class Store:
    """A database. url: an SQLAlchemy URL (`sqlite:///path`, `sqlite://`, `postgresql+psycopg://...`)."""

    def __init__(self, url: str, watch: Callable[[str], None] | None = None) -> None:
        self.url = url.replace("postgres://", "postgresql://", 1)
        self.watch = watch
        self._open()

    def _open(self) -> None:
        self.writers, self.readers = connections(self.url)
        self.writer, self.reader = self.writers.engine, self.readers.engine
        self.file = File(file_of(self.url))
        for engine in {self.writer, self.reader}:
            event.listen(engine, "connect", self.file.opened)
        self._pid = os.getpid()

    @property
    def is_sqlite(self) -> bool:
        return self.writer.dialect.name == "sqlite"

    def forked(self) -> None:
        """A connection must not be shared with the parent process."""
        if os.getpid() != self._pid:
            _INHERITED.extend((self.writers, self.readers))
            self._open()

    def unit(self) -> AbstractContextManager[Tx]:
        """A transaction that commits at the end, or rolls back whole on any exception.

        Raises StoreUnavailable when the database, not the statement, is at fault; Collision when another was faster.
        """
        return Unit(self, writes=True)

    def reading(self) -> AbstractContextManager[Tx]:
        """Reads only; never blocks a writer. Raises as `unit` does."""
        return Unit(self, writes=False)

    def at_once(self) -> AbstractContextManager[Tx]:
        """For one change alone. A server commits it with the statement, which spares two exchanges. Raises as `unit` does."""
        return Unit(self, writes=self.is_sqlite)

    def create_all(self) -> None:
        """All tables at once, without migrations: for tests and the simulation."""
        with self.unit() as tx:
            metadata.create_all(tx.sa)

    def close(self) -> None:
        self.writers.close()
        self.readers.close()
