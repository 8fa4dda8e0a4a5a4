"""What came as content of an object and must take effect once (a reaction that means a command)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, insert, select

from hub.store.ready import Ready
from hub.store.tables import applied
from hub.store.unit import Tx

_VALUES = {c: bindparam(c.name, type_=c.type) for c in applied.c}
FIND = Ready(select(applied.c.at).where(*(c == _VALUES[c] for c in (applied.c.connection, applied.c.key))))
NOTE = Ready(insert(applied).values(_VALUES))


def first_time(tx: Tx, connection: str, key: str, now: datetime) -> bool:
    """True once for each key."""
    if FIND.first(tx, connection=connection, key=key[:200]) is not None:
        return False
    NOTE.change(tx, connection=connection, key=key[:200], at=now)
    return True
