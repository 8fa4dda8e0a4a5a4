"""What came as content of an object and must take effect once (a reaction that means a command)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select

from hub.store.tables import applied
from hub.store.unit import Tx


def first_time(tx: Tx, connection: str, key: str, now: datetime) -> bool:
    """True once for each key."""
    if tx.execute(select(applied.c.at).where(applied.c.connection == connection, applied.c.key == key[:200])).first():
        return False
    tx.execute(insert(applied), [{"connection": connection, "key": key[:200], "at": now}])
    return True
