"""Failed writes, the inbox and unmatched objects in the services."""

from __future__ import annotations

from hub.domain.errors import VendorError
from hub.domain.values import Json
from hub.services import checks, serialize
from hub.services.errors import Conflict, NotFound
from hub.store import inbox as inbox_rows
from hub.store import links as link_rows
from hub.store import outbox as outbox_rows
from hub.store.records import Inbox, Outbox, save
from hub.sync.hub import Hub
from hub.sync.inbound.adopt import link_to, open_for
from hub.sync.incident.commit import announce, finish, open_case

HERE = "hub"

INBOX_STATES = ("new", "done", "ignored", "failed")
UNMATCHED_STATES = ("waiting", "linked", "opened", "proposed", "ignored")


# --- writes that the vendor refused ---------------------------------------------------------------------------------


def list_failed_writes(hub: Hub, limit: int = 50, before: str | None = None) -> dict[str, Json]:
    """Newest first."""
    size = checks.page_size(limit)
    with hub.store.reading() as tx:
        rows = outbox_rows.failed(tx, size, checks.cursor(before))
    return serialize.page([serialize.failed_write(r) for r in rows], size)


def _failed_writes(hub: Hub, outbox_id: str) -> Outbox:
    with hub.store.reading() as tx:
        row = outbox_rows.get(tx, outbox_id) if checks.storable(outbox_id) else None
    if row is None:
        raise NotFound(f"there is no failed write {outbox_id!r}")
    if row.state != "failed":
        raise Conflict(f"this write is {row.state}, not failed")
    return row


def replay(hub: Hub, outbox_id: str, *, actor: str) -> dict[str, Json]:
    """Tries again what the vendor refused. What is sent is what we want *now*; the old content is not dug up."""
    row = _failed_writes(hub, outbox_id)
    with open_case(hub, row.incident_id) as case:
        if case is None or row.link_id not in case.links:
            raise NotFound("its incident or link is not there any more")
        link = case.links[row.link_id]
        row.state, row.settled_at = "withdrawn", case.now
        case.settled.append(row)
        link.refused = {k: v for k, v in link.refused.items() if k not in row.changes}
        if link.state == "frozen" and link.remote_id is None:
            link.state, link.reason = "pending", None
        case.record("replayed", HERE, link=link.id, outbox=row.id, actor=actor)
    return serialize.failed_write(row)


def discard(hub: Hub, outbox_id: str, *, actor: str) -> dict[str, Json]:
    """Lets a failed write be. The field stays as the vendor has it, until ours changes again."""
    row = _failed_writes(hub, outbox_id)
    with open_case(hub, row.incident_id) as case:
        if case is None:
            raise NotFound("its incident is not there any more")
        row.state, row.settled_at = "withdrawn", case.now
        case.settled.append(row)
        case.record("discarded", HERE, link=row.link_id, outbox=row.id, actor=actor)
    return serialize.failed_write(row)


# --- what arrived ---------------------------------------------------------------------------------------------------


def list_inbox(hub: Hub, state: str | None = None, limit: int = 50, before: str | None = None) -> dict[str, Json]:
    """Newest first."""
    if state is not None:
        checks.one_of("state", state, INBOX_STATES)
    size = checks.page_size(limit)
    with hub.store.reading() as tx:
        rows = inbox_rows.page(tx, state=state, limit=size, before=checks.cursor(before))
    return serialize.page([serialize.inbox(r) for r in rows], size)


def _inbox(hub: Hub, inbox_id: str) -> Inbox:
    with hub.store.reading() as tx:
        row = inbox_rows.get(tx, inbox_id) if checks.storable(inbox_id) else None
    if row is None:
        raise NotFound(f"there is no webhook {inbox_id!r}")
    return row


def show_inbox(hub: Hub, inbox_id: str) -> dict[str, Json]:
    """One webhook as it came. Signatures and credentials were never kept."""
    return serialize.inbox(_inbox(hub, inbox_id), body=True)


def retry_inbox(hub: Hub, inbox_id: str) -> dict[str, Json]:
    """Reads a kept webhook once more (after an adapter was mended). Its commands still take effect once."""
    _inbox(hub, inbox_id)
    with hub.store.unit() as tx:
        row = inbox_rows.get(tx, inbox_id, lock=True)
        if row is None:
            raise NotFound(f"there is no webhook {inbox_id!r}")
        row.state, row.due_at, row.attempts, row.reason = "new", hub.clock.now(), 0, None
        save(tx, row)
    hub.wake.wake("inbox", row.connection)
    return serialize.inbox(row)


# --- unmatched objects ------------------------------------------------------------------------------------------------------


def list_unmatched(hub: Hub, state: str | None = None, limit: int = 50, before: str | None = None) -> dict[str, Json]:
    """Remote objects that are nobody's yet, newest first."""
    if state is not None:
        checks.one_of("state", state, UNMATCHED_STATES)
    size = checks.page_size(limit)
    with hub.store.reading() as tx:
        rows = link_rows.unmatched_page(tx, state, size, checks.cursor(before))
    return serialize.page([serialize.unmatched(r) for r in rows], size)


def settle_unmatched(hub: Hub, unmatched_id: str, choice: str, *, actor: str) -> dict[str, Json]:
    """choice: an incident ("INC-12"), "new", or "ignore"."""
    with hub.store.reading() as tx:
        unmatched = link_rows.get_unmatched(tx, unmatched_id) if checks.storable(unmatched_id) else None
        target = checks.incident(tx, choice) if choice not in ("new", "ignore") else None
    if unmatched is None:
        raise NotFound(f"there is no unmatched object {unmatched_id!r}")
    if unmatched.state not in ("waiting", "proposed", "ignored"):
        raise Conflict(f"it is {unmatched.state} already")
    if choice == "ignore":
        with hub.store.unit() as tx:
            unmatched.state, unmatched.due_at, unmatched.reason = "ignored", None, f"ignored by {actor}"
            save(tx, unmatched)
        return serialize.unmatched(unmatched)
    if unmatched.connection in hub.left_out:
        raise Conflict(f"connection {unmatched.connection!r} is left out: {hub.left_out[unmatched.connection]}")
    try:
        seen = hub.adapter(unmatched.connection).observe(unmatched.ref)
    except VendorError as e:
        raise Conflict(f"{unmatched.connection} could not be asked: {e.words}") from e
    if seen.state != "present":
        raise Conflict(f"{unmatched.connection} does not show that object to us")
    with hub.store.unit() as tx:
        mine = link_rows.get_unmatched(tx, unmatched_id)
        if mine is None or link_rows.by_ref(tx, mine.connection, mine.ref) is not None:
            raise Conflict("it has been linked meanwhile")
        case = open_for(hub, tx, mine, seen) if target is None else link_to(hub, tx, mine, target.id, seen)
        if case is None:
            raise Conflict(mine.reason or "it cannot be linked")
        save(tx, mine)
        finish(case)
    announce(case)
    return serialize.unmatched(mine)
