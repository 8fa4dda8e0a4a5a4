"""Checks the order in which each transaction takes its locks: incidents, links, intentions, connections, cursors
(`hub.store.locking`).

Two transactions that keep the order cannot deadlock. A race that ends in a deadlock is one of thousands; a transaction that
breaks the order is found at once.
"""

from __future__ import annotations

import re
from typing import Any

from psycopg.pq import TransactionStatus

ORDER = ("incidents", "links", "outbox", "connections", "cursors")

_LOCKED = re.compile(r"^(?:UPDATE|DELETE FROM) (\w+)|^SELECT .*?\bFROM (\w+).*\bFOR (?:NO KEY )?UPDATE$", re.DOTALL)
_MADE = re.compile(r"^INSERT INTO (\w+)")


class LockOrder:
    """Watches one connection's statements. disorder: the locks that were taken too late, as text.

    For each table the first lock counts. If a transaction inserted a row itself, a later change is taken to be of that row:
    no other transaction can wait for it."""

    def __init__(self) -> None:
        self.disorder: list[str] = []
        self._made: set[str] = set()
        self._locked: set[str] = set()

    def statement(self, connection: Any, cursor: Any, sql: str, *rest: Any) -> None:
        """A listener for SQLAlchemy's `before_cursor_execute`."""
        if cursor.connection.info.transaction_status == TransactionStatus.IDLE:
            self._made, self._locked = set(), set()
        if made := _MADE.match(sql):
            self._made.add(made[1])
        if not (locked := _LOCKED.match(sql)):
            return
        table = locked[1] or locked[2]
        if table not in ORDER or table in self._locked | self._made:
            return
        later = [t for t in ORDER[ORDER.index(table) + 1 :] if t in self._locked]
        if later:
            self.disorder.append(f"{table} locked after {' and '.join(later)}: {' '.join(sql.split()[:8])}")
        self._locked.add(table)
