"""What is due now, from the partial indexes alone: nothing that is not due is ever scanned."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, String, bindparam, literal_column, or_, select, union_all, update

from hub.store.locking import lock
from hub.store.tables import claims, connections, cursors, inbox, incidents, links, outbox, timers, unmatched_objects
from hub.store.unit import Tx

# task → (what to wake it with, when it is due)
SOURCES = (
    ("inbox", inbox.c.connection, inbox.c.due_at),
    ("deliver", outbox.c.link_id, outbox.c.due_at),
    ("refresh", links.c.id, links.c.refresh_due),
    ("adopt", unmatched_objects.c.id, unmatched_objects.c.due_at),
    ("plan", incidents.c.id, incidents.c.plan_due),
    ("poll", cursors.c.connection, cursors.c.due_at),
    ("subscribe", connections.c.name, connections.c.subscription_due),
)


LIMIT = 500
"""Rows of one kind that `due` finds at once."""

NOW = bindparam("now", type_=timers.c.due_at.type)


def _waiting(task: Any, name: Any, when: Any) -> Any:
    found = (
        select(task.label("task"), name.label("name"))
        .where(when <= NOW)
        .order_by(when)
        .limit(literal_column(str(LIMIT)))
    )
    return select(found.subquery())


DUE = union_all(
    *(_waiting(literal_column(f"'{task}'", String), name, when) for task, name, when in SOURCES),
    _waiting(timers.c.kind, timers.c.key, timers.c.due_at),
)


def due(tx: Tx, now: datetime) -> list[tuple[str, str]]:
    """(task, name) of everything that is due, claimed or not, each once, the longest overdue first within a task: for the
    simulation and tests. Workers claim (`hub.store.claims`)."""
    return list(dict.fromkeys((task, name) for task, name in tx.execute(DUE, {"now": now})))


STORED = (
    (incidents, ("plan_due",)),
    (links, ("refresh_due", "seen_at", "written_at", "behind_since", "created_at")),
    (outbox, ("due_at", "lease_until", "first_sent_at", "last_sent_at")),
    (unmatched_objects, ("due_at",)),
    (inbox, ("due_at",)),
    (timers, ("due_at",)),
    (connections, ("subscription_due", "open_until", "activated_at")),
    (cursors, ("due_at",)),
    (claims, ("claimed_until",)),
)
"""Columns with times that are compared with now or with the time of a read, in lock order."""


def shift_back(tx: Tx, after: datetime, seconds: float) -> int:
    """After the clock stepped back by `seconds`: moves the times of `STORED` that are later than `after` back by as
    much, so that nothing waits longer than before. Returns how many. A row made due too early this way is checked again
    when worked."""
    moved = 0
    for table, names in STORED:
        columns = [table.c[name] for name in names]
        lock(tx, table, or_(*(column > after for column in columns)))
        for column in columns:
            if tx.dialect.name == "sqlite":  # microseconds since 1970
                back = column - literal_column(str(round(seconds * 1_000_000)), BigInteger)
            else:
                back = column - literal_column(f"make_interval(secs => {seconds:.6f})", column.type)
            moved += tx.execute(update(table).where(column > after).values({column: back})).rowcount
    return moved
