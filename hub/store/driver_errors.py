"""Maps errors of SQLAlchemy and its drivers to the store's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DatabaseError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hub.store.faults import Collision, StoreUnavailable

DAMAGED = ("SQLITE_NOTADB", "SQLITE_CORRUPT")


def unavailable(error: DBAPIError, file: str | None) -> StoreUnavailable | None:
    """The StoreUnavailable for an error of the database; None for an error of the statement. file: of a SQLite
    database."""
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
    """Raises the store's error for a database error; passes others on."""
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
