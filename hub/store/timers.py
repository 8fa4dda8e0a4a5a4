"""Timers: a task that is due at a time; the row is deleted when it is done."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select

from hub.domain.values import Json
from hub.store.tables import timers
from hub.store.unit import Tx

_THIS = [timers.c[name] == bindparam(name) for name in ("kind", "key")]
SET = insert(timers)
CLEAR = delete(timers).where(*_THIS)
CLEAR_DUE = delete(timers).where(*_THIS, timers.c.due_at <= bindparam("now"))
IS_DUE = select(timers.c.due_at).where(*_THIS, timers.c.due_at <= bindparam("now"))


def set_timer(tx: Tx, kind: str, key: str, due_at: datetime, data: Json) -> None:
    """Sets, or moves, a timer."""
    clear(tx, kind, key)
    tx.execute(SET, {"kind": kind, "key": key, "due_at": due_at, "data": data})


def clear(tx: Tx, kind: str, key: str) -> None:
    tx.execute(CLEAR, {"kind": kind, "key": key})


def done(tx: Tx, kind: str, key: str, began: datetime) -> None:
    """Deletes the timer, unless it was set again, for a time after `began`."""
    tx.execute(CLEAR_DUE, {"kind": kind, "key": key, "now": began})


def is_due(tx: Tx, kind: str, key: str, now: datetime) -> bool:
    return tx.execute(IS_DUE, {"kind": kind, "key": key, "now": now}).first() is not None
