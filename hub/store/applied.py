"""Commands given in an object's content (a reaction), so that each takes effect once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, insert, select

from hub.store.tables import applied
from hub.store.unit import Tx

FIND = select(applied.c.at).where(applied.c.connection == bindparam("connection"), applied.c.key == bindparam("key"))
NOTE = insert(applied)


def first_time(tx: Tx, connection: str, key: str, now: datetime) -> bool:
    """True once for each key."""
    this = {"connection": connection, "key": key[:200]}
    if tx.execute(FIND, this).first() is not None:
        return False
    tx.execute(NOTE, {**this, "at": now})
    return True
