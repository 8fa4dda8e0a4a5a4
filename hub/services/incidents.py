"""Incidents, their comments, updates and journal."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any

from hub.domain.incident import AUDIENCES, PUBLIC
from hub.domain.policy import content_hash
from hub.domain.values import COMMENT, Json
from hub.services import checks, serialize
from hub.services.errors import Conflict, Invalid, NotFound
from hub.store import incidents as incident_rows
from hub.store import journal
from hub.store.records import UpdateItem
from hub.store.unit import Collision
from hub.sync.hub import Hub
from hub.sync.incident import merge_incidents as merging
from hub.sync.incident.case import Case, new_case
from hub.sync.incident.commit import announce, finish, open_case

HERE = "hub"
"""The source of changes that people make through the hub itself."""


@contextmanager
def opened(hub: Hub, incident_id: str) -> Any:
    with open_case(hub, incident_id) as case:
        if case is None:
            raise NotFound(f"there is no incident {incident_id!r}")
        yield case


def list_incidents(
    hub: Hub, *, open: bool | None = None, limit: int = 50, before: str | None = None
) -> dict[str, Json]:
    """Newest first. before: the `next` of the page before, or an incident's number. Raises Invalid."""
    size = checks.page_size(limit)
    with hub.store.reading() as tx:
        rows = incident_rows.page(tx, open=open, limit=size, before=checks.incident_cursor(tx, before))
    return serialize.page([serialize.incident(r) for r in rows], size)


def show_incident(hub: Hub, ref: str) -> dict[str, Json]:
    """The incident with provenance, links, comments and updates. Raises NotFound."""
    with hub.store.reading() as tx:
        row = checks.incident(tx, ref)
        items = incident_rows.items_of(tx, row.id).values()
        links = incident_rows.links_of(tx, row.id).values()
    now = hub.clock.now()
    return {
        **serialize.incident(row),
        "provenance": dict(row.provenance),
        "links": [serialize.link(k, now) for k in links if k.item_id is None],
        "copies": [serialize.link(k, now) for k in links if k.item_id is not None],
        "comments": [serialize.item(i) for i in items if i.kind == COMMENT],
        "updates": [serialize.item(i) for i in items if i.kind != COMMENT],
    }


def show_journal(hub: Hub, ref: str) -> dict[str, Json]:
    """Every line, oldest first, and whether the hash chain is intact. Lines that older versions wrote are shown with
    today's kinds and keys. Raises NotFound."""
    with hub.store.reading() as tx:
        row = checks.incident(tx, ref)
        lines = journal.read(tx, row.id)
        broken = journal.verify(tx, row.id)
    items = [
        {"seq": x["seq"], "at": serialize.iso(x["at"]), "kind": x["kind"], "source": x["source"], "data": x["data"]}
        for x in lines
    ]
    return {"items": items, "verified": broken is None, "broken": broken}


def open_incident(hub: Hub, fields: Mapping[str, Any], *, actor: str, dedup_key: str | None = None) -> dict[str, Json]:
    """Opens an incident. If an open incident has the dedup key, returns that one unchanged. Raises Invalid or
    Conflict."""
    given = checks.fields(fields)
    if "title" not in given:
        raise Invalid("title", "must not be empty")
    if given.get("status") in ("resolved", "cancelled"):
        raise Invalid("status", "a new incident cannot be resolved or cancelled")
    key = checks.text("dedup_key", dedup_key, 300) if dedup_key is not None else None
    for _ in range(5):
        try:
            with hub.store.unit() as tx:
                existing = incident_rows.by_dedup_key(tx, key, open_only=True) if key else None
                if existing is not None:
                    return serialize.incident(existing)
                case = new_case(hub, tx, given, dedup_key=key, source=HERE, actor=actor)
                finish(case)
            announce(case)
            return serialize.incident(case.incident)
        except Collision:  # another transaction took the key at the same moment
            continue
    raise Conflict(
        "too many incidents are being opened at the same moment, and this one was not opened; repeat the request"
    )


