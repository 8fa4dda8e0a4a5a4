"""Rows as plain dicts, for the console, the API and the command line."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hub.domain.policy import content_hash
from hub.domain.values import Json
from hub.store.records import Inbox, Incident, Item, Link, Outbox, Unmatched


def iso(when: datetime | None) -> str | None:
    return when.isoformat() if when is not None else None


def incident(row: Incident) -> dict[str, Any]:
    return {
        "id": row.id, "number": row.name, "open": row.open, "fields": dict(row.fields), "rev": row.rev,
        "dedup_key": row.dedup_key, "previous_id": row.previous_id, "merged_into": row.merged_into,
        "created_at": iso(row.created_at), "updated_at": iso(row.updated_at),
    }  # fmt: skip


def link(row: Link, now: datetime) -> dict[str, Any]:
    """A link. lag: seconds for which its object has not been in step; 0 = in step."""
    return {
        "id": row.id, "incident_id": row.incident_id, "connection": row.connection, "kind": row.kind, "slot": row.slot,
        "state": row.state, "reason": row.reason, "item_id": row.item_id, "remote_id": row.remote_id, "url": row.url,
        "shadow": dict(row.shadow), "held": dict(row.held), "frozen": dict(row.frozen), "refused": dict(row.refused),
        "notes": {k: v for k, v in row.notes.items() if k != "correction"}, "plan": row.plan, "rev": row.rev,
        "lag": max(0.0, (now - row.behind_since).total_seconds()) if row.behind_since else 0.0,
        "seen_at": iso(row.seen_at), "written_at": iso(row.written_at), "approved_by": row.approved_by,
        "created_at": iso(row.created_at),
    }  # fmt: skip


def item(row: Item) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "id": row.id, "kind": row.kind, "incident_id": row.incident_id, "origin": row.origin, "author": row.author,
        "text": row.fields.get("text"), "deleted": bool(row.fields.get("deleted")), "rev": row.rev,
        "created_at": iso(row.created_at),
    }  # fmt: skip
    if row.kind == "update":
        shape["content_hash"] = content_hash({"text": row.fields.get("text")})
    for extra in ("restricted", "audience", "state", "status", "approved_by"):
        if hasattr(row, extra):
            shape[extra] = getattr(row, extra)
    return shape


def failed_write(row: Outbox) -> dict[str, Any]:
    return {
        "id": row.id, "link_id": row.link_id, "incident_id": row.incident_id, "connection": row.connection, "op": row.op,
        "state": row.state, "changes": row.changes, "error": row.error, "error_class": row.error_class,
        "attempts": row.attempts, "unknowns": row.unknowns, "created_at": iso(row.created_at),
        "settled_at": iso(row.settled_at), "due_at": iso(row.due_at),
    }  # fmt: skip


def inbox(row: Inbox, *, body: bool = False) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "id": row.id, "connection": row.connection, "delivery_id": row.delivery_id, "state": row.state,
        "reason": row.reason, "attempts": row.attempts, "size": len(row.body), "received_at": iso(row.received_at),
        "done_at": iso(row.done_at),
    }  # fmt: skip
    if body:
        shape["headers"] = dict(row.headers)
        shape["body"] = bytes(row.body).decode("utf-8", "replace")
    return shape


def unmatched(row: Unmatched) -> dict[str, Any]:
    return {
        "id": row.id, "connection": row.connection, "kind": row.remote_kind, "remote_id": row.remote_id,
        "state": row.state, "reason": row.reason, "candidates": list(row.candidates), "first_seen": iso(row.first_seen),
    }  # fmt: skip


def page(items: list[dict[str, Any]], limit: int) -> dict[str, Json]:
    """A page, and as `next` the id before which the next page begins; None at the end. Ids are unique and sort by
    time."""
    return {"items": items, "next": items[-1]["id"] if len(items) == limit else None}
