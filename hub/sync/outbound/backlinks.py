"""Writes to a vendor's object where else the incident is shown (Jira's remote links): all links in one upsert, whenever
a link of the incident becomes live. A timer row stays until the write succeeds or is refused; no other work waits for
it."""

from __future__ import annotations

from datetime import timedelta

from hub.domain.errors import Refused, VendorError
from hub.domain.values import INCIDENT
from hub.ports import LinksBack, links_back
from hub.store import timers
from hub.store.cases import of_link
from hub.store.records import TOMBSTONES
from hub.sync.hub import LEFT_OUT_AGAIN, Hub
from hub.sync.incident.case import Case
from hub.sync.incident.context import context_of
from hub.sync.limits import breaker
from hub.sync.limits.budget import READ_SHARE

BACKLINK = "backlink"


def refresh(case: Case) -> None:
    """Sets a timer for each link of the incident that can carry backlinks. Called when a link becomes live."""
    for link in case.links.values():
        if link.kind != INCIDENT or link.remote_id is None or link.state in TOMBSTONES:
            continue
        if link.connection in case.hub.left_out or links_back(case.hub.adapters.get(link.connection)):
            timers.set_timer(case.tx, BACKLINK, link.id, case.now, {})
            case.wake(BACKLINK, link.id)


def link_back(hub: Hub, link_id: str) -> None:
    """Carries out a "backlink" timer, if it is due. After an error other than `Refused`, sets it again."""
    now = hub.clock.now()
    with hub.store.reading() as tx:
        waiting = timers.is_due(tx, BACKLINK, link_id, now)
        found = of_link(tx, link_id)
        link = found.link if found else None
        left_out = link is not None and link.connection in hub.left_out
        context, _ = context_of(hub, tx, found, None) if waiting and found and not left_out else ({}, {})
    if not waiting:
        return
    adapter = hub.adapters.get(link.connection) if link else None
    again = now + timedelta(seconds=LEFT_OUT_AGAIN) if left_out else None
    if link is not None and link.ref is not None and link.state not in TOMBSTONES and isinstance(adapter, LinksBack):
        try:
            with hub.budget.slot(link.connection, adapter.capabilities):
                hub.budget.admit(link.connection, adapter.capabilities, share=READ_SHARE)
                adapter.link_back(link.ref, context)
        except Refused:
            pass
        except VendorError as e:
            breaker.note_failure(hub.store, hub.clock.now(), link.connection, e)
            again = now + timedelta(seconds=breaker.backoff(hub.ids, 4, e))
    with hub.store.unit() as tx:
        if again is not None:
            timers.set_timer(tx, BACKLINK, link_id, again, {})
        else:
            timers.done(tx, BACKLINK, link_id, now)
