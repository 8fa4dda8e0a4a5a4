"""Adoption: decides what becomes of an unmatched object. The first line that fits applies:

the object carries a mark → it belongs to the link with that mark: a create of ours that took effect, or a duplicate
maintenance, closed for good, or older than the connection's activation → never adopted
a create of ours is unsettled in the connection → wait: it may be that object, with its mark not visible yet
exactly one open incident has the dedup key or affects the same services, with a free slot → linked to it
several such incidents → proposed to a person
no such incident → opens one, if policy wants that for this connection
"""

from __future__ import annotations

from datetime import datetime, timedelta

from hub.domain.errors import VendorError
from hub.domain.incident import CLOSED, FIELDS
from hub.domain.values import INCIDENT, Fields, Json, Observation
from hub.domain.vocabulary import UnknownWord
from hub.store import connections as connection_rows
from hub.store import incidents as incident_rows
from hub.store import links as link_rows
from hub.store.records import TOMBSTONES, Incident, Link, Unmatched, save
from hub.store.unit import Tx
from hub.sync.hub import LEFT_OUT_AGAIN, Hub
from hub.sync.inbound.refresh import earliest
from hub.sync.inbound.unmatched import PERHAPS_OURS
from hub.sync.incident.case import Case, case_in, new_case
from hub.sync.incident.commit import announce, finish
from hub.sync.incident.observe import bind, duplicate, merge_adopted
from hub.sync.incident.plan import let_go_of_create
from hub.sync.incident.relink import WRITTEN_TO, bring_copies_back, forget
from hub.sync.limits import breaker

BEING_CREATED = "the hub is creating an object for this incident there; check that object in a minute, then try again"

TRIES = 5
"""Reads of an object that the vendor does not show, before it is ignored."""


def consider(hub: Hub, unmatched_id: str) -> None:
    """Reads one unmatched object, if it is due, and decides about it."""
    now = hub.clock.now()
    with hub.store.reading() as tx:
        unmatched = link_rows.get_unmatched(tx, unmatched_id)
        connection = connection_rows.get(tx, unmatched.connection) if unmatched else None
        linked = link_rows.by_ref(tx, unmatched.connection, unmatched.ref) if unmatched else None
    if unmatched is None or connection is None or unmatched.due_at is None or unmatched.due_at > now:
        return
    if unmatched.connection in hub.left_out:
        _wait(hub, unmatched, LEFT_OUT_AGAIN, hub.left_out[unmatched.connection].what, count=False)
        return
    if unmatched.connection not in hub.adapters or connection.state == "disabled":
        _leave(hub, unmatched, "ignored", "the connection is disabled or not configured")
        return
    if linked is not None:
        with hub.store.unit() as tx:
            if unmatched.reason != PERHAPS_OURS:
                _look(hub, tx, linked)
            link_rows.unmatched_linked(tx, unmatched)
        return
    until = breaker.open_until(connection, now)
    if until is not None:
        _wait(
            hub,
            unmatched,
            (until - now).total_seconds() + hub.ids.chance(),
            "calls to the vendor failed, and the circuit breaker is open",
            count=False,
        )
        return
    adapter = hub.adapter(unmatched.connection)
    try:
        with hub.budget.slot(unmatched.connection, adapter.capabilities):
            hub.budget.admit(unmatched.connection, adapter.capabilities, adapter.capabilities.read_calls)
            started = hub.clock.now()
            seen = adapter.observe(unmatched.ref)
    except VendorError as e:
        breaker.note_failure(hub, unmatched.connection, e)
        _wait(hub, unmatched, breaker.backoff(hub, unmatched.attempts + 1, e), e.words, count=False)
        return
    with hub.store.unit() as tx:
        fresh = link_rows.get_unmatched(tx, unmatched_id)
        if fresh is None or fresh.state != "waiting":
            return
        if fresh.due_at is not None and fresh.due_at > started:
            return  # a newer hint came after the read began: it stays due, and is read again
        case = _decide(hub, tx, fresh, seen)
        save(tx, fresh)
        if case is not None:
            finish(case)
    if case is not None:
        announce(case)


