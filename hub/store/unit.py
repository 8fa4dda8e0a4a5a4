"""The one transaction boundary. Every commit of the hub happens at the end of a `Store.unit()`; no vendor is ever called
inside one. SQLite: `BEGIN IMMEDIATE` for writers (a deferred one loses updates or locks), plain reads on a second engine.
PostgreSQL: row locks where an incident is changed (`incidents.lock`).

`Store.watch` is told "commit" before and "committed" after each commit: the crash points of the simulation.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import StaticPool

from hub.store.tables import metadata

Tx = Connection
"""A transaction in progress, as the modules of this package take it."""


BUSY_SECONDS = 4
"""How long a writer waits for the others. A webhook's sender waits 5 s."""


class StoreUnavailable(Exception):
    """The database cannot be reached or refuses to write now; nothing was changed."""


class Collision(Exception):
    """Another transaction took, at the same moment, what must be unique; nothing was changed; do it again."""


def _sqlite_settings(read_only: bool) -> Callable[[Any, Any], None]:
    def on_connect(dbapi: Any, record: Any) -> None:
        dbapi.isolation_level = None  # we emit BEGIN ourselves
        cursor = dbapi.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",  # an accepted webhook survives a power cut
            f"busy_timeout={1000 * BUSY_SECONDS}",
            "foreign_keys=ON",
            *(("query_only=ON",) if read_only else ()),
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return on_connect


def _begin(statement: str) -> Callable[[Any], None]:
    def on_begin(connection: Any) -> None:
        connection.exec_driver_sql(statement)

    return on_begin


def _still_there(dbapi: Any, record: Any, proxy: Any) -> None:
    """An idle connection has nothing to say: one that has, was ended by the server, and all others with it. This costs no
    round trip, as a ping before every transaction would."""
    watch = select.poll()
    if not dbapi.closed:
        watch.register(dbapi.fileno(), select.POLLIN)
    if dbapi.closed or watch.poll(0):
        raise InvalidatePoolError("the server has ended this connection")


def _engines(url: str) -> tuple[Engine, Engine]:
    """(for writers, for readers)"""
    if not url.startswith("sqlite"):
        engine = create_engine(url, pool_size=8, max_overflow=8, pool_recycle=1800)
        event.listen(engine, "checkout", _still_there)
        return engine, engine
    if url in ("sqlite://", "sqlite:///:memory:"):
        engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})

        @event.listens_for(engine, "connect")
        def memory(dbapi: Any, record: Any) -> None:
            dbapi.isolation_level = None
            dbapi.execute("PRAGMA foreign_keys=ON")

        event.listen(engine, "begin", _begin("BEGIN"))
        return engine, engine
    path = url.removeprefix("sqlite:///")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    args = {"check_same_thread": False, "timeout": BUSY_SECONDS}
    writer, reader = create_engine(url, connect_args=args), create_engine(url, connect_args=args)
    event.listen(writer, "connect", _sqlite_settings(read_only=False))
    event.listen(reader, "connect", _sqlite_settings(read_only=True))
    event.listen(writer, "begin", _begin("BEGIN IMMEDIATE"))
    event.listen(reader, "begin", _begin("BEGIN"))
    return writer, reader


class Store:
    """A database. url: an SQLAlchemy URL (`sqlite:///path`, `sqlite://`, `postgresql+psycopg://...`)."""

    def __init__(self, url: str, watch: Callable[[str], None] | None = None) -> None:
        self.url = url.replace("postgres://", "postgresql://", 1)
        self.watch = watch
        self._open()

    def _open(self) -> None:
        self.writer, self.reader = _engines(self.url)
        self._pid = os.getpid()
        self._turn = threading.RLock()

    @property
    def is_sqlite(self) -> bool:
        return self.writer.dialect.name == "sqlite"

    def _forked(self) -> None:
        if os.getpid() != self._pid:  # a connection must not be shared with the parent process
            self._open()

    @contextlib.contextmanager
    def _my_turn(self) -> Iterator[None]:
        """SQLite lets one writer in at a time, and those that wait look again after pauses of up to 100 ms. The threads of
        one process need no pauses: they queue here. Raises StoreUnavailable."""
        if not self.is_sqlite:
            yield
            return
        if not self._turn.acquire(timeout=BUSY_SECONDS):
            raise StoreUnavailable("the threads of this process wait too long for each other's commits")
        try:
            yield
        finally:
            self._turn.release()

    @contextlib.contextmanager
    def unit(self) -> Iterator[Tx]:
        """A transaction that commits at the end, or rolls back whole on any exception.

        Raises StoreUnavailable when the database, not the statement, is at fault; Collision when another was faster.
        """
        self._forked()
        try:
            with self._my_turn(), self.writer.connect() as tx:
                with tx.begin() as transaction:
                    yield tx
                    if self.watch:
                        self.watch("commit")
                    transaction.commit()
                if self.watch:
                    self.watch("committed")
        except IntegrityError as e:
            raise Collision(str(e.orig).splitlines()[0]) from e
        except DBAPIError as e:
            if e.connection_invalidated or isinstance(e, OperationalError):
                raise StoreUnavailable(type(e.orig).__name__ + ": " + str(e.orig).splitlines()[0]) from e
            raise
        except PoolTimeout as e:
            raise StoreUnavailable("every database connection of this process is in use") from e

    @contextlib.contextmanager
    def reading(self) -> Iterator[Tx]:
        """Reads only; never blocks a writer."""
        self._forked()
        try:
            with self.reader.connect() as tx:
                yield tx
        except DBAPIError as e:
            if e.connection_invalidated or isinstance(e, OperationalError):
                raise StoreUnavailable(type(e.orig).__name__ + ": " + str(e.orig).splitlines()[0]) from e
            raise
        except PoolTimeout as e:
            raise StoreUnavailable("every database connection of this process is in use") from e

    def create_all(self) -> None:
        """All tables at once, without migrations: for tests and the simulation."""
        metadata.create_all(self.writer)

    def close(self) -> None:
        self.writer.dispose()
        self.reader.dispose()
