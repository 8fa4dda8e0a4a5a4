"""Writing to a vendor: one link at a time, one outbox row (an intended write) at a time.

    claim (commit) ─► read again ─► write ─► read the history ─► settle (commit)

The claim has a lease and a fencing number: a worker that returns after its lease expired settles nothing. A create is
committed with its mark before it is sent. A write whose outcome is not known stays `unknown` until `Hub.window` has
passed; then the object is read (update) or searched for by its mark (create) before anything is sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.domain.capability import CreateSafety, Gap
from hub.domain.errors import OutcomeUnknown, Refused, RetryLater, VendorError
from hub.domain.plan import request
from hub.domain.values import INCIDENT, Actor, Change, Fields, Json, Mark, Observation, Ref
from hub.domain.values import Desired as DesiredObject
from hub.domain.values import Update as UpdateRequest
from hub.ports import Historian, PartialReads, Walks
from hub.store import incidents as incident_rows
from hub.store import links as link_rows
from hub.store import outbox as outbox_rows
from hub.store.cases import LinkRows, of_link
from hub.store.records import TOMBSTONES, Link, Outbox, save
from hub.store.unit import Tx
from hub.sync.hub import LEASE, LEFT_OUT_AGAIN, Hub
from hub.sync.incident.context import context_of
from hub.sync.incident.observe import UNREACHABLE_AGAIN
from hub.sync.limits import breaker
from hub.sync.outbound.settle import (
    settle_created,
    settle_error,
    settle_found,
    settle_read,
    settle_written,
    start_walk,
)

UNKNOWN = 60.0
"""Seconds until a write to a connection that is not (or no longer) configured is tried again."""

ROUNDS = 20
"""Most writes to one link in one wake-up; the sweep finds the rest."""


@dataclass(frozen=True)
class Claim:
    """A claimed outbox row: only this worker may settle it until `lease_until`; `fence` identifies the claim.

    expired: an earlier claim or call has an unknown outcome. context, desired: see `hub.domain.values.Update`."""

    row: Outbox
    link: Link
    parent: Ref | None
    expired: bool
    context: dict[str, Json]
    desired: dict[str, Json]


def deliver(hub: Hub, link_id: str) -> None:
    """Carries out the link's due write, then the next ones, at most `ROUNDS`."""
    for _ in range(ROUNDS):
        claim = _claim(hub, link_id)
        if claim is None or not _carry_out(hub, claim):
            return


# --- claim ----------------------------------------------------------------------------------------------------------


def _claim(hub: Hub, link_id: str) -> Claim | None:
    now = hub.clock.now()
    with hub.store.unit() as tx:
        row = outbox_rows.open_for(tx, link_id)
        if row is None or row.due_at is None or row.due_at > now:
            return None
        found = of_link(tx, link_id)
        if row.connection in hub.left_out:
            row.due_at = now + timedelta(seconds=LEFT_OUT_AGAIN)
            save(tx, row)
            return None
        if found is None or found.state is None or row.connection not in hub.adapters:
            row.due_at = now + timedelta(seconds=UNKNOWN)
            save(tx, row)
            return None
        link = found.link
        wait = _must_wait(hub, tx, row, found, now)
        if wait is not None:
            row.due_at = now + timedelta(seconds=wait)
            save(tx, row)
            return None
        expired = row.state == "claimed"
        if expired:  # a worker died or overran its lease: it may have sent the write
            row.unknowns += 1
            row.last_sent_at = row.lease_until
        if link.state in TOMBSTONES:  # unlinked or gone since the plan: no call is made for it any more
            row.state, row.due_at, row.settled_at, row.error = "withdrawn", None, now, f"the link is {link.state}"
            save(tx, row)
            return None
        if link.state == "unreachable" and (expired or row.state == "unknown"):  # `refresh` reads it again
            row.state, row.owner, row.due_at = "unknown", None, now + timedelta(seconds=UNREACHABLE_AGAIN)
            save(tx, row)
            return None
        parent = link_rows.get(tx, link.parent_id) if link.parent_id else None
        if parent is not None and parent.state in TOMBSTONES and row.state == "due":
            row.state, row.due_at, row.settled_at, row.error = (
                "withdrawn",
                None,
                now,
                "its incident is no longer linked in this connection",
            )
            save(tx, row)
            return None
        if row.state in ("claimed", "unknown") and row.op == "update" and row.last_sent_at is not None:
            decisive = row.last_sent_at + timedelta(seconds=hub.window(row.connection))
            if now < decisive:
                row.state, row.due_at, row.owner = "unknown", decisive, None
                save(tx, row)
                return None
        before = row.state
        row.state, row.owner, row.fence = "claimed", hub.owner, row.fence + 1
        row.lease_until = row.due_at = now + timedelta(seconds=LEASE)
        row.attempts += 1
        if row.op == "create" and row.first_sent_at is None:
            row.first_sent_at = now
        save(tx, row)
        context, desired = context_of(hub, tx, found, row)
    return Claim(row, link, parent.ref if parent else None, expired or before == "unknown", context, desired)


