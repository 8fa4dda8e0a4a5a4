"""Authentic webhooks, stored unparsed. One committed row is all that happens before the answer."""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy import Integer, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from hub.domain.values import Request
from hub.store.records import Inbox, every, one
from hub.store.tables import inbox
from hub.store.unit import Store, Tx

NEEDED = (
    "content-type",
    "user-agent",
    "x-atlassian-webhook-flow",
    "x-atlassian-webhook-identifier",
    "x-atlassian-webhook-retry",
    "x-webhook-id",
    "x-webhook-subscription",
)
"""Headers that are stored. No signature or credential; of `authorization` only the scheme, which distinguishes two
kinds of senders."""


_REPEATED = ["connection", "delivery_id"]
KEEP = {
    "sqlite": sqlite.insert(inbox).on_conflict_do_nothing(_REPEATED),
    "postgresql": postgresql.insert(inbox).on_conflict_do_nothing(index_elements=_REPEATED),
}
"""The one statement of the intake."""

DUE = (
    select(inbox)
    .where(inbox.c.due_at <= bindparam("now"), inbox.c.connection == bindparam("connection"))
    .order_by(inbox.c.due_at, inbox.c.received_at)
    .limit(bindparam("most", type_=Integer))
)
GET = select(inbox).where(inbox.c.id == bindparam("id"))
LOCK = GET.with_for_update()


def keep(store: Store, id: str, connection: str, delivery_id: str, request: Request) -> bool:
    """One commit. False if this delivery was already here."""
    headers = {k: v.replace("\x00", "") for k, v in request.headers.items() if k in NEEDED}
    scheme = request.headers.get("authorization", "").replace("\x00", "").split(" ", 1)
    if len(scheme) == 2:
        headers["authorization"] = f"{scheme[0]} (not kept)"
    row = {
        "id": id, "connection": connection, "delivery_id": _bounded(delivery_id), "received_at": request.received_at,
        "method": request.method, "path": _path(request), "headers": headers,
        "query": {k: v.replace("\x00", "") for k, v in request.query.items()}, "body": request.body, "state": "new",
        "due_at": request.received_at,
    }  # fmt: skip
    with store.at_once() as tx:
        return tx.execute(KEEP[tx.dialect.name], row).rowcount == 1


def _bounded(delivery_id: str) -> str:
    """The id, or its hash if it is longer than the column."""
    clean = delivery_id.replace("\x00", "")
    return clean if len(clean) <= 200 else hashlib.sha256(clean.encode("utf-8", "surrogatepass")).hexdigest()


def _path(request: Request) -> str:
    """The path without the part after the connection's name, which may be a secret."""
    return "/".join(request.path.replace("\x00", "").split("/")[:3])


def due(tx: Tx, connection: str, now: datetime, limit: int) -> list[Inbox]:
    """Oldest first."""
    return every(tx, Inbox, DUE, now=now, connection=connection, most=limit)


def get(tx: Tx, inbox_id: str, *, lock: bool = False) -> Inbox | None:
    return one(tx, Inbox, LOCK if lock else GET, id=inbox_id)


def page(tx: Tx, *, state: str | None, limit: int, before: str | None) -> list[Inbox]:
    """Newest first."""
    query = select(inbox).order_by(inbox.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(inbox.c.state == state)
    if before is not None:
        query = query.where(inbox.c.id < before)
    return every(tx, Inbox, query)
