"""Unmatched objects: objects that people created at vendors, and what a person decides about each of them.

The hub decides by the rules of `hub.sync.inbound.adopt`. A person may overrule the rules of caution and policy: several
open incidents fit, none does, the object is older than the connection's activation, or the hub has ignored it. The
following rules hold for a person too: without them one object could be linked twice, or a second one created.

| the object | then |
|---|---|
| is linked, or was | Conflict: `lockstep link relink` brings it back |
| carries the mark of one of our links | Conflict: it belongs to that link |
| may be one that the hub is creating there at this moment | Conflict: repeat when the create is settled |
| is planned maintenance | Conflict: incidents are not written to it |
| is not shown to the hub's account | Conflict |

Each decision is made once: the second one is a Conflict that says what was decided.
"""

from __future__ import annotations

from hub.domain.errors import VendorError
from hub.domain.values import INCIDENT, Json, Observation
from hub.services import checks, serialize
from hub.services.errors import Conflict, NotFound
from hub.store import connections as connection_rows
from hub.store import incidents as incident_rows
from hub.store import links as link_rows
from hub.store.records import Incident, Link, Unmatched, save
from hub.store.unit import Tx
from hub.sync.hub import Hub
from hub.sync.inbound.adopt import link_to, open_for
from hub.sync.incident.commit import announce, finish

HERE = "hub"

STATES = ("waiting", "linked", "opened", "proposed", "ignored")


def list_unmatched(hub: Hub, state: str | None = None, limit: int = 50, before: str | None = None) -> dict[str, Json]:
    """Newest first. before: the `next` of the page before."""
    if state is not None:
        checks.one_of("state", state, STATES)
    size = checks.page_size(limit)
    with hub.store.reading() as tx:
        rows = link_rows.unmatched_page(tx, state, size, checks.cursor(tx, before, link_rows.get_unmatched))
    return serialize.page([serialize.unmatched(r) for r in rows], size)


def link_unmatched(hub: Hub, unmatched_id: str, incident: str, *, actor: str) -> dict[str, Json]:
    """Links the object to an incident ("INC-12", "12" or its id). Raises NotFound or Conflict."""
    with hub.store.reading() as tx:
        _undecided(tx, unmatched_id)
        target = checks.incident(tx, incident)
    return _adopt(hub, unmatched_id, target, actor)


def open_unmatched(hub: Hub, unmatched_id: str, *, actor: str) -> dict[str, Json]:
    """Opens a new incident from the object. Raises NotFound or Conflict."""
    return _adopt(hub, unmatched_id, None, actor)


def ignore_unmatched(hub: Hub, unmatched_id: str, *, actor: str) -> dict[str, Json]:
    """Ignores the object. No incident's journal can record this, so it is recorded with the connection's changes of
    state. Raises NotFound or Conflict."""
    now = hub.clock.now()
    with hub.store.unit() as tx:
        row = _undecided(tx, unmatched_id, lock=True)
        if row.state == "ignored":
            raise Conflict(f"the unmatched object {unmatched_id} is ignored already: {row.reason or 'no reason given'}")
        row.state, row.due_at, row.reason = "ignored", None, f"ignored by {actor}"
        save(tx, row)
        connection_rows.note_switch(tx, row.connection, f"ignored unmatched object {row.remote_id}", actor, now)
    return serialize.unmatched(row)


def _undecided(tx: Tx, unmatched_id: str, *, lock: bool = False) -> Unmatched:
    """The unmatched object, if it was neither linked nor opened. lock: locks its row until the end of the transaction;
    only after the lock of an incident. Raises NotFound, or Conflict that names the incident to which the object
    belongs."""
    if not checks.storable(unmatched_id):
        raise _missing(unmatched_id)
    if lock:
        link_rows.lock_unmatched(tx, unmatched_id)
    row = link_rows.get_unmatched(tx, unmatched_id)
    if row is None:
        raise _missing(unmatched_id)
    if row.state in ("linked", "opened"):
        link = link_rows.by_ref(tx, row.connection, row.ref)
        what = "linked to" if row.state == "linked" else "opened as"
        whose = f" {what} {_owner(tx, link)}" if link is not None else f" {row.state}"
        raise Conflict(f"the unmatched object {unmatched_id} is{whose} already")
    return row