def _must_wait(
    hub: Hub, tx: Tx, row: Outbox, found: LinkRows, now: datetime
) -> float | None:  # fmt: skip
    """Seconds until this row may be tried; None = now."""
    if found.paused:
        return 30.0
    if found.state != "enabled":
        return 60.0
    until = breaker.open_until(found, now)
    if until is not None:
        return (until - now).total_seconds() + hub.ids.chance()
    if row.op == "create" and row.first_sent_at is None:
        made = outbox_rows.creates_since(tx, now - timedelta(minutes=1))
        if made >= hub.config.policy.creates_per_minute:
            return 5.0 + 10.0 * hub.ids.chance()
    return None


# --- carry out ------------------------------------------------------------------------------------------------------


def _carry_out(hub: Hub, claim: Claim) -> bool:
    """Calls the vendor and settles the row. True if this link may have another write due at once."""
    capabilities = hub.capabilities(claim.row.connection)
    try:
        with hub.budget.slot(claim.row.connection, capabilities):
            if claim.row.op == "create":
                return _create(hub, claim)
            return _update(hub, claim)
    except VendorError as e:
        return settle_error(hub, claim.row, e)


def _actor(hub: Hub, row: Outbox) -> Actor | None:
    if not row.actor:
        return None
    return Actor(name=row.actor.get("name"), email=row.actor.get("email"), account=row.actor.get("account"))


def _create(hub: Hub, claim: Claim) -> bool:
    row, link = claim.row, claim.link
    adapter = hub.adapter(row.connection)
    kind = adapter.capabilities.kinds[link.kind]
    mark = Mark(link.kind, link.mark, row.first_sent_at or row.created_at, claim.parent)
    if row.unknowns:
        if kind.create is CreateSafety.NEITHER:
            if adapter.capabilities.public:
                return settle_error(
                    hub,
                    row,
                    Refused(
                        "it is unknown whether the text was published; check the page, then run "
                        "`lockstep failed-writes retry ID` if the text is missing, "
                        "or `lockstep failed-writes discard ID` if it was published"
                    ),
                )
        else:
            hub.budget.admit(row.connection, adapter.capabilities)
            started = hub.clock.now()
            found = adapter.find(mark)
            window = timedelta(seconds=hub.window(row.connection, finding=True))
            decisive = row.last_sent_at is None or started >= row.last_sent_at + window
            if found:
                return settle_found(hub, row, found, started)
            if not decisive and row.last_sent_at is not None:
                return _wait_and_find(hub, row, row.last_sent_at + window)
    if link.kind != INCIDENT and claim.parent is None and adapter.capabilities.kinds["incident"].reads:
        raise RetryLater("the object that it belongs to has not been created yet", 5.0, True)
    hub.budget.admit(row.connection, adapter.capabilities)
    _still_mine(hub, row)
    desired = DesiredObject(link.kind, row.changes, claim.parent, _actor(hub, row), claim.context)
    written = adapter.create(desired, mark)
    return settle_created(hub, row, written, hub.clock.now())


def _wait_and_find(hub: Hub, row: Outbox, decisive: datetime) -> bool:
    """The object was not found, but the vendor may still create it: searches again after a third of the time left
    (at least 1 s), at the latest at `decisive`."""
    with hub.store.unit() as tx:
        mine = outbox_rows.open_for(tx, row.link_id)
        if mine is None or mine.fence != row.fence:
            return False
        pause = max(1.0, (decisive - hub.clock.now()).total_seconds() / 3)
        mine.state, mine.owner, mine.attempts = "unknown", None, mine.attempts - 1
        mine.due_at = min(decisive, hub.clock.now() + timedelta(seconds=pause))
        save(tx, mine)
    return False


