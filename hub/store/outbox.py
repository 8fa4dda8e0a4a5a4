"""Intentions to write. At most one open row for each link (a partial unique index), so that a link's writes keep their
order and fifty edits become one write."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, func, select, text

from hub.store.ready import Ready
from hub.store.records import Outbox, one, read
from hub.store.tables import links, outbox
from hub.store.unit import Tx

# literally as in the partial index that answers it
_OPEN = text("outbox.state IN ('due', 'claimed', 'unknown')")
_OF_INCIDENT = select(links.c.id).where(links.c.incident_id == bindparam("id", type_=links.c.id.type))
OPEN_FOR = Ready(
    select(outbox)
    .where(outbox.c.link_id == bindparam("id", type_=outbox.c.id.type), _OPEN)
    .with_for_update(key_share=True)
)
# locked: who decides what to do with an intention must know whether a worker has just claimed it. After the incident.
OPEN_OF_INCIDENT = Ready(
    select(outbox)
    .where(outbox.c.link_id.in_(_OF_INCIDENT), _OPEN)
    .order_by(outbox.c.id)
    .with_for_update(key_share=True)
)
FLYING = Ready(
    select(outbox.c.lease_until).where(
        outbox.c.link_id == bindparam("id", type_=outbox.c.id.type), text("outbox.state = 'claimed'")
    )
)
CREATES_SINCE = Ready(
    select(func.count()).where(
        text("outbox.op = 'create'"), outbox.c.first_sent_at > bindparam("since", type_=outbox.c.first_sent_at.type)
    )
)


def open_for(tx: Tx, link_id: str) -> Outbox | None:
    """The link's open intention, locked."""
    return one(tx, Outbox, OPEN_FOR, id=link_id)


def flying_until(tx: Tx, link_id: str) -> datetime | None:
    """When the lease ends under which somebody writes to the link's object right now; None if nobody does."""
    found = FLYING.first(tx, id=link_id)
    return found[0] if found else None


def get(tx: Tx, outbox_id: str) -> Outbox | None:
    row = tx.execute(select(outbox).where(outbox.c.id == outbox_id)).first()
    return read(Outbox, row) if row is not None else None


def last_for(tx: Tx, link_id: str) -> Outbox | None:
    """The link's newest intention, open or not."""
    row = tx.execute(
        select(outbox).where(outbox.c.link_id == link_id).order_by(outbox.c.created_at.desc()).limit(1)
    ).first()
    return read(Outbox, row) if row is not None else None


def creates_since(tx: Tx, since: datetime) -> int:
    """How many objects we began to create since then, everywhere."""
    return int(CREATES_SINCE.rows(tx, since=since)[0][0])


def failed(tx: Tx, limit: int, before: str | None = None) -> list[Outbox]:
    """Failed writes, newest first."""
    query = select(outbox).where(outbox.c.state == "failed").order_by(outbox.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(outbox.c.id < before)
    return [read(Outbox, row) for row in tx.execute(query)]
