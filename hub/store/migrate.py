"""Brings a database to the tables that this version of the hub expects. The steps are in `migrations/versions`, inside
the package, so that they work from an installed wheel.

Guarantee: a whole upgrade is one transaction, and only one process makes it; others wait for it and find nothing to do.
(PostgreSQL: an advisory lock. SQLite: `BEGIN IMMEDIATE`.)

A developer who changed `tables.py` drafts the next step with `python -m hub.store.migrate "what it is for"`, and reads it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from hub.settings.database import no_file
from hub.store.driver_errors import unavailable
from hub.store.faults import make_folder
from hub.store.unit import Store

FOLDER = Path(__file__).parent / "migrations"

_LOCK = 0x6C6F636B73746570  # "lockstep": the advisory lock of every upgrade of this hub

HEAD, BEHIND, AHEAD, EMPTY = "head", "behind", "ahead", "empty"
"""State of the tables: as expected, older, newer than this version (a rolling restart), or none."""


class NotMigratable(Exception):
    """The database cannot be taken to another revision; the message says why, and what to do."""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _engine(url: str) -> Engine:
    engine = create_engine(url.replace("postgres://", "postgresql://", 1), poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        if engine.url.database:
            make_folder(engine.url.database)

        @event.listens_for(engine, "connect")
        def settings(dbapi: Any, record: Any) -> None:
            dbapi.isolation_level = None
            dbapi.execute("PRAGMA busy_timeout=60000")
            dbapi.execute("PRAGMA foreign_keys=OFF")  # a table that is made anew must not take its children along

        @event.listens_for(engine, "begin")
        def begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@contextmanager
def _alone(url: str) -> Iterator[Connection]:
    """A transaction that excludes other upgrades."""
    engine = _engine(url)
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            yield connection
            if engine.dialect.name == "sqlite":
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
                if broken:
                    raise NotMigratable(f"a row of {broken[0]!r} would refer to a missing row; nothing was changed")
    except DBAPIError as e:
        meant = unavailable(e, engine.url.database)
        if meant is None:
            raise
        raise meant from e
    finally:
        engine.dispose()


def upgrade(url: str, revision: str = "head") -> None:
    """Upgrades the database at `url` (an SQLAlchemy URL), creating what is not there. Does nothing when it is at the head.

    Raises NotMigratable, StoreUnavailable; then nothing was changed.
    """
    with _alone(url) as connection:
        where = _where(connection)
        if where == EMPTY and inspect(connection).has_table("incidents"):
            raise NotMigratable("the database has our tables, but no record of its version; start with an empty one")
        if where in (EMPTY, BEHIND):
            command.upgrade(_config(connection), revision)


def downgrade(url: str, revision: str) -> None:
    """Takes the database at `url` back to an earlier revision. Every part of the hub must be stopped. Does nothing to a database
    that is empty or newer than this version.

    Raises NotMigratable, StoreUnavailable; then nothing was changed.
    """
    with _alone(url) as connection:
        if _where(connection) in (HEAD, BEHIND):
            command.downgrade(_config(connection), revision)


def state(store: Store) -> str:
    """HEAD, BEHIND, AHEAD or EMPTY. Raises StoreUnavailable."""
    with store.reading() as tx:
        found = _where(tx)
    store.file.check()
    return found


def state_at(url: str) -> str:
    """The same, of the database at `url`; makes none."""
    if no_file(url):
        return EMPTY
    store = Store(url)
    try:
        return state(store)
    finally:
        store.close()


def at_head(url: str) -> bool:
    """Whether the database at `url` is exactly as this version expects. Raises StoreUnavailable."""
    return state_at(url) == HEAD


def _where(connection: Connection) -> str:
    scripts = ScriptDirectory.from_config(_config())
    current = MigrationContext.configure(connection).get_current_revision()
    if current is None:
        return EMPTY
    if current == scripts.get_current_head():
        return HEAD
    return BEHIND if current in {script.revision for script in scripts.walk_revisions()} else AHEAD


def draft(words: str, url: str = "sqlite://") -> None:
    """Writes the next step into `versions`: the difference between the steps so far and `tables.py`. For developers."""
    with _alone(url) as connection:
        config = _config(connection)
        command.upgrade(config, "head")
        number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
        command.revision(config, words, autogenerate=True, rev_id=f"{number:04d}")


if __name__ == "__main__":
    draft(" ".join(sys.argv[1:]) or "baseline")
