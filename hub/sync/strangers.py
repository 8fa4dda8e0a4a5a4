"""Objects that nobody here knows yet, noted by whoever hears of them; `adopt` decides whose they are."""

from __future__ import annotations

from datetime import timedelta

from hub.domain.values import Ref
from hub.store import links as link_rows
from hub.store.records import Stranger, save
from hub.store.unit import Tx
from hub.sync.hub import Hub

SETTLING = 2.0
"""Seconds that the worker which made an object is given to settle its create, before the object is read for its mark."""

PERHAPS_OURS = "it was made while we were making one there; it may be that one"
"""Why a stranger waits of which no more was heard than that it was made."""


def note_stranger(hub: Hub, tx: Tx, connection: str, ref: Ref, *, born: bool = False) -> list[tuple[str, str]]:
    """An object that nobody here knows: to be considered, once. born: see `Hint`."""
    now = hub.clock.now()
    stranger = link_rows.stranger(tx, connection, ref)
    if stranger is None:
        ours = born and link_rows.unsettled_creates(tx, connection, ref.kind)
        stranger = Stranger(
            id=hub.ids.new(), connection=connection, remote_kind=ref.kind, remote_id=ref.id,
            remote_parent=ref.parent or "", first_seen=now, due_at=now + timedelta(seconds=SETTLING if ours else 0.0),
            reason=PERHAPS_OURS if ours else None,
        )  # fmt: skip
    elif stranger.state != "waiting" or born:
        return []
    else:
        stranger.due_at, stranger.reason = now, None
    save(tx, stranger)
    return [("adopt", stranger.id)] if stranger.due_at == now else []


__all__ = ["PERHAPS_OURS", "note_stranger"]
