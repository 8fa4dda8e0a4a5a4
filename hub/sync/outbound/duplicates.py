"""After a create of unknown outcome: once `Hub.window` has passed (the vendor no longer carries out an earlier request,
and `find` shows what it made), searches for objects with our mark. Each one besides the linked object is closed and
journaled."""

from __future__ import annotations

from datetime import timedelta

from hub.domain.errors import VendorError
from hub.domain.values import Mark
from hub.store import links as link_rows
from hub.store import timers
from hub.store.records import TOMBSTONES
from hub.sync.hub import LEFT_OUT_AGAIN, Hub
from hub.sync.incident.commit import open_case
from hub.sync.incident.observe import duplicate
from hub.sync.limits import breaker


def find_duplicates(hub: Hub, link_id: str) -> None:
    """Carries out a "duplicates" timer, if it is due. After a `VendorError`, sets it again with a backoff."""
    now = hub.clock.now()
    with hub.store.reading() as tx:
        waiting = timers.is_due(tx, "duplicates", link_id, now)
        link = link_rows.get(tx, link_id)
        parent = link_rows.get(tx, link.parent_id) if link and link.parent_id else None
    if not waiting:
        return
    if link is not None and link.connection in hub.left_out:
        with hub.store.unit() as tx:
            timers.set_timer(tx, "duplicates", link_id, now + timedelta(seconds=LEFT_OUT_AGAIN), {})
        return
    if link is None or link.state in TOMBSTONES or link.connection not in hub.adapters:
        with hub.store.unit() as tx:
            timers.done(tx, "duplicates", link_id, now)
        return
    adapter = hub.adapter(link.connection)
    try:
        with hub.budget.slot(link.connection, adapter.capabilities):
            hub.budget.admit(link.connection, adapter.capabilities)
            mark = Mark(link.kind, link.mark, link.created_at, parent.ref if parent else None)
            started = hub.clock.now()
            found = adapter.find(mark)
    except VendorError as e:
        with hub.store.unit() as tx:
            timers.set_timer(tx, "duplicates", link_id, now + timedelta(seconds=5 + breaker.backoff(hub.ids, 3, e)), {})
        return
    with open_case(hub, link.incident_id) as case:
        if case is None:
            return
        timers.done(case.tx, "duplicates", link_id, now)
        for other in found:
            mine = case.links.get(link_id)
            if mine is not None and mine.remote_id is not None and other.ref != mine.ref and other.state == "present":
                duplicate(case, mine, other, started)