def _wait(hub: Hub, unmatched: Unmatched, seconds: float, reason: str, *, count: bool = True) -> None:
    with hub.store.unit() as tx:
        fresh = link_rows.get_unmatched(tx, unmatched.id)
        if fresh is not None and fresh.state == "waiting":
            fresh.due_at, fresh.reason = hub.clock.now() + timedelta(seconds=seconds), reason
            fresh.attempts += count
            save(tx, fresh)


def _leave(hub: Hub, unmatched: Unmatched, state: str, reason: str) -> None:
    with hub.store.unit() as tx:
        fresh = link_rows.get_unmatched(tx, unmatched.id)
        if fresh is not None:
            _end(fresh, state, reason)
            save(tx, fresh)


def _look(hub: Hub, tx: Tx, link: Link) -> None:
    """Makes a refresh due for the link that an unmatched object has got. The hint about the object may be newer than
    the link, and it does not come again."""
    if link.state not in TOMBSTONES:
        link_rows.hint(tx, link.id, earliest(hub, link, hub.clock.now()))


def _end(unmatched: Unmatched, state: str, reason: str | None) -> None:
    unmatched.state, unmatched.reason, unmatched.due_at = state, reason, None


def _decide(hub: Hub, tx: Tx, unmatched: Unmatched, seen: Observation) -> Case | None:
    """Applies the table at the top of this file. Returns the case that it changed, if any; the caller ends it by
    `finish`."""
    now, name = hub.clock.now(), unmatched.connection
    if seen.state != "present":
        unmatched.attempts += 1
        unmatched.due_at = now + timedelta(seconds=2.0**unmatched.attempts)
        if unmatched.attempts >= TRIES or seen.state == "deleted":
            _end(
                unmatched,
                "ignored",
                "the vendor does not show the object: deleted, or not readable by the hub's account",
            )
        return None
    linked = link_rows.by_ref(tx, name, unmatched.ref)
    if linked is not None:
        _look(hub, tx, linked)
        _end(unmatched, "linked", None)
        return None
    if seen.mark is not None:
        link = link_rows.by_mark(tx, seen.mark)
        if link is not None:
            return _ours(hub, tx, unmatched, link, seen)
    connection = connection_rows.get(tx, name)
    kind = hub.capabilities(name).kinds.get(INCIDENT)
    reason = _never(seen, connection.activated_at if connection else None, kind is not None and kind.adoptable)
    if reason is not None:
        _end(unmatched, "ignored", reason)
        return None
    if link_rows.unsettled_creates(tx, name, INCIDENT):
        unmatched.due_at, unmatched.reason = (
            now + timedelta(seconds=5),
            "the hub is creating an object in this connection, and this may be that object",
        )
        return None
    candidates = _candidates(hub, tx, name, seen)
    if len(candidates) > 1:
        unmatched.candidates = [c.id for c in candidates]
        _end(unmatched, "proposed", "several open incidents affect the same services; a person must choose one")
        return None
    if candidates:
        return link_to(hub, tx, unmatched, candidates[0].id, seen)
    if name not in hub.config.policy.opens:
        _end(unmatched, "ignored", "policy opens no incidents from objects of this connection")
        return None
    return open_for(hub, tx, unmatched, seen)


def _never(seen: Observation, activated_at: datetime | None, adoptable: bool) -> str | None:
    if not adoptable:
        return "objects of this kind are not adopted"
    if seen.type != "incident":
        return f"the object is not an incident but of type {seen.type}"
    if seen.terminal:
        return "the object is closed, and the vendor accepts no further change to it"
    if activated_at is None or (seen.created_at is not None and seen.created_at < activated_at):
        return "the object is older than the connection's activation"
    return None


def _ours(hub: Hub, tx: Tx, unmatched: Unmatched, link: Link, seen: Observation) -> Case | None:
    """The object carries the mark of `link`: binds it to that link, or records it as a duplicate of the link's
    object."""
    case = case_in(hub, tx, link.incident_id)
    if case is None:
        return None
    mine = case.links[link.id]
    if mine.remote_id is None and mine.state not in TOMBSTONES:
        bind(case, mine, seen, case.now)
    elif mine.remote_id is None:
        unmatched.due_at = case.now + timedelta(seconds=60)
        _end(unmatched, "ignored", "the hub created the object, but its link has ended since")
        return case
    else:
        duplicate(case, mine, seen, case.now)
    _end(unmatched, "linked", "the object carries the hub's mark")
    return case


