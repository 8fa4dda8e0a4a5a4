"""What happens when a person links an object again: the one that the link showed before, or another one."""

from __future__ import annotations

from hub.store import outbox as outbox_rows
from hub.store.records import Link
from hub.sync.incident.case import Case
from hub.sync.incident.plan import end

WITH_ITS_INCIDENT = "its incident was unlinked"
"""Reason of the links that were unlinked together with their parent; stored, and compared when they are linked
again."""

WRITTEN_TO = "the hub is writing to the object that is linked there; try again in a minute"


def forget(case: Case, link: Link) -> bool:
    """Clears what the link stores about its former object, and withdraws an open intention. False, and nothing is
    changed, if a worker has claimed that intention."""
    row = case.outbox.get(link.id)
    if row is not None and row.state == "claimed":
        return False
    if row is not None:
        end(case, row, "withdrawn")
    link.shadow, link.held, link.frozen, link.refused, link.consequences = {}, {}, {}, {}, []
    link.version = link.history = link.url = link.seen_at = link.written_at = None
    link.terminal = False
    return True


def relink_copies(case: Case, link: Link, *, same: bool) -> None:
    """Links the comments and updates that were unlinked together with their incident: to their old copies in the same
    object, as new copies in another one."""
    for child in case.children(link):
        if child.reason != WITH_ITS_INCIDENT:
            continue
        child.reason = None
        posted = child.remote_id is not None or child.written_at is not None  # some vendors give no id
        if same and posted:
            child.state = "live"
            mark_unknown_again(case, child)
            continue
        child.state, child.remote_kind, child.remote_id = "pending", None, None
        child.shadow, child.rev = {}, child.rev + 1
        if same:
            mark_unknown_again(case, child)


def mark_unknown_again(case: Case, link: Link) -> None:
    """Makes a write unknown again whose outcome was unknown when its link was unlinked: it may have taken effect. Then
    a create is looked for by its mark before it is sent again, and after an update the object and its history are read,
    so that our own write is not taken for an edit."""
    row = outbox_rows.last_for(case.tx, link.id) if link.id not in case.outbox else None
    wanted = "create" if link.remote_id is None else "update"
    if row is not None and row.op == wanted and row.state == "withdrawn" and row.unknowns:
        row.state, row.due_at, row.settled_at = "unknown", case.now, None
        case.outbox[link.id] = row
