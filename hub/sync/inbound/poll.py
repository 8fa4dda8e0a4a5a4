"""The polling net: what webhooks did not tell. Often while incidents are open, rarely while all is quiet, at once after an
outage. A poll that finds nothing writes only its cursor; an object that looks as its shadow costs nothing at all."""

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
"""Pages of one poll in one wake-up; the cursor remembers how far it came."""

PACE = 0.2
"""Seconds between the looks that one page of a poll asks for. A poll may name every open incident, mostly for what the hub
itself has done there: all at once, they would keep what people do meanwhile waiting."""


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
        _rest(hub, name)
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
            breaker.note_failure(hub, name, e)
            _again(hub, name, breaker.backoff(hub, connection.failures + 1, e))
            return
        _take(hub, name, changes, started, first=first)
        cursor, first = changes.cursor, False
        if not changes.more:
            return


def _rest(hub: Hub, name: str) -> None:
    """Nothing is due until the connection is enabled, or configured again."""
    with hub.store.unit() as tx:
        state = connection_rows.cursor(tx, name) or {"cursor": None, "polled_at": None}
        connection_rows.move_cursor(tx, name, state["cursor"], state["polled_at"], None)


def _again(hub: Hub, name: str, seconds: float) -> None:
    with hub.store.unit() as tx:
        state = connection_rows.cursor(tx, name) or {"cursor": None, "polled_at": None}
        due = hub.clock.now() + timedelta(seconds=seconds)
        connection_rows.move_cursor(tx, name, state["cursor"], state["polled_at"], due)


def _take(hub: Hub, name: str, changes: Changes, started: datetime, *, first: bool) -> None:
    """first: never polled before, it lists what is open now. What we link and it does not list is looked at: it may have
    been closed before we could ask for the first time."""
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
        if asked is not None and asked > started:  # somebody asked for a poll while this one was under way
            due = min(due, asked)
        connection_rows.move_cursor(tx, name, changes.cursor, started, due)
    for task, key in dict.fromkeys(wakes):
        hub.wake.wake(task, key)


def _changed(hub: Hub, tx: Tx, name: str, changes: Changes, unseen: Sequence[str]) -> list[tuple[str, str]]:
    """Marks what has changed, and these links, as to be looked at, one after another. To be done first in its transaction:
    see `links.hint_all`."""
    now, others = hub.clock.now(), []
    due = {link_id: now + timedelta(seconds=PACE * n) for n, link_id in enumerate(unseen)}
    for item in changes.items:
        link = home_of(tx, name, item.ref)
        if link is None:
            others += [item.ref] if item.ref.kind == "incident" else []
        elif link.state in TOMBSTONES or _as_known(hub, link, item):
            continue
        elif (
            link.refresh_due is None or link.refresh_due <= now
        ):  # one that is due already may have read before the change
            due.setdefault(link.id, now + timedelta(seconds=PACE * len(due)))
        elif not link.refresh_whole:  # one that is still to come keeps its time, and reads what was said there too
            due.setdefault(link.id, link.refresh_due)
    link_rows.hint_all(tx, due)
    wakes = [("refresh", link_id) for link_id, at in due.items() if at <= now]
    return wakes + [w for ref in dict.fromkeys(others) for w in note_unmatched(hub, tx, name, ref)]


def _as_known(hub: Hub, link: Link, item: Changed) -> bool:
    """Whether the listing shows just what we last saw."""
    seen = item.observation
    if seen is None or seen.state != "present" or seen.merged_into is not None or link.state == "unreachable":
        return False
    relations = hub.relations(link.connection, link.kind)
    return all(
        link.shadow.get(field) == value
        for field, value in seen.fields.items()
        if field in relations and field not in seen.consequences
    )
