"""Figures for operators, counted from the rows at each call.

Conditions are literal SQL, as in the partial indexes (`tables.py`): with a bound value SQLite would scan the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import FromClause, Table, func, select, text

from hub.store.claims import oldest
from hub.store.connections import paused
from hub.store.tables import connections, inbox, incidents, links, outbox, unmatched_objects
from hub.store.unit import Store, Tx

Figure = Mapping[tuple[str, ...], float]
"""Labels → value."""

OPEN = "outbox.state IN ('due', 'claimed', 'unknown')"
FAILED = "state = 'failed'"


def read(store: Store, now: datetime) -> dict[str, Figure]:
    """name → figure. Ages in seconds. Raises StoreUnavailable."""
    with store.reading() as tx:
        rows = tx.execute(select(connections)).mappings().all()
        waiting = _oldest(tx, inbox, inbox.c, inbox.c.received_at, "due_at IS NOT NULL", now)
        writing = _oldest(tx, outbox, outbox.c, outbox.c.created_at, OPEN, now)
        being_written = outbox.join(links, links.c.id == outbox.c.link_id)
        behind = _oldest(tx, being_written, links.c, links.c.behind_since, f"{OPEN} AND behind_since IS NOT NULL", now)
        return {
            "failures": {(row["name"],): row["failures"] for row in rows},
            "breaker_open": {(row["name"],): bool(row["open_until"] and row["open_until"] > now) for row in rows},
            "invalid_signatures": {(row["name"],): row["invalid_signatures"] for row in rows},
            "inbox_due": {label: count for label, (count, _) in waiting.items()},
            "inbox_wait": {label: age for label, (_, age) in waiting.items()},
            "inbox_failed": _count(tx, inbox, FAILED),
            "outbox_open": _count(tx, outbox, OPEN, outbox.c.state),
            "outbox_wait": {label: age for label, (_, age) in writing.items()},
            "outbox_failed": _count(tx, outbox, FAILED),
            "links_behind": {label: count for label, (count, _) in behind.items()},
            "link_lag": {label: age for label, (_, age) in behind.items()},
            "incidents_open": {(): tx.scalar(select(func.count()).select_from(incidents).where(text("open"))) or 0},
            "oldest_due": {(task,): max(0.0, (now - due).total_seconds()) for task, due in oldest(tx, now).items()},
            "paused": {(): paused(tx)},
        }


def oldest_due(store: Store, now: datetime) -> float:
    """For how many seconds the longest overdue row has waited for a worker; 0.0 if none waits. Raises StoreUnavailable."""
    with store.reading() as tx:
        return max([0.0, *((now - due).total_seconds() for due in oldest(tx, now).values())])


def undecided(tx: Tx) -> tuple[int, int]:
    """(drafts, proposed unmatched objects) that wait for a person. Slower than `read`; for `doctor`."""
    drafts = select(func.count()).select_from(links).where(links.c.state == "held")
    proposed = select(func.count()).select_from(unmatched_objects).where(unmatched_objects.c.state == "proposed")
    return tx.scalar(drafts) or 0, tx.scalar(proposed) or 0


def _count(tx: Tx, table: Table, where: str, *by: Any) -> Figure:
    columns = (table.c.connection, *by)
    query = select(*columns, func.count()).where(text(where)).group_by(*columns)
    return {tuple(row[:-1]): row[-1] for row in tx.execute(query)}


def _oldest(
    tx: Tx, rows: FromClause, columns: Any, since: Any, where: str, now: datetime
) -> dict[tuple[str], tuple[int, float]]:
    """connection → (how many, age of the oldest)."""
    query = select(columns.connection, func.count(), func.min(since)).select_from(rows).where(text(where))
    found = tx.execute(query.group_by(columns.connection))
    return {(name,): (count, max(0.0, (now - first).total_seconds())) for name, count, first in found}
