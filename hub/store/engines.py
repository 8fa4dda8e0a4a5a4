"""The engines of a database, SQLAlchemy's own: how a connection is made, when it may be used again, how a transaction begins.

| database | engine for writers | engine for readers |
|---|---|---|
| PostgreSQL | a pool of `MOST` connections | the same pool; each statement sees the latest state and costs one exchange |
| SQLite, a file | `BEGIN IMMEDIATE`: a deferred transaction loses updates or locks | a pool of its own, read-only; a writer never blocks it |
| SQLite, in memory | one connection | the same one |
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.pool import QueuePool, StaticPool

from hub.clock import nap
from hub.store.faults import File, make_folder

BUSY_SECONDS = 4
"""How long a transaction waits for a connection, or for other writers. A webhook's sender waits 5 s."""

PAUSE, LONGEST_PAUSE = 0.0001, 0.0005
"""Seconds between two attempts to begin a write while another process writes. A commit takes 0.3 to 1 ms; the pauses of SQLite's
own `busy_timeout` grow to 100 ms."""

MOST = 5
"""Connections that a process holds at once. PostgreSQL allows 100 by default, for all clients; a transaction takes a
few milliseconds, so that the threads of a process, though they are more, hardly ever wait for one."""

POOL: dict[str, Any] = {
    "poolclass": QueuePool, "pool_size": MOST, "max_overflow": 0, "pool_timeout": BUSY_SECONDS,
    "pool_use_lifo": True,  # the one that was used last has the statements prepared
}  # fmt: skip

COMMON: dict[str, Any] = {
    "hide_parameters": True,  # row contents must not reach the log
    "query_cache_size": 1500,  # an update names only the columns that changed: some hundreds of statements
}

ALIVE = {"keepalives_idle": 60, "keepalives_interval": 10, "keepalives_count": 3}
"""TCP keepalive: 60 s idle, every 10 s, 3 times. Keeps idle connections open in firewalls and detects cut ones."""

PLAIN = {"check_same_thread": False, "cached_statements": 1024}
"""Options of `sqlite3`: connections are used by several threads in turn, and statements stay prepared."""


def engines(url: str, file: File) -> tuple[Engine, Engine]:
    """(for writers, for readers). url: an SQLAlchemy URL. Raises StoreUnavailable when a SQLite file's folder cannot be
    created."""
    if not url.startswith("sqlite"):
        server = create_engine(url, connect_args=ALIVE, **POOL, **COMMON)
        event.listen(server, "connect", _plan_once)
        event.listen(server, "checkout", _not_cut)
        return server, server.execution_options(isolation_level="AUTOCOMMIT")
    if url in ("sqlite://", "sqlite:///:memory:"):
        memory = create_engine("sqlite://", poolclass=StaticPool, connect_args=PLAIN, **COMMON)
        event.listen(memory, "connect", _pragmas("foreign_keys=ON"))
        return memory, memory
    make_folder(url.removeprefix("sqlite:///"))
    writer, reader = (create_engine(url, connect_args=PLAIN, **POOL, **COMMON) for _ in range(2))
    # FULL: a webhook that was accepted survives a power cut
    common = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
    event.listen(writer, "connect", _pragmas(*common, "busy_timeout=0"))  # writers wait in `_begin_to_write`
    event.listen(reader, "connect", _pragmas(*common, f"busy_timeout={1000 * BUSY_SECONDS}", "query_only=ON"))
    for engine in (writer, reader):
        event.listen(engine, "connect", file.opened)
    return writer, reader


def _pragmas(*pragmas: str) -> Callable[[Any, Any], None]:
    def on_connect(dbapi: Any, record: Any) -> None:
        dbapi.isolation_level = None  # the driver begins no transaction by itself; `begin` does
        for pragma in pragmas:
            dbapi.execute(f"PRAGMA {pragma}")

    return on_connect


def begin(connection: Connection, *, to_write: bool) -> None:
    """The first statement of every transaction; a server's driver sends its own.

    SQLAlchemy's "begin" event could do this, but with a listener for it every statement goes through the events' dispatch."""
    if connection.dialect.name == "sqlite":
        if to_write:
            _begin_to_write(connection)
        else:
            connection.exec_driver_sql("BEGIN")


def _begin_to_write(connection: Connection) -> None:
    """Begins as soon as no other process is writing."""
    waited, pause = 0.0, PAUSE
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return
        except OperationalError as e:
            if not getattr(e.orig, "sqlite_errorname", "").startswith("SQLITE_BUSY") or waited >= BUSY_SECONDS:
                raise
        nap(pause)
        waited, pause = waited + pause, min(1.5 * pause, LONGEST_PAUSE)


def _plan_once(dbapi: Any, record: Any) -> None:
    """Plans each statement once: planning costs more than running them."""
    dbapi.execute("SET plan_cache_mode = force_generic_plan")
    dbapi.commit()


def _not_cut(dbapi: Any, record: Any, proxy: Any) -> None:
    """Discards a connection that the server closed: an idle one has no data to read, unless the server ended it. Saves
    the round trip of `pool_pre_ping`."""
    watch = select.poll()
    if not dbapi.closed:
        watch.register(dbapi.fileno(), select.POLLIN)
    if dbapi.closed or watch.poll(0):
        raise DisconnectionError
