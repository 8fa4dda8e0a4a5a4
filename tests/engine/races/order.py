"""In which order each transaction takes its locks: incidents, links, intentions, connections, cursors (`hub.store.locking`).

Two transactions that keep to it cannot wait for each other in a circle. A race in which two do is one of thousands; a
transaction that could is seen at once.
"""

from __future__ import annotations

import re
from typing import Any

from psycopg.pq import TransactionStatus

ORDER = ("incidents", "links", "outbox", "connections", "cursors")

_LOCKED = re.compile(r"^(?:UPDATE|DELETE FROM) (\w+)|^SELECT .*?\bFROM (\w+).*\bFOR (?:NO KEY )?UPDATE$", re.DOTALL)
_MADE = re.compile(r"^INSERT INTO (\w+)")


class LockOrder:
    """Watches one connection's statements. disorder: what was locked too late, in words.

    For each table the first lock counts. Where a transaction has made a row itself, that row is taken to be the one it
    changes later: nobody else can wait for it."""

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
