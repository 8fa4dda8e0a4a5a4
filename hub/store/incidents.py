"""Incidents and what belongs to them. An incident is changed only while its row is locked (`lock`)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Select,
    String,
    bindparam,
    cast,
    func,
    insert,
    literal_column,
    null,
    select,
    text,
    union_all,
    update,
)

from hub.domain.incident import Provenance
from hub.domain.values import Json
from hub.store.records import Comment, Incident, Item, Link, Outbox, UpdateItem, every, loaded, one, rows, save
from hub.store.tables import comments, incidents, links, revisions, updates
from hub.store.unit import Tx

# SQLite has no row locks, and its dialect leaves FOR UPDATE out. key_share: who only refers to a row need not wait for it
GET = select(incidents).where(incidents.c.id == bindparam("id"))
LOCK = GET.with_for_update(key_share=True)
# the links are locked so that a hint cannot be overwritten by who changes the link
LINKS = select(links).where(links.c.incident_id == bindparam("id")).order_by(links.c.id)
LOCK_LINKS = LINKS.with_for_update(key_share=True)
_ITEMS: dict[str, type[Comment] | type[UpdateItem]] = {cls.kind: cls for cls in (Comment, UpdateItem)}
_COLUMNS = list({column.name: column for cls in _ITEMS.values() for column in cls.table.columns}.values())


def _every_item(condition: str) -> Select[Any]:
    """Comments and updates in one statement; a column that only the other kind has is NULL."""
    parts = [
        select(
            literal_column(f"'{kind}'", String).label("kind"),
            *(cls.table.c.get(c.name, cast(null(), c.type).label(c.name)) for c in _COLUMNS),
        ).where(cls.table.c[condition] == bindparam("id"))
        for kind, cls in _ITEMS.items()
    ]
    found = union_all(*parts).subquery()
    return select(found).order_by(found.c.kind, found.c.created_at, found.c.id)


ITEMS, _ITEM = _every_item("incident_id"), _every_item("id")
BY_KEY = (
    select(incidents)
    .where(incidents.c.dedup_key == bindparam("key"))
    .order_by(incidents.c.created_at.desc())
    .limit(literal_column("1"))
)
OPEN_BY_KEY = BY_KEY.where(text("incidents.open"))
_HAS = select(links.c.id).where(
    links.c.incident_id == incidents.c.id,
    links.c.connection == bindparam("connection"),
    text("links.kind = 'incident' AND links.slot = 'primary'"),
)
OPEN_WITHOUT_LINK = select(incidents).where(text("incidents.open"), ~_HAS.exists())
TURN = select(func.pg_advisory_xact_lock(literal_column(str(0x6E756D626572))))
"""The turn to take a number ("number", in hexadecimal), until the transaction ends."""
HIGHEST = select(func.coalesce(func.max(incidents.c.number), literal_column("0")))
LINKS_SHOWN = (
    select(links.c.id, links.c.connection, links.c.url, links.c.state, links.c.shadow)
    .where(links.c.incident_id == bindparam("id"), text("links.kind = 'incident'"))
    .order_by(links.c.id)
)
SLOTS = select(links.c.connection, links.c.kind, links.c.slot).where(links.c.incident_id == bindparam("id"))


def lock(tx: Tx, incident_id: str) -> Incident | None:
    """The incident, its row locked until the transaction ends (on SQLite the transaction already excludes other
    writers)."""
    return one(tx, Incident, LOCK, id=incident_id)


def get(tx: Tx, incident_id: str) -> Incident | None:
    return one(tx, Incident, GET, id=incident_id)


def number_in(words: str) -> int | None:
    """ "INC-12", "inc-12" or "12" → 12; None if it is none. (To Python "²" is a digit, and "①" another.)"""
    digits = words.upper().removeprefix("INC-").strip()
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else None


def by_number(tx: Tx, number: int) -> Incident | None:
    return one(tx, Incident, select(incidents).where(incidents.c.number == number))


def next_number(tx: Tx) -> int:
    """The next free number. A second transaction waits for the first to end, because a refusal would waste the vendor
    calls already made for it."""
    if tx.dialect.name == "postgresql":  # SQLite has one writer at a time
        tx.execute(TURN)
    return int(tx.scalar(HIGHEST) or 0) + 1


def by_dedup_key(tx: Tx, key: str, *, open_only: bool) -> Incident | None:
    """The newest incident with this key."""
    return one(tx, Incident, OPEN_BY_KEY if open_only else BY_KEY, key=key)


def open_without_link(tx: Tx, connection: str) -> list[Incident]:
    """Open incidents without a link in this connection's primary slot, whatever its state."""
    return every(tx, Incident, OPEN_WITHOUT_LINK, connection=connection)


