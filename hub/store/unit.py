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
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, cast

from sqlalchemy import CursorResult, Engine, NestedTransaction, ScalarResult, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import StaticPool

from hub.store.address import file_of
from hub.store.faults import Collision as Collision
from hub.store.faults import File, make_room, unavailable
from hub.store.faults import StoreUnavailable as StoreUnavailable
from hub.store.tables import from_json, metadata, to_json

JSON: dict[str, Any] = {"json_serializer": to_json, "json_deserializer": from_json}
"""How SQLite, which keeps JSON as text, is told to write and read it."""

BUSY_SECONDS = 4
"""How long a writer waits for the others. A webhook's sender waits 5 s."""

PAUSE, LONGEST_PAUSE = 0.0001, 0.0005
"""Seconds between two looks whether another process has committed. A commit takes 0.3 to 1 ms; SQLite's own pauses grow to 100."""

KEPT, MOST = 12, 16
"""Connections to a server: how many of a kind stay open, and how many there may be."""

ALIVE = {"keepalives_idle": 60, "keepalives_interval": 10, "keepalives_count": 3}
"""Seconds, seconds, times: so that nothing on the way forgets an idle connection, and one that was cut is known to be."""

IMMEDIATE = "BEGIN IMMEDIATE"

PLAIN = {"check_same_thread": False, "cached_statements": 1024}
"""An update names only the columns that changed, so there are some hundreds of statements; all of them stay prepared."""


def _sqlite_settings(read_only: bool) -> Callable[[Any, Any], None]:
    def on_connect(dbapi: Any, record: Any) -> None:
        dbapi.isolation_level = None  # we emit BEGIN ourselves
        cursor = dbapi.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",  # an accepted webhook survives a power cut
            f"busy_timeout={1000 * BUSY_SECONDS if read_only else 0}",  # writers wait in `Tx.begin`
            "foreign_keys=ON",
            *(("query_only=ON",) if read_only else ()),
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return on_connect


def _document(text: bytes) -> Any:
    """A JSON column's value, as the driver hands it over."""
    return from_json(text.decode())


def _plan_once(dbapi: Any, record: Any) -> None:
    """The engine's statements are always the same ones, each with an index of its own: planning them anew for each value
    costs more than they do."""
    dbapi.execute("SET plan_cache_mode = force_generic_plan")
    dbapi.commit()


def _server(url: str, **options: Any) -> Engine:
    pool = {"pool_size": KEPT, "max_overflow": MOST - KEPT}
    engine = create_engine(url, connect_args=ALIVE, json_deserializer=_document, **pool, **options)
    event.listen(engine, "connect", _plan_once)
    return engine


def _connections(url: str) -> tuple[Connections, Connections]:
    """(for writers, for readers)"""
    if not url.startswith("sqlite"):
        writer = _server(url)
        reader = _server(url, isolation_level="AUTOCOMMIT")  # each statement sees the latest state, as it would
        return Connections(writer, None), Connections(reader, None)
    if url in ("sqlite://", "sqlite:///:memory:"):
        engine = create_engine("sqlite://", poolclass=StaticPool, connect_args=PLAIN, **JSON)

        @event.listens_for(engine, "connect")
        def memory(dbapi: Any, record: Any) -> None:
            dbapi.isolation_level = None
            dbapi.execute("PRAGMA foreign_keys=ON")

        both = Connections(engine, "BEGIN")
        return both, both
    make_room(url.removeprefix("sqlite:///"))
    writer, reader = (create_engine(url, connect_args={**PLAIN, "timeout": BUSY_SECONDS}, **JSON) for _ in range(2))
    event.listen(writer, "connect", _sqlite_settings(read_only=False))
    event.listen(reader, "connect", _sqlite_settings(read_only=True))
    return Connections(writer, IMMEDIATE), Connections(reader, "BEGIN")


