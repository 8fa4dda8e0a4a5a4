"""Connections to the database, ready to use, and what is done on one within a transaction. SQLite: `BEGIN IMMEDIATE` for
writers (a deferred one loses updates or locks), plain reads on a second engine. A server: one kind of connection for both.
"""

from __future__ import annotations

import contextlib
import select
import threading
from collections.abc import Callable
from typing import Any, cast

from sqlalchemy import CursorResult, Engine, NestedTransaction, ScalarResult, create_engine, event
from sqlalchemy.pool import NullPool, StaticPool

from hub.store.faults import StoreUnavailable, make_room
from hub.store.tables import from_json, to_json

JSON: dict[str, Any] = {"json_serializer": to_json, "json_deserializer": from_json}
"""How SQLite, which keeps JSON as text, is told to write and read it."""

BUSY_SECONDS = 4
"""How long a writer waits for the others. A webhook's sender waits 5 s."""

PAUSE, LONGEST_PAUSE = 0.0001, 0.0005
"""Seconds between two looks whether another process has committed. A commit takes 0.3 to 1 ms; SQLite's own pauses grow to 100."""

MOST = 5
"""Connections that a process holds at once. A PostgreSQL as it is delivered has 100 for everybody; a transaction takes a few
milliseconds, so that the threads of a process, though they are more, hardly ever wait for one."""

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


def connections(url: str) -> tuple[Connections, Connections]:
    """(for writers, for readers), of which both may be the same."""
    if not url.startswith("sqlite"):
        engine = create_engine(url, connect_args=ALIVE, json_deserializer=_document, poolclass=NullPool)
        event.listen(engine, "connect", _plan_once)
        both = Connections(engine, None)
        return both, both
    if url in ("sqlite://", "sqlite:///:memory:"):
        engine = create_engine("sqlite://", poolclass=StaticPool, connect_args=PLAIN, **JSON)

        @event.listens_for(engine, "connect")
        def memory(dbapi: Any, record: Any) -> None:
            dbapi.isolation_level = None
            dbapi.execute("PRAGMA foreign_keys=ON")

        both = Connections(engine, "BEGIN")
        return both, both
    make_room(url.removeprefix("sqlite:///"))
    plain: dict[str, Any] = {"connect_args": {**PLAIN, "timeout": BUSY_SECONDS}, "poolclass": NullPool, **JSON}
    writer, reader = (create_engine(url, **plain) for _ in range(2))
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

    def begin(self, writes: bool) -> None:
        """Every statement from here on sees one state; to a server, a reader's statement sees the latest one, as it would, and
        costs no exchange but its own."""
        if self.dialect.name == "postgresql":
            self.driver.autocommit = not writes
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

    A connection stays open for the next transaction, ready to use: SQLAlchemy's own pool takes as long to hand one out as a
    statement takes. There are never more than `MOST`: who finds none waits for somebody else's transaction to end. (So a
    thread must not begin one within another.)

    SQLite lets one writer in at a time, and those that wait look again after a pause. The threads of one process queue for
    their `turn`."""

    def __init__(self, engine: Engine, begin: str | None) -> None:
        self.engine, self._begin = engine, begin
        self.turn = threading.RLock() if engine.dialect.name == "sqlite" else None
        self._idle: list[Tx] = []
        self._free = threading.Semaphore(MOST)

    def take(self) -> Tx:
        """Raises StoreUnavailable when every connection stays in use; what the driver raises when none can be made."""
        if not self._free.acquire(timeout=BUSY_SECONDS):
            raise StoreUnavailable(f"every database connection of this process ({MOST}) stays in use")
        try:
            while True:
                try:
                    tx = self._idle.pop()
                except IndexError:
                    return Tx(self.engine, self._begin)
                if tx.usable:
                    return tx
                tx.drop()
        except BaseException:
            self._free.release()
            raise

    def give_back(self, tx: Tx) -> None:
        self._idle.append(tx)
        self._free.release()

    def lose(self, tx: Tx) -> None:
        """It is of no more use to anybody."""
        tx.drop()
        self._free.release()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().drop()
        self.engine.dispose()