def ours_from(hub: Hub, connection: str, theirs: Fields) -> dict[str, Json]:
    """A vendor object's fields in the hub's vocabulary. A field whose value is not mapped is left out, so it keeps its
    default (and is frozen on the link)."""
    specs, out = FIELDS[INCIDENT], {}
    for name, relation in hub.relations(connection, INCIDENT).items():
        if name not in specs or name not in theirs:
            continue
        try:
            out[name] = relation.backward(specs[name].default, theirs[name])
        except UnknownWord:
            continue
    return out


def _candidates(hub: Hub, tx: Tx, connection: str, seen: Observation) -> list[Incident]:
    if seen.dedup_key:
        same = incident_rows.by_dedup_key(tx, seen.dedup_key, open_only=True)
        if same is not None and _free(tx, same, connection):
            return [same]
    services = set(ours_from(hub, connection, seen.fields).get("services") or ())
    if not services:
        return []
    return [
        incident for incident in incident_rows.open_without_link(tx, connection)
        if services & set(incident.fields.get("services") or ())
    ]  # fmt: skip


def _free(tx: Tx, incident: Incident, connection: str) -> bool:
    return (connection, INCIDENT, "primary") not in incident_rows.slots_of(tx, incident.id)


def link_to(hub: Hub, tx: Tx, unmatched: Unmatched, incident_id: str, seen: Observation) -> Case | None:
    """Links the unmatched object to the incident and merges its fields as edits of unknown age. None if that is not
    possible; `unmatched.reason` then holds the reason, unless there is no such incident."""
    case = case_in(hub, tx, incident_id)
    if case is None:
        return None
    if case.incident.merged_into is not None:
        unmatched.reason = f"{case.incident.name} was merged into another incident; link it to that one"
        return None
    link = case.incident_link(unmatched.connection)
    if link is not None and link.remote_id is not None and link.state not in TOMBSTONES:
        unmatched.reason = f"{case.incident.name} is linked to {link.remote_id} there already; unlink that first"
        return None
    if link is not None and not let_go_of_create(case, link):
        unmatched.reason = BEING_CREATED
        return None
    if link is not None and link.state in TOMBSTONES:  # a person links another object instead
        if not forget(case, link):
            unmatched.reason = WRITTEN_TO
            return None
        bring_copies_back(case, link, same=False)
    link = _new_link(case, unmatched, seen)
    case.record("adopted", unmatched.connection, link=link.id, id=unmatched.remote_id)
    merge_adopted(case, link, seen)
    _end(unmatched, "linked", None)
    return case


def open_for(hub: Hub, tx: Tx, unmatched: Unmatched, seen: Observation) -> Case | None:
    """Opens an incident from the unmatched object. None if the object is resolved or cancelled; it is then ignored."""
    fields = ours_from(hub, unmatched.connection, seen.fields)
    if fields.get("status") in CLOSED:
        _end(unmatched, "ignored", "the object is resolved or cancelled already")
        return None
    key = seen.dedup_key
    if key and incident_rows.by_dedup_key(tx, key, open_only=True) is not None:
        key = None  # the open incident with this key has another object here; a person may merge the two
    actor = seen.actor.name if seen.actor else None
    case = new_case(hub, tx, fields, dedup_key=key, source=unmatched.connection, actor=actor)
    link = _new_link(case, unmatched, seen)
    case.record("adopted", unmatched.connection, link=link.id, id=unmatched.remote_id)
    merge_adopted(case, link, seen)  # also freezes and journals a value that is not mapped
    _end(unmatched, "opened", None)
    return case


def _new_link(case: Case, unmatched: Unmatched, seen: Observation) -> Link:
    link = case.incident_link(unmatched.connection) or case.new_link(unmatched.connection, INCIDENT, "primary")
    link.state, link.reason = "live", None
    link.remote_kind, link.remote_id = unmatched.remote_kind, unmatched.remote_id
    link.remote_parent, link.url, link.version = unmatched.remote_parent, seen.url, seen.version
    link.shadow, link.consequences, link.terminal = dict(seen.fields), sorted(seen.consequences), seen.terminal
    link.rev, link.seen_at = link.rev + 1, case.now
    return link