def page(tx: Tx, *, open: bool | None, limit: int, before: str | None) -> list[Incident]:
    """Newest first."""
    query = select(incidents).order_by(incidents.c.id.desc()).limit(limit)
    if open is not None:
        query = query.where(incidents.c.open == open)
    if before is not None:
        query = query.where(incidents.c.id < before)
    return every(tx, Incident, query)


def items_of(tx: Tx, incident_id: str) -> dict[str, Item]:
    """id → comment or update: comments first, each kind oldest first."""
    return {columns["id"]: _item_of(columns) for columns in rows(tx, ITEMS, id=incident_id)}


def _item_of(columns: dict[str, Any]) -> Item:
    cls = _ITEMS[columns["kind"]]
    return loaded(cls, {column.name: columns[column.name] for column in cls.table.columns})


def item(tx: Tx, item_id: str) -> Item | None:
    return next((_item_of(columns) for columns in rows(tx, _ITEM, id=item_id)), None)


def links_of(tx: Tx, incident_id: str) -> dict[str, Link]:
    """id → link, in the order in which they were made."""
    return {link.id: link for link in every(tx, Link, LINKS, id=incident_id)}


def lock_links(tx: Tx, incident_id: str) -> dict[str, Link]:
    """As `links_of`, their rows locked: after the incident's, before their intentions'."""
    return {link.id: link for link in every(tx, Link, LOCK_LINKS, id=incident_id)}


def add_revision(tx: Tx, item: Item, at: datetime, source: str, actor: str | None) -> None:
    row = {
        "item_id": item.id, "rev": item.rev, "kind": item.kind, "at": at, "source": source, "actor": actor,
        "fields": item.fields,
    }  # fmt: skip
    tx.execute(insert(revisions), row)


def revisions_of(tx: Tx, item_ids: Iterable[str]) -> list[dict[str, Any]]:
    query = (
        select(revisions).where(revisions.c.item_id.in_(list(item_ids))).order_by(revisions.c.item_id, revisions.c.rev)
    )
    return rows(tx, query)


def provenance_out(provenance: dict[str, Provenance]) -> dict[str, Json]:
    """Provenance as JSON."""
    return {
        field_path: {
            "source": p.source, "after": p.after.isoformat(), "until": p.until.isoformat(), "rank": p.rank,
            "actor": p.actor,
        }
        for field_path, p in provenance.items()
    }  # fmt: skip


def provenance_in(document: dict[str, Json]) -> dict[str, Provenance]:
    """JSON as provenance."""
    return {
        field_path: Provenance(
            p["source"], datetime.fromisoformat(p["after"]), datetime.fromisoformat(p["until"]), p["rank"], p["actor"]
        )
        for field_path, p in document.items()
    }


def links_shown(tx: Tx, incident_id: str) -> list[dict[str, Any]]:
    """{"id", "connection", "url", "state", "shadow"} of each link that shows the incident."""
    return rows(tx, LINKS_SHOWN, id=incident_id)


def slots_of(tx: Tx, incident_id: str) -> set[tuple[str, str, str]]:
    """(connection, kind, slot) of every link of an incident."""
    return {(connection, kind, slot) for connection, kind, slot in tx.execute(SLOTS, {"id": incident_id})}


def move_link(tx: Tx, link: Link, row: Outbox | None, winner_id: str) -> None:
    """Moves a link and its open intention to another incident."""
    link.incident_id = winner_id
    save(tx, link)
    if row is not None:
        row.incident_id = winner_id
        save(tx, row)


def move_items(tx: Tx, loser_id: str, winner_id: str) -> None:
    """Moves comments and updates to another incident."""
    for table in (comments, updates):
        tx.execute(update(table).where(table.c.incident_id == loser_id).values(incident_id=winner_id))


def mark_merged(tx: Tx, loser_id: str, winner_id: str) -> None:
    tx.execute(
        update(incidents).where(incidents.c.id == loser_id).values(merged_into=winner_id, open=False, dedup_key=None)
    )
