"""Unmatched objects: remote objects that belong to no link. Intake and polls store them here; `adopt` decides about
each."""

from __future__ import annotations

from datetime import timedelta

from hub.domain.values import Ref
from hub.store import links as link_rows
from hub.store.records import Unmatched, save
from hub.store.unit import Tx
from hub.sync.hub import Hub

SETTLING = 2.0
"""Seconds before an unmatched object is read for its mark while a create of ours is unsettled in its connection: time
for the worker that sent the create to settle it."""

PERHAPS_OURS = "the hub was creating an object in this connection at the same time; this may be that object"
"""Reason of a waiting object for which the only hint was that it was created (`Hint.born`), during a create of ours."""


def note_unmatched(hub: Hub, tx: Tx, connection: str, ref: Ref, *, born: bool = False) -> list[tuple[str, str]]:
    """Stores a remote object that belongs to no link, or makes a stored one that still waits due again. Returns the
    wake-ups to send after the commit, as (task, key). born: see `Hint`."""
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