class Tx:
    """A transaction in progress, as the modules of this package take it. Ready statements (`ready`) run on `cursor`, the
    driver's own; all others through `execute`, by SQLAlchemy's connection over the same one."""

    def __init__(self, engine: Engine, begin: str | None) -> None:
        self.engine, self.dialect = engine, engine.dialect
        self.sa = engine.connect()
        self.driver = cast(Any, self.sa.connection.driver_connection)
        self.cursor: Any = self.driver.cursor()
        self.errors: type[Exception] = engine.dialect.loaded_dbapi.Error
        self._begin = begin
        self.told: tuple[Callable[..., Any], ...] = ()
        """Who wants to hear of every statement (`before_cursor_execute`)."""
        self._pipeline: Any = None

    def begin(self) -> None:
        """Every statement from here on sees one state."""
        if self.engine._has_events:
            self.told = tuple(self.engine.dispatch.before_cursor_execute)
        if self._begin == IMMEDIATE:
            self._wait_to_write()
        elif self._begin is not None:
            self.cursor.execute(self._begin)

    def _wait_to_write(self) -> None:
        """Begins as soon as no other process is writing."""
        waited, pause = 0.0, PAUSE
        while True:
            try:
                self.cursor.execute(IMMEDIATE)
                return
            except self.errors as e:
                if not getattr(e, "sqlite_errorname", "").startswith("SQLITE_BUSY") or waited >= BUSY_SECONDS:
                    raise
            select.select((), (), (), pause)
            waited, pause = waited + pause, min(1.5 * pause, LONGEST_PAUSE)

    @property
    def pipelines(self) -> bool:
        """Whether statements may be sent before the last one's answer is there. Not where somebody watches each of them."""
        return self.dialect.name == "postgresql" and not self.told

    @property
    def hurried(self) -> bool:
        """Whether `hurry` has been called."""
        return self._pipeline is not None

    def hurry(self) -> None:
        """From here on nobody waits for the answer to a change: what is wrong with one is raised with the commit. (Where the
        database is a server, each wait costs more than the change.)"""
        if self.pipelines and self._pipeline is None:
            self._pipeline = self.driver.pipeline()
            self._pipeline.__enter__()

    def _answered(self) -> None:
        """Waits for what is still to be answered. Raises what went wrong first."""
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            pipeline.__exit__(None, None, None)

    def commit(self) -> None:
        if self.sa.in_transaction():
            self.sa.commit()
        else:
            self.driver.commit()
        self._answered()

    def rollback(self) -> None:
        with contextlib.suppress(self.errors):
            self._answered()
        if self.sa.get_transaction() is not None:  # also one whose commit has failed, which is no longer active
            self.sa.rollback()
        self.driver.rollback()

    @property
    def usable(self) -> bool:
        """Whether an idle connection can be taken. One to a server has nothing to say: one that has, was ended by it. This
        costs no exchange, as a ping before every transaction would."""
        if self.dialect.name == "sqlite":
            return True
        if self.driver.closed:
            return False
        watch = select.poll()
        watch.register(self.driver.fileno(), select.POLLIN)
        return not watch.poll(0)

    def drop(self) -> None:
        """The connection is of no more use to anybody."""
        with contextlib.suppress(Exception):
            self.sa.invalidate()
        with contextlib.suppress(Exception):
            self.sa.close()

    def execute(self, statement: Any, *values: Any) -> CursorResult[*tuple[Any, ...]]:
        """Any statement of SQLAlchemy's."""
        return self.sa.execute(statement, *values)

    def scalar(self, statement: Any, *values: Any) -> Any:
        return self.sa.scalar(statement, *values)

    def scalars(self, statement: Any, *values: Any) -> ScalarResult[Any]:
        return self.sa.scalars(statement, *values)

    def exec_driver_sql(self, statement: str, *values: Any) -> CursorResult[*tuple[Any, ...]]:
        """The driver's own words."""
        return self.sa.exec_driver_sql(statement, *values)

    def begin_nested(self) -> NestedTransaction:
        """A savepoint."""
        return self.sa.begin_nested()


class Connections:
    """Where transactions get their connections from. begin: what starts one; None: the driver does it by itself.

    A connection stays open for the next transaction, ready to use: SQLAlchemy's own pool, behind this, takes as long to hand
    one out as a statement takes.

    SQLite lets one writer in at a time, and those that wait look again after a pause. The threads of one process queue for
    their `turn`."""

    def __init__(self, engine: Engine, begin: str | None) -> None:
        self.engine, self._begin = engine, begin
        self.turn = threading.RLock() if engine.dialect.name == "sqlite" else None
        self._idle: list[Tx] = []

    def take(self) -> Tx:
        while True:
            try:
                tx = self._idle.pop()
            except IndexError:
                return Tx(self.engine, self._begin)
            if tx.usable:
                return tx
            tx.drop()

    def give_back(self, tx: Tx) -> None:
        if len(self._idle) < KEPT:
            self._idle.append(tx)
        else:
            tx.drop()  # in SQLAlchemy's pool nobody would see that the server has ended it

    def close(self) -> None:
        while self._idle:
            self._idle.pop().drop()
        self.engine.dispose()


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
            tx.begin()
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
        if isinstance(error, PoolTimeout):
            raise StoreUnavailable("every database connection of this process is in use") from error
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
        tx.drop()
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
        self.writers, self.readers = _connections(self.url)
        self.writer, self.reader = self.writers.engine, self.readers.engine
        self.file = File(file_of(self.url))
        for engine in (self.writer, self.reader):
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
