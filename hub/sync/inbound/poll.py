"""Polling: finds the changes for which no webhook came. Often while incidents are open, rarely while none is, and at
once after an outage. A poll that finds nothing writes only its cursor; an object that matches its shadow is not read
again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from hub.domain.errors import VendorError
from hub.domain.values import Changed, Changes
from hub.store import connections as connection_rows
from hub.store import links as link_rows
from hub.store.records import TOMBSTONES, Link, save
from hub.store.unit import Tx
from hub.sync.hub import LEFT_OUT_AGAIN, Hub
from hub.sync.inbound.intake import home_of
from hub.sync.inbound.unmatched import note_unmatched
from hub.sync.limits import breaker

PAGES = 20
"""Most pages that one task reads. The cursor stores the position, and the next task continues there."""

PACE = 0.2
"""Seconds between the refreshes that one page of a poll makes due. A poll may list every open incident, mostly because
of the hub's own writes: if all were due at once, refreshes for people's new changes would wait behind them."""


def poll(hub: Hub, name: str) -> None:
    """Polls one connection, if it is due."""
    now = hub.clock.now()
    with hub.store.reading() as tx:
        connection = connection_rows.get(tx, name)
        state = connection_rows.cursor(tx, name)
    if state is not None and (state["due_at"] is None or state["due_at"] > now):
        return
    if connection is not None and name in hub.left_out:
        _again(hub, name, LEFT_OUT_AGAIN)
        return
    if connection is None or name not in hub.adapters or connection.state == "disabled":
        _stop_polling(hub, name)
        return
    until = breaker.open_until(connection, now)
    if until is not None:
        _again(hub, name, (until - now).total_seconds() + hub.ids.chance())
        return
    adapter = hub.adapter(name)
    cursor, first = state["cursor"] if state else None, state is None or state["polled_at"] is None
    for _ in range(PAGES):
        try:
            with hub.budget.slot(name, adapter.capabilities):
                hub.budget.admit(name, adapter.capabilities)
                started = hub.clock.now()
                changes = adapter.changed_since(cursor)
        except VendorError as e:
            breaker.note_failure(hub.store, hub.clock.now(), name, e)
            _again(hub, name, breaker.backoff(hub.ids, connection.failures + 1, e))
            return
        _take(hub, name, changes, started, first=first)
        cursor, first = changes.cursor, False
        if not changes.more:
            return


def _stop_polling(hub: Hub, name: str) -> None:
    """Stops polling until the connection is enabled, or configured again."""
    with hub.store.unit() as tx:
        state = connection_rows.cursor(tx, name) or {"cursor": None, "polled_at": None}
        connection_rows.move_cursor(tx, name, state["cursor"], state["polled_at"], None)


def _again(hub: Hub, name: str, seconds: float) -> None:
    with hub.store.unit() as tx:
        state = connection_rows.cursor(tx, name) or {"cursor": None, "polled_at": None}
        due = hub.clock.now() + timedelta(seconds=seconds)
        connection_rows.move_cursor(tx, name, state["cursor"], state["polled_at"], due)


def _take(hub: Hub, name: str, changes: Changes, started: datetime, *, first: bool) -> None:
    """Makes refreshes due for one page of changes, and moves the cursor. first: the first poll of the connection, which
    lists what is open now. Linked objects that it does not list are refreshed too: they may have been closed before
    it."""
    capabilities = hub.capabilities(name)
    busy, quiet = capabilities.poll
    with hub.store.unit() as tx:
        unseen = link_rows.shown_at(tx, name) if first else []
        asked = (connection_rows.cursor(tx, name) or {}).get("due_at")
        wakes = _changed(hub, tx, name, changes, unseen)
        connection = connection_rows.get(tx, name)
        if connection is not None:
            breaker.succeeded(tx, connection, hub.clock.now())
            save(tx, connection)
        pause = 0.0 if changes.more else busy if connection_rows.has_open(tx, name) else quiet
        due = hub.clock.now() + timedelta(seconds=pause * (0.9 + 0.2 * hub.ids.chance()))
        if asked is not None and asked > started:  # another poll was requested while this one ran
            due = min(due, asked)
        connection_rows.move_cursor(tx, name, changes.cursor, started, due)
    for task, key in dict.fromkeys(wakes):
        hub.wake.wake(task, key)


def _changed(hub: Hub, tx: Tx, name: str, changes: Changes, unseen: Sequence[str]) -> list[tuple[str, str]]:
    """Makes a refresh due for each changed object and for the links in `unseen`, `PACE` seconds apart. Returns the
    wake-ups, as (task, key). Must come first in its transaction: see `links.hint_all`."""
    now, others = hub.clock.now(), []
    due = {link_id: now + timedelta(seconds=PACE * n) for n, link_id in enumerate(unseen)}
    for item in changes.items:
        link = home_of(tx, name, item.ref)
        if link is None:
            others += [item.ref] if item.ref.kind == "incident" else []
        elif link.state in TOMBSTONES or _as_known(hub, link, item):
            continue
        elif link.refresh_due is None or link.refresh_due <= now:
            # A refresh that is due already may have read the object before the change.
            due.setdefault(link.id, now + timedelta(seconds=PACE * len(due)))
        elif not link.refresh_whole:  # a refresh that is due later keeps its time, but reads the comments too
            due.setdefault(link.id, link.refresh_due)
    link_rows.hint_all(tx, due)
    wakes = [("refresh", link_id) for link_id, at in due.items() if at <= now]
    return wakes + [w for ref in dict.fromkeys(others) for w in note_unmatched(hub, tx, name, ref)]


def _as_known(hub: Hub, link: Link, item: Changed) -> bool:
    """Whether the listing shows the same as the link's shadow, so that no read is needed."""
    seen = item.observation
    if seen is None or seen.state != "present" or seen.merged_into is not None or link.state == "unreachable":
        return False
    relations = hub.relations(link.connection, link.kind)
    return all(
        link.shadow.get(field) == value
        for field, value in seen.fields.items()
        if field in relations and field not in seen.consequences
    )