def _missing(unmatched_id: str) -> NotFound:
    return NotFound(f"there is no unmatched object {unmatched_id!r}; `lockstep unmatched list` shows all of them")


def _owner(tx: Tx, link: Link) -> str:
    """The name of a link's incident."""
    incident = incident_rows.get(tx, link.incident_id)
    return incident.name if incident is not None else link.incident_id


def _adopt(hub: Hub, unmatched_id: str, target: Incident | None, actor: str) -> dict[str, Json]:
    """Reads the object and links it to `target`, or to a new incident if None. Raises NotFound or Conflict."""
    with hub.store.reading() as tx:
        row = _undecided(tx, unmatched_id)
        connection = connection_rows.get(tx, row.connection)
    if row.connection in hub.left_out:
        raise Conflict(f"connection {row.connection!r} is left out: {hub.left_out[row.connection]}")
    if row.connection not in hub.adapters:
        raise Conflict(f"{row.connection} is not in lockstep.toml any more; add it again, or ignore the object")
    if connection is None or connection.state == "disabled":
        raise Conflict(f"{row.connection} is disabled; run `lockstep connections observe {row.connection}` first")
    seen = _observe(hub, row)
    with hub.store.unit() as tx:
        mine = _undecided(tx, unmatched_id)
        _may_be_adopted(tx, mine, seen)
        case = open_for(hub, tx, mine, seen) if target is None else link_to(hub, tx, mine, target.id, seen)
        if case is None:
            raise Conflict(mine.reason or f"{row.remote_id} in {row.connection} cannot be linked")
        _undecided(tx, unmatched_id, lock=True)
        link = next(k for k in case.links.values() if (k.connection, k.remote_id) == (mine.connection, mine.remote_id))
        done = "unmatched_opened" if target is None else "unmatched_linked"
        case.record(done, HERE, link=link.id, unmatched=mine.id, id=mine.remote_id, actor=actor)
        save(tx, mine)
        finish(case)
    announce(case)
    return serialize.unmatched(mine)


def _observe(hub: Hub, row: Unmatched) -> Observation:
    """The object as the vendor shows it now. Raises Conflict."""
    where = f"{row.remote_id} in {row.connection}"
    try:
        seen = hub.adapter(row.connection).observe(row.ref)
    except VendorError as e:
        raise Conflict(f"{where} could not be read: {e.words}; correct that, then run the command again") from e
    if seen.state != "present":
        raise Conflict(f"the vendor does not show {where}: it was deleted, or the hub's account may not see it")
    if seen.type == "maintenance":
        raise Conflict(f"{where} is planned maintenance; the hub links and opens incidents only")
    return seen


def _may_be_adopted(tx: Tx, row: Unmatched, seen: Observation) -> None:
    """Raises Conflict if the object belongs to a link, or may be the object of an unsettled create."""
    where = f"{row.remote_id} in {row.connection}"
    linked = link_rows.by_ref(tx, row.connection, row.ref)
    if linked is not None:
        remedy = f"; bring it back with `lockstep link relink {_owner(tx, linked)} {row.connection} {linked.slot} {row.remote_id}`"
        gone = linked.state in ("gone", "unlinked")
        raise Conflict(f"{where} belongs to a link of {_owner(tx, linked)} ({linked.state}){remedy if gone else ''}")
    marked = link_rows.by_mark(tx, seen.mark) if seen.mark is not None else None
    if marked is not None:
        raise Conflict(
            f"{where} was created by the hub for {_owner(tx, marked)}: the hub binds it to that link, or closes it as a duplicate"
        )
    if link_rows.create_in_doubt(tx, row.connection, INCIDENT):
        raise Conflict(
            f"the hub is creating an object in {row.connection}, and {row.remote_id} may be that one; run the command again in a minute"
        )
