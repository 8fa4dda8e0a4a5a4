"""Links: list, show, approve, unlink, relink, review, refresh."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hub.domain.incident import FIELDS
from hub.domain.policy import SLOT, SLOT_WORDS
from hub.domain.values import INCIDENT, Json, Ref
from hub.ports import KnowsIds
from hub.services import checks, serialize
from hub.services.errors import Conflict, Invalid, NotFound
from hub.store import incidents as incident_rows
from hub.store import links as link_rows
from hub.store.records import TOMBSTONES, Link
from hub.sync.hub import Hub
from hub.sync.inbound.adopt import BEING_CREATED
from hub.sync.incident.case import Case
from hub.sync.incident.commit import open_case
from hub.sync.incident.plan import draft, withdraw_create
from hub.sync.incident.relink import WITH_ITS_INCIDENT, WRITTEN_TO, forget, mark_unknown_again, relink_copies

HERE = "hub"

STATES = ("pending", "live", "held", "frozen", "unreachable", "gone", "unlinked")


@contextmanager
def _link(hub: Hub, link_id: str) -> Iterator[tuple[Case, Link]]:
    with hub.store.reading() as tx:
        link = link_rows.get(tx, link_id) if checks.storable(link_id) else None
    if link is None:
        raise NotFound(f"there is no link {link_id!r}; `lockstep link list` shows all of them")
    with open_case(hub, link.incident_id) as case:
        if case is None or link_id not in case.links:
            raise NotFound(f"there is no link {link_id!r}; `lockstep link list` shows all of them")
        yield case, case.links[link_id]


def list_links(
    hub: Hub, ref: str | None = None, state: str | None = None, limit: int = 50, before: str | None = None
) -> dict[str, Json]:
    """Links, newest first: all, or those of one incident or in one state. before: the `next` of the page before."""
    if state is not None:
        checks.one_of("state", state, STATES)
    size = checks.page_size(limit)
    with hub.store.reading() as tx:
        incident_id = checks.incident(tx, ref).id if ref is not None else None
        rows = link_rows.page(tx, incident_id, state, size, checks.cursor(tx, before, link_rows.get))
    now = hub.clock.now()
    return serialize.page([serialize.link(r, now) for r in rows], size)


def show_link(hub: Hub, link_id: str) -> dict[str, Json]:
    """One link; a held one with its draft and the hash that an approval is bound to."""
    with hub.store.reading() as tx:
        link = link_rows.get(tx, link_id) if checks.storable(link_id) else None
    if link is None:
        raise NotFound(f"there is no link {link_id!r}; `lockstep link list` shows all of them")
    plan = link.plan or {}
    content = plan.get("draft") or plan.get("waiting")
    return {**serialize.link(link, hub.clock.now()), "draft": content, "content_hash": plan.get("hash")}


def approve_link(hub: Hub, link_id: str, digest: str, *, actor: str) -> dict[str, Json]:
    """Approves exactly the content with this hash: a first publication, or changed public words. Raises Conflict if the
    content has changed since it was shown."""
    with _link(hub, link_id) as (case, link):
        now: str | None
        if link.state == "held":
            if link.kind == INCIDENT and link.connection in hub.adapters:
                _, now, _ = draft(case, link)
            else:
                now = (link.plan or {}).get("hash")
        elif link.plan and "waiting" in link.plan:
            now = link.plan["hash"]
        else:
            raise Conflict(f"the link {link.id} has no draft that waits for an approval")
        if now != digest:
            raise Conflict(
                f"the draft was changed since it was read; read it again with `lockstep link show {link.id}` and approve its new hash"
            )
        if link.state == "held":
            link.state, link.reason = "pending", None
        link.approved_hash, link.approved_by = digest, actor
        case.record("approved", HERE, link=link.id, hash=digest, actor=actor)
    return show_link(hub, link_id)


def unlink(hub: Hub, link_id: str, *, actor: str) -> dict[str, Json]:
    """Ends the link: the object is neither read nor written from now on, and neither policy nor adoption links it
    again."""
    with _link(hub, link_id) as (case, link):
        if link.state in TOMBSTONES:
            raise Conflict(f"the link {link.id} is {link.state} already")
        link.state, link.reason, link.refresh_due, link.plan = "unlinked", f"unlinked by {actor}", None, None
        case.record("unlinked", HERE, link=link.id, actor=actor)
        for child in case.children(link):
            if child.state not in TOMBSTONES:
                child.state, child.reason = "unlinked", WITH_ITS_INCIDENT
    return show_link(hub, link_id)


def relink(hub: Hub, ref: str, connection: str, slot: str, remote_id: str, *, actor: str) -> dict[str, Json]:
    """Links an existing remote object to an incident, for a person; an unlinked link becomes live again. The object is
    read before anything is written to it. Raises NotFound, Invalid or Conflict."""
    if connection in hub.left_out:
        raise Conflict(f"connection {connection!r} is left out: {hub.left_out[connection]}")
    if connection not in hub.adapters:
        raise NotFound(f"there is no connection {connection!r}; `lockstep connections list` shows all of them")
    name, place = checks.text("remote_id", remote_id, 300), checks.text("slot", slot, 60)
    adapter = hub.adapters[connection]
    fault = adapter.no_id(name) if isinstance(adapter, KnowsIds) else None
    if fault is not None:
        raise Invalid("remote_id", fault)
    with hub.store.reading() as tx:
        row = checks.incident(tx, ref)
        other = link_rows.by_ref(tx, connection, Ref(INCIDENT, name))
    if other is not None and other.incident_id != row.id:
        raise Conflict(
            f"{name} is linked to another incident: unlink it there (`lockstep link unlink {other.id}`), or merge the two incidents"
        )
    with open_case(hub, row.id) as case:
        if case is None:
            raise NotFound(f"there is no incident {ref!r}")
        if case.incident.merged_into is not None:
            raise Conflict(f"{case.incident.name} was merged into another incident; link {name} to that one")
        link = case.incident_link(connection, place)
        if link is None and not SLOT.fullmatch(place):
            raise Invalid("slot", SLOT_WORDS)
        if link is not None and link.state not in TOMBSTONES and link.remote_id not in (None, name):
            raise Conflict(
                f"the slot {place!r} is linked to {link.remote_id} already; run `lockstep link unlink {link.id}` first"
            )
        if other is not None and (link is None or other.id != link.id):
            raise Conflict(f"{name} is linked to this incident already, in slot {other.slot!r}")
        if link is None:
            link = case.new_link(connection, INCIDENT, place)
        if not withdraw_create(case, link):
            raise Conflict(BEING_CREATED)
        same = link.remote_id == name
        if not same and not forget(case, link):
            raise Conflict(WRITTEN_TO)
        relink_copies(case, link, same=same)
        if same:
            mark_unknown_again(case, link)
        link.state, link.reason, link.remote_kind, link.remote_id = "live", None, INCIDENT, name
        link.remote_parent, link.refresh_due, link.refresh_whole, link.rev = "", case.now, True, link.rev + 1
        case.record("relinked", HERE, link=link.id, id=name, actor=actor)
        case.wake("refresh", link.id)
    return show_link(hub, link.id)


def review_field(hub: Hub, link_id: str, field: str, decision: str, *, actor: str) -> dict[str, Json]:
    """Decides a held field: "take" the vendor's value for all systems, or "keep" ours and write it back."""
    if decision not in ("take", "keep"):
        raise Invalid("decision", 'must be "take" or "keep"')
    with _link(hub, link_id) as (case, link):
        held = link.held.get(field)
        if held is None:
            raise Conflict(f"the field {field!r} of the link {link.id} is not held: there is nothing to decide")
        link.held = {k: v for k, v in link.held.items() if k != field}
        case.record(
            "reviewed", HERE, link=link.id, field=field, decision=decision, actor=actor, value=held.get("value")
        )
        if decision == "take" and field in FIELDS[INCIDENT]:
            case.edit({field: held["value"]}, HERE, actor, rule="review")
    return show_link(hub, link_id)


def refresh_link(hub: Hub, link_id: str) -> dict[str, Json]:
    """Makes a refresh of the link due now, without waiting for a webhook or a poll. Raises NotFound."""
    with hub.store.unit() as tx:
        link = link_rows.get(tx, link_id) if checks.storable(link_id) else None
        if link is None:
            raise NotFound(f"there is no link {link_id!r}; `lockstep link list` shows all of them")
        link_rows.hint(tx, link.id, hub.clock.now())
    hub.wake.wake("refresh", link_id)
    return show_link(hub, link_id)


def drafts(hub: Hub, ref: str) -> list[dict[str, Json]]:
    """The links of an incident that wait for an approval."""
    with hub.store.reading() as tx:
        row = checks.incident(tx, ref)
        links = incident_rows.links_of(tx, row.id).values()
    return [show_link(hub, k.id) for k in links if k.plan and "hash" in k.plan]