def _update(hub: Hub, claim: Claim) -> bool:
    row, link = claim.row, claim.link
    ref = link.ref
    adapter = hub.adapter(row.connection)
    capabilities = adapter.capabilities
    kind = capabilities.kinds[link.kind]
    if ref is None:
        return settle_error(hub, row, Refused("the object has no id at the vendor, so it cannot be edited"))
    changes: Fields = dict(row.changes)
    if row.solo and len(changes) > 1:
        first = sorted(changes)[0]
        changes = {first: changes[first]}
    recorded = any(kind.fields[f].gap is Gap.HISTORY for f in changes if f in kind.fields)
    history = adapter if recorded and isinstance(adapter, Historian) else None
    partial = adapter if link.kind == INCIDENT and not claim.expired and isinstance(adapter, PartialReads) else None
    reading = kind.reads and (1 if partial is not None else capabilities.read_calls)
    hub.budget.admit(row.connection, capabilities, 1 + reading + (history is not None))
    position = link.history
    if history is not None and position is None:
        _, position = history.history(ref, None)
        _begin_history(hub, row, position)
    expected = link.version
    if kind.reads:
        trail: Sequence[Change] = ()
        if claim.expired and history is not None:
            # If an earlier write took effect, the history shows the edits before it. It is read before the object, so
            # that the object as read is never older than the history.
            trail, position = history.history(ref, position)
        started = hub.clock.now()
        seen = partial.read_fields(ref) if partial is not None else adapter.observe(ref)
        if claim.expired or _differs(hub, link, seen):
            return settle_read(hub, row, link, seen, started, hub.clock.now(), trail, position)
        expected = seen.version or expected
    walking = next((f for f in sorted(changes) if f in kind.fields and kind.fields[f].walks), None)
    if walking is not None and isinstance(adapter, Walks):
        if row.steps is None:
            steps = list(adapter.walk(ref, walking, link.shadow.get(walking), changes[walking]))
            if not steps:
                raise Refused(f"no path is known from {link.shadow.get(walking)!r} to {changes[walking]!r}", walking)
            if len(steps) > 1 or len(changes) > 1:
                return start_walk(hub, row, steps)
            row.steps = steps
        # Other fields first, in a write of their own; then one step of the walk.
        others = {f: v for f, v in changes.items() if f != walking}
        changes = others or {walking: row.steps[0]}
    _still_mine(hub, row)
    send = request(changes, link.shadow, kind)
    started = hub.clock.now()
    written = adapter.update(
        ref, UpdateRequest(send, {**claim.desired, **changes}, expected, _actor(hub, row), claim.context)
    )
    ended = hub.clock.now()
    trail = ()
    if history is not None:
        try:
            trail, position = history.history(ref, position)
        except VendorError as e:
            # Edits between our read and our write are not known yet: the object is read again, then its history.
            raise OutcomeUnknown(f"written, but its history could not be read: {e.words}") from e
    return settle_written(hub, row, link, changes, written, trail, position, started, ended)


def _begin_history(hub: Hub, row: Outbox, position: Json) -> None:
    """Commits the position of the object's history before our first write to it: after a crash right after that
    write, edits by others between our read and our write are still found in the history."""
    with hub.store.unit() as tx:
        # Locks in the order of a case. The link may have moved to another incident: its own row is locked too.
        incident_rows.lock(tx, row.incident_id)
        link, mine = link_rows.get_locked(tx, row.link_id), outbox_rows.open_for(tx, row.link_id)
        if mine is not None and link is not None and mine.fence == row.fence and link.history is None:
            link.history = position
            save(tx, link)


def _differs(hub: Hub, link: Link, seen: Observation) -> bool:
    """Whether the object changed since the write was planned: then it must be merged before anything is written."""
    if (
        seen.state != "present"
        or seen.terminal
        or sorted(seen.consequences) != sorted(link.consequences)  # the vendor's own consequence is not overwritten
        or (link.secondary and seen.fields.get("status") != link.shadow.get("status"))
    ):
        return True
    relations = hub.relations(link.connection, link.kind)
    return any(
        name in relations and name not in seen.consequences and link.shadow.get(name) != value
        for name, value in seen.fields.items()
    )


def _still_mine(hub: Hub, row: Outbox) -> None:
    """Raises RetryLater (throttled) if less than a third of the lease is left, or the link ended since the claim. The
    lease must outlast the call that follows: fencing protects our rows, not the vendor."""
    if row.lease_until is None or (row.lease_until - hub.clock.now()).total_seconds() < LEASE / 3:
        raise RetryLater("less than a third of the lease was left for the call", 0.0, True)
    with hub.store.reading() as tx:
        state = link_rows.state_of(tx, row.link_id)
    if state is None or state in TOMBSTONES:  # unlinked by a person since the claim
        raise RetryLater("the link was removed after the write was claimed", 0.0, True)
