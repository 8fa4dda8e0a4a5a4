"""Objects that nobody here knows yet, noted by whoever hears of them; `adopt` decides whose they are."""

from __future__ import annotations

from datetime import timedelta

from hub.domain.values import Ref
from hub.store import links as link_rows
from hub.store.records import Unmatched, save
from hub.store.unit import Tx
from hub.sync.hub import Hub

SETTLING = 2.0
"""Seconds that the worker which made an object is given to settle its create, before the object is read for its mark."""

PERHAPS_OURS = "it was made while we were making one there; it may be that one"
"""Why an unmatched object waits of which no more was heard than that it was made."""


def note_unmatched(hub: Hub, tx: Tx, connection: str, ref: Ref, *, born: bool = False) -> list[tuple[str, str]]:
    """An object that nobody here knows: to be considered, once. born: see `Hint`."""
    now = hub.clock.now()
    unmatched = link_rows.unmatched(tx, connection, ref)
    if unmatched is None:
        ours = born and link_rows.unsettled_creates(tx, connection, ref.kind)
        unmatched = Unmatched(
            id=hub.ids.new(), connection=connection, remote_kind=ref.kind, remote_id=ref.id,
            remote_parent=ref.parent or "", first_seen=now, due_at=now + timedelta(seconds=SETTLING if ours else 0.0),
            reason=PERHAPS_OURS if ours else None,
        )  # fmt: skip
    elif unmatched.state != "waiting" or born:
        return []
    else:
        unmatched.due_at, unmatched.reason = now, None
    save(tx, unmatched)
    return [("adopt", unmatched.id)] if unmatched.due_at == now else []


__all__ = ["PERHAPS_OURS", "note_unmatched"]
