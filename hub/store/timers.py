"""Timers: something of this name is to happen at that time. A row until it has happened."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert, select

from hub.domain.values import Json
from hub.store.tables import timers
from hub.store.unit import Tx


def set_timer(tx: Tx, kind: str, key: str, due_at: datetime, data: Json) -> None:
    """Sets, or moves, a timer."""
    clear(tx, kind, key)
    tx.execute(insert(timers), [{"kind": kind, "key": key, "due_at": due_at, "data": data}])


def clear(tx: Tx, kind: str, key: str) -> None:
    tx.execute(delete(timers).where(timers.c.kind == kind, timers.c.key == key))


def is_due(tx: Tx, kind: str, key: str, now: datetime) -> bool:
    query = select(timers.c.due_at).where(timers.c.kind == kind, timers.c.key == key, timers.c.due_at <= now)
    return tx.execute(query).first() is not None