def edit_incident(hub: Hub, ref: str, fields: Mapping[str, Any], *, actor: str) -> dict[str, Json]:
    """Changes fields of an incident. A set or map is replaced as a whole. Raises NotFound, Invalid or Conflict."""
    given = checks.fields(fields)
    with hub.store.reading() as tx:
        row = checks.incident(tx, ref)
    with opened(hub, row.id) as case:
        _not_merged(case)
        case.edit(given, HERE, actor)
    return serialize.incident(case.incident)


def _not_merged(case: Case) -> None:
    if case.incident.merged_into is not None:
        raise Conflict(f"{case.incident.name} was merged into another incident; change that one")


def add_comment(hub: Hub, ref: str, text: str, *, actor: str) -> dict[str, Json]:
    """Adds an internal comment, which is copied to every internal tool that shows the incident."""
    words = checks.text("text", text, checks.COMMENT_LIMIT)
    with hub.store.reading() as tx:
        row = checks.incident(tx, ref)
    with opened(hub, row.id) as case:
        _not_merged(case)
        item = case.add_comment(words, origin=HERE, author=actor)
    return serialize.item(item)


def edit_comment(hub: Hub, comment_id: str, text: str | None, *, actor: str) -> dict[str, Json]:
    """Changes a comment everywhere. text: the new text; None deletes the comment."""
    words = None if text is None else checks.text("text", text, checks.COMMENT_LIMIT)
    with hub.store.reading() as tx:
        item = incident_rows.item(tx, comment_id) if checks.storable(comment_id) else None
    if item is None or item.kind != COMMENT:
        raise NotFound(f"there is no comment {comment_id!r}")
    with opened(hub, item.incident_id) as case:
        case.edit_item(case.items[item.id], {"deleted": True} if words is None else {"text": words}, HERE, actor)
    return serialize.item(case.items[item.id])


def draft_update(hub: Hub, ref: str, text: str, *, audience: str = PUBLIC, actor: str) -> dict[str, Json]:
    """Drafts an update for an audience (`AUDIENCES`). It is written to no vendor until it is approved; the answer
    contains the hash to approve."""
    words = checks.text("text", text, checks.COMMENT_LIMIT)
    kind = checks.one_of("audience", audience, AUDIENCES)
    with hub.store.reading() as tx:
        row = checks.incident(tx, ref)
    with opened(hub, row.id) as case:
        _not_merged(case)
        item = case.add_comment(words, origin=HERE, author=actor, audience=kind, state="draft")
    return serialize.item(item)


def approve_update(hub: Hub, update_id: str, digest: str, *, actor: str) -> dict[str, Json]:
    """Publishes a drafted update. digest: the hash of the text that was read; a text changed since is not approved."""
    with hub.store.reading() as tx:
        item = incident_rows.item(tx, update_id) if checks.storable(update_id) else None
    if not isinstance(item, UpdateItem):
        raise NotFound(f"there is no update {update_id!r}")
    with opened(hub, item.incident_id) as case:
        mine = case.items[item.id]
        if not isinstance(mine, UpdateItem) or mine.state != "draft":
            raise Conflict(f"the update {update_id} is no draft: it was approved or withdrawn before")
        if content_hash({"text": mine.fields.get("text")}) != digest:
            raise Conflict("the text was changed since it was read; read it again and approve its new hash")
        mine.state, mine.approved_by = "approved", actor
        case.record("approved", HERE, item=mine.id, actor=actor, hash=digest)
    return serialize.item(mine)


def merge_incidents(hub: Hub, loser: str, winner: str, *, actor: str) -> dict[str, Json]:
    """Merges the loser into the winner, and returns the winner. Raises NotFound or Conflict."""
    with hub.store.reading() as tx:
        gone, stays = checks.incident(tx, loser), checks.incident(tx, winner)
    if not merging.merge_incidents(hub, gone.id, stays.id, source=HERE, actor=actor):
        raise Conflict(f"{loser} and {winner} are the same incident, or one of them was merged into another before")
    return show_incident(hub, stays.id)
