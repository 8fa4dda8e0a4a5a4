"""Intentions to write. At most one open row for each link (a partial unique index), so that a link's writes keep their
order and fifty edits become one write."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, func, select, text

from hub.store.records import Outbox, every, one
from hub.store.tables import links, outbox
from hub.store.unit import Tx

# literally as in the partial index that answers it
_OPEN = text("outbox.state IN ('due', 'claimed', 'unknown')")
OPEN_FOR = select(outbox).where(outbox.c.link_id == bindparam("id"), _OPEN).with_for_update(key_share=True)
# locked, because a worker may be claiming it; after the incident's lock
OPEN_OF_INCIDENT = (
    select(outbox)
    .where(outbox.c.link_id.in_(select(links.c.id).where(links.c.incident_id == bindparam("id"))), _OPEN)
    .order_by(outbox.c.id)
    .with_for_update(key_share=True)
)
WRITE_LEASE_END = select(outbox.c.lease_until).where(
    outbox.c.link_id == bindparam("id"), text("outbox.state = 'claimed'")
)
CREATES_SINCE = select(func.count()).where(text("outbox.op = 'create'"), outbox.c.first_sent_at > bindparam("since"))


def open_for(tx: Tx, link_id: str) -> Outbox | None:
    """The link's open intention, locked."""
    return one(tx, Outbox, OPEN_FOR, id=link_id)


def open_of_incident(tx: Tx, incident_id: str) -> dict[str, Outbox]:
    """Link → its open intention, locked, for every link of an incident."""
    return {row.link_id: row for row in every(tx, Outbox, OPEN_OF_INCIDENT, id=incident_id)}


def write_lease_end(tx: Tx, link_id: str) -> datetime | None:
    """End of the lease of the write in flight to the link's object; None if there is none."""
    return tx.scalar(WRITE_LEASE_END, {"id": link_id})


def get(tx: Tx, outbox_id: str) -> Outbox | None:
    return one(tx, Outbox, select(outbox).where(outbox.c.id == outbox_id))


def last_for(tx: Tx, link_id: str) -> Outbox | None:
    """The link's newest intention, open or not."""
    query = select(outbox).where(outbox.c.link_id == link_id).order_by(outbox.c.created_at.desc())
    return one(tx, Outbox, query.limit(1))


def creates_since(tx: Tx, since: datetime) -> int:
    """How many objects we began to create since then, everywhere."""
    return tx.scalar(CREATES_SINCE, {"since": since}) or 0


def failed(tx: Tx, limit: int, before: str | None = None) -> list[Outbox]:
    """Failed writes, newest first."""
    query = select(outbox).where(outbox.c.state == "failed").order_by(outbox.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(outbox.c.id < before)
    return every(tx, Outbox, query)
