"""Timers: something of this name is to happen at that time. A row until it has happened."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select

from hub.domain.values import Json
from hub.store.ready import Ready
from hub.store.tables import timers
from hub.store.unit import Tx

_VALUES = {c.name: bindparam(c.name, type_=c.type) for c in timers.c}
_THIS = [timers.c[name] == _VALUES[name] for name in ("kind", "key")]
SET = Ready(insert(timers).values({timers.c[name]: value for name, value in _VALUES.items()}))
CLEAR = Ready(delete(timers).where(*_THIS))
IS_DUE = Ready(select(timers.c.due_at).where(*_THIS, timers.c.due_at <= bindparam("now", type_=timers.c.due_at.type)))


def set_timer(tx: Tx, kind: str, key: str, due_at: datetime, data: Json) -> None:
    """Sets, or moves, a timer."""
    clear(tx, kind, key)
    SET.change(tx, kind=kind, key=key, due_at=due_at, data=data)


def clear(tx: Tx, kind: str, key: str) -> None:
    CLEAR.change(tx, kind=kind, key=key)


def is_due(tx: Tx, kind: str, key: str, now: datetime) -> bool:
    return IS_DUE.first(tx, kind=kind, key=key, now=now) is not None
