"""A link that a person ties to an object once more: to the one that it showed before, or to another."""

from __future__ import annotations

from hub.store import outbox as outbox_rows
from hub.store.records import Link
from hub.sync.incident.case import Case
from hub.sync.incident.plan import end

WITH_ITS_INCIDENT = "its incident was unlinked"
"""Why the copies under a link were let go of."""

WRITTEN_TO = "that object is being written to just now; try again in a minute"


def forget(case: Case, link: Link) -> bool:
    """What was known, held or under way belongs to the object that the link showed before. False while that is just being
    written to."""
    row = case.outbox.get(link.id)
    if row is not None and row.state == "claimed":
        return False
    if row is not None:
        end(case, row, "withdrawn")
    link.shadow, link.held, link.frozen, link.refused, link.consequences = {}, {}, {}, {}, []
    link.version = link.history = link.url = link.seen_at = link.written_at = None
    link.terminal = False
    return True


def bring_copies_back(case: Case, link: Link, *, same: bool) -> None:
    """The comments and updates that were let go of together with their incident come back: to their old copies in the same
    object, as new ones in another."""
    for child in case.children(link):
        if child.reason != WITH_ITS_INCIDENT:
            continue
        child.reason = None
        posted = child.remote_id is not None or child.written_at is not None  # not every vendor gives an id
        if same and posted:
            child.state = "live"
            doubt_again(case, child)
            continue
        child.state, child.remote_kind, child.remote_id = "pending", None, None
        child.shadow, child.rev = {}, child.rev + 1
        if same:
            doubt_again(case, child)


def doubt_again(case: Case, link: Link) -> None:
    """A write whose outcome nobody had learnt when its link was let go of may have taken effect. A create is looked for by its
    mark before anything is sent once more; of an update the object, and its history, tell: what we wrote there is no news."""
    row = outbox_rows.last_for(case.tx, link.id) if link.id not in case.outbox else None
    wanted = "create" if link.remote_id is None else "update"
    if row is not None and row.op == wanted and row.state == "withdrawn" and row.unknowns:
        row.state, row.due_at, row.settled_at = "unknown", case.now, None
        case.outbox[link.id] = row
