"""The inbox: webhooks as they were received."""

from __future__ import annotations

from hub.domain.values import Json
from hub.services import checks, serialize
from hub.services.errors import NotFound
from hub.store import inbox as inbox_rows
from hub.store.records import save
from hub.sync.hub import Hub

STATES = ("new", "done", "ignored", "failed")


def list_inbox(hub: Hub, state: str | None = None, limit: int = 50, before: str | None = None) -> dict[str, Json]:
    """Newest first. before: the `next` of the page before."""
    if state is not None:
        checks.one_of("state", state, STATES)
    size = checks.page_size(limit)
    with hub.store.reading() as tx:
        rows = inbox_rows.page(tx, state=state, limit=size, before=checks.cursor(tx, before, inbox_rows.get))
    return serialize.page([serialize.inbox(r) for r in rows], size)


def show_inbox(hub: Hub, inbox_id: str) -> dict[str, Json]:
    """One webhook as it was received. Its signature and credentials were never stored. Raises NotFound."""
    with hub.store.reading() as tx:
        row = inbox_rows.get(tx, inbox_id) if checks.storable(inbox_id) else None
    if row is None:
        raise _missing(inbox_id)
    return serialize.inbox(row, body=True)


def retry_inbox(hub: Hub, inbox_id: str) -> dict[str, Json]:
    """Reads a stored webhook again, for example after an adapter was corrected. A command in it that was applied is not
    applied again. Raises NotFound."""
    if not checks.storable(inbox_id):
        raise _missing(inbox_id)
    with hub.store.unit() as tx:
        row = inbox_rows.get(tx, inbox_id, lock=True)
        if row is None:
            raise _missing(inbox_id)
        row.state, row.due_at, row.attempts, row.reason = "new", hub.clock.now(), 0, None
        save(tx, row)
    hub.wake.wake("inbox", row.connection)
    return serialize.inbox(row)


def _missing(inbox_id: str) -> NotFound:
    return NotFound(f"there is no webhook {inbox_id!r} in the inbox; `lockstep inbox list` shows the newest")
