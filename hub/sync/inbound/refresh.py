"""Refresh: reads one remote object and merges what it shows. A refresh is due only because a hint, a poll or a person
indicated that the object may have changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hub.domain.errors import VendorError
from hub.domain.values import INCIDENT, Observation
from hub.ports import PartialReads, reads_reactions
from hub.store import connections as connection_rows
from hub.store import links as link_rows
from hub.store import outbox as outbox_rows
from hub.store.records import TOMBSTONES, Connection, Link, save
from hub.sync.hub import LEFT_OUT_AGAIN, Hub
from hub.sync.incident.commit import open_case
from hub.sync.incident.merge_incidents import follow_merge
from hub.sync.incident.observe import shown_again, take, waits_for_history
from hub.sync.limits import breaker
from hub.sync.limits.budget import PARTIAL_READ_SHARE, READ_SHARE


def look(hub: Hub, link_id: str) -> None:
    """Reads the link's object and merges it. Does nothing if no refresh is due."""
    now = hub.clock.now()
    with hub.store.reading() as tx:
        link = link_rows.get(tx, link_id)
        if link is None or link.refresh_due is None or link.refresh_due > now:
            return
        connection = connection_rows.get(tx, link.connection)
        revs = {link.id: link.rev, **link_rows.children_revs(tx, link.id)}
        lease_end = outbox_rows.write_lease_end(tx, link.id)
    if link.connection in hub.left_out:
        _later(hub, link_id, LEFT_OUT_AGAIN)
        return
    ref = link.ref
    if ref is None or link.state in TOMBSTONES or connection is None or link.connection not in hub.adapters:
        _later(hub, link_id, None)
        return
    adapter = hub.adapter(link.connection)
    kind = adapter.capabilities.kinds.get(link.kind)
    if connection.state == "disabled" or kind is None or not kind.reads:
        _later(hub, link_id, None)
        return
    # `observe.fresh` would discard a read that began before `early`. The end of the write makes the refresh due sooner.
    early = max(lease_end or now, earliest(hub, link, now))
    if early > now:
        _later(hub, link_id, (early - now).total_seconds())
        return
    until = breaker.open_until(connection, now)
    if until is not None:
        _later(hub, link_id, (until - now).total_seconds() + hub.ids.chance())
        return
    partial = (
        adapter if link.kind == INCIDENT and not link.refresh_whole and isinstance(adapter, PartialReads) else None
    )
    try:
        with hub.budget.slot(link.connection, adapter.capabilities):
            calls = adapter.capabilities.read_calls if partial is None else 1
            share = READ_SHARE if partial is None else PARTIAL_READ_SHARE
            hub.budget.admit(link.connection, adapter.capabilities, calls, share=share)
            started = hub.clock.now()
            seen = adapter.observe(ref) if partial is None else partial.read_fields(ref)
            ended = hub.clock.now()
    except VendorError as e:
        breaker.note_failure(hub, link.connection, e)
        _later(hub, link_id, breaker.backoff(hub, connection.failures + 1, e))
        return
    if partial is not None and shows_nothing_new(hub, link, seen, connection):
        with hub.store.unit() as tx:
            if link_rows.settle_unchanged_refresh(tx, link, seen.version):
                return
    with open_case(hub, link.incident_id) as case:
        if case is None or link_id not in case.links:
            return
        breaker.succeeded(case.tx, case.connections[link.connection], case.now)
        mine, row = case.links[link_id], case.outbox.get(link_id)
        doubtful = row is not None and (row.state, row.op) == ("unknown", "update") and mine.history is not None
        delivers = not case.paused and case.connections[mine.connection].state == "enabled"
        if row is not None and doubtful and delivers:
            # Our write of unknown outcome may have taken effect: `deliver` reads the object together with its history.
            if mine.state == "unreachable" and seen.state == "present":
                shown_again(case, mine)
                row.due_at = case.now
                case.wake("deliver", link_id)
            mine.refresh_due = max(row.due_at or case.now, case.now) + timedelta(seconds=adapter.capabilities.read_lag)
        else:
            if row is not None and doubtful:
                waits = waits_for_history(case, mine, row, seen)
                seen = replace(seen, fields={n: v for n, v in seen.fields.items() if n not in waits})
            take(case, mine, seen, revs, started, ended, whole=partial is None, settles=not doubtful)
    if link.kind == INCIDENT and seen.merged_into is not None:
        follow_merge(hub, link.connection, link.incident_id, seen.merged_into)


def shows_nothing_new(hub: Hub, link: Link, seen: Observation, connection: Connection) -> bool:
    """Whether a read of the fields shows only what the link already holds, and the link has no problem: mostly the echo
    of our own write. Then there is nothing to merge or to plan, and no case need be opened."""
    adapter = hub.adapter(link.connection)
    return (
        (link.state, seen.state) == ("live", "present")
        and (seen.terminal, seen.merged_into, seen.url or link.url) == (link.terminal, None, link.url)
        and sorted(seen.consequences) == sorted(link.consequences)
        and not (link.frozen or link.held or link.refused or link.reason or seen.children)
        and (connection.failures, connection.open_until) == (0, None)
        and all(name in link.shadow and link.shadow[name] == value for name, value in seen.fields.items())
        and not (reads_reactions(adapter) and adapter.reactions(seen))
    )


def earliest(hub: Hub, link: Link, now: datetime) -> datetime:
    """The earliest time at which a read can be merged: now, or the end of the vendor's `read_lag` after our last write
    to the object, before which the vendor may show an older state."""
    if link.written_at is None or link.connection not in hub.adapters:
        return now
    return max(now, link.written_at + timedelta(seconds=hub.capabilities(link.connection).read_lag))


def _later(hub: Hub, link_id: str, seconds: float | None) -> None:
    with hub.store.unit() as tx:
        link = link_rows.get(tx, link_id)
        if link is not None:
            link.refresh_due = None if seconds is None else hub.clock.now() + timedelta(seconds=seconds)
            save(tx, link)
