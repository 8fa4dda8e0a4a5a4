"""Plans what must be written for a whole incident: links by policy, copies of comments and updates, and for every link
the intention that would bring its object in step. Runs at the end of every case, in its transaction; calls no
vendor."""

from __future__ import annotations

from datetime import timedelta

from hub.domain.capability import Capabilities
from hub.domain.incident import CLOSED, PUBLIC, Provenance
from hub.domain.plan import Planned, Shown, creation, plan
from hub.domain.policy import POLICY, content_hash, wanted_links
from hub.domain.values import COMMENT, INCIDENT, Fields, Json
from hub.store import incidents as incident_rows
from hub.store.records import TOMBSTONES, Comment, Item, Link, Outbox, UpdateItem
from hub.sync.hub import LEFT_OUT_AGAIN, SPACING
from hub.sync.incident.case import Case

DELETED_TEXT = "(deleted by its author)"
"""The text of a deleted comment's copy, where the vendor allows edits but no deletion."""

POST_AGAIN = ("status", "severity", "title")
"""A post-only link is posted again when one of these changes."""


def plan_case(case: Case) -> None:
    """Plans everything that follows from the present state of the case."""
    if case.incident.merged_into is None:
        _policy_rules(case)
        _wanted_links(case)
        _copies(case)
    for link in list(case.links.values()):
        if link.connection in case.hub.adapters:
            _plan_link(case, link)
    if _lacks_a_plan(case):
        case.incident.plan_due = case.now + timedelta(seconds=LEFT_OUT_AGAIN)


def _lacks_a_plan(case: Case) -> bool:
    """Whether a link, present or wanted, belongs to a connection that is left out in this process: it is planned
    later."""
    left_out = case.hub.left_out
    if not left_out or case.incident.merged_into is not None:
        return False
    wanted = {r.connection for r in wanted_links(case.incident.fields, case.hub.config.policy.links)}
    linked = {k.connection for k in case.links.values() if k.state not in TOMBSTONES and not k.terminal}
    missing = wanted - {k.connection for k in case.links.values()} if case.incident.open else set()
    return bool((linked | missing) & left_out.keys())


# --- policy ---------------------------------------------------------------------------------------------------------


def _policy_rules(case: Case) -> None:
    """Sets the public impact of each service from the severity, until a person sets it. When the incident has ended,
    every impact is "operational"."""
    fields, policy = case.incident.fields, case.hub.config.policy
    public = any(case.hub.capabilities(r.connection).public for r in policy.links if r.connection in case.hub.adapters)
    if not public:
        return
    proofs = incident_rows.provenance_in(case.incident.provenance)
    impacts = dict(fields.get("impacts") or {})
    closed = fields.get("status") in CLOSED
    for service in sorted(set(fields.get("services") or ()) | set(impacts)):
        proof: Provenance | None = proofs.get(f"impacts/{service}")
        if closed:
            impacts[service] = "operational"
        elif proof is None or proof.source == POLICY:
            impacts[service] = (
                policy.impact_of.get(str(fields.get("severity")), "degraded")
                if service in (fields.get("services") or ())
                else "operational"
            )
    if impacts != (fields.get("impacts") or {}):
        case.edit({"impacts": impacts}, POLICY, None, rule="impact_of")


def _wanted_links(case: Case) -> None:
    for rule in wanted_links(case.incident.fields, case.hub.config.policy.links):
        if rule.connection not in case.hub.adapters or case.incident_link(rule.connection, rule.slot) is not None:
            continue
        if _left_behind(case, rule.connection):
            continue
        if case.hub.capabilities(rule.connection).public and not case.incident.fields.get("public_title"):
            _draft_public_words(case)
        link = case.new_link(rule.connection, INCIDENT, rule.slot, state="held" if rule.hold else "pending")
        if not rule.hold:
            link.approved_by = POLICY
        case.record("link", POLICY, link=link.id, connection=rule.connection, slot=rule.slot, state=link.state)


def _left_behind(case: Case, connection: str) -> bool:
    """Whether a connection of the same vendor that is no longer configured shows the incident. `connection` may be the
    same one under a new name and would then create a second object. `hub.services.attention` reports it to people."""
    known = case.hub.config.connections
    return any(
        link.kind == INCIDENT and link.state not in TOMBSTONES and link.remote_id is not None and not link.secondary
        and link.connection not in known and case.connections[link.connection].vendor == known[connection].vendor
        for link in case.links.values()
    )  # fmt: skip


def _draft_public_words(case: Case) -> None:
    """Sets the public title and text from templates and public service names, never from internal fields."""
    public, names = case.hub.config.policy.public, case.hub.config.services
    services = [names.get(s, s) for s in case.incident.fields.get("services") or ()]
    words = {"services": ", ".join(services) or "our services"}
    case.edit(
        {"public_title": public.title.format(**words), "public_text": public.text.format(**words)},
        POLICY, None, rule="template",
    )  # fmt: skip


def _copies(case: Case) -> None:
    """Makes a link for each comment and update in each system that shows the incident, can show it, and has the
    audience for which it was written."""
    if not case.hub.config.policy.comments:
        return
    homes = [
        k for k in case.links.values()
        if k.kind == INCIDENT and k.state in ("live", "frozen") and not k.secondary and k.connection in case.hub.adapters
        and (k.remote_id is not None or k.state == "live")
    ]  # fmt: skip
    have = {(k.connection, k.item_id) for k in case.links.values() if k.item_id}
    for item in case.items.values():
        if not _may_be_copied(item):
            continue
        for home in homes:
            if (home.connection, item.id) in have or (home.terminal and home.remote_id is not None):
                continue
            if case.connections[home.connection].state != "enabled":
                continue
            capabilities = case.hub.capabilities(home.connection)
            if not _meant_for(item, capabilities):
                continue
            kinds = capabilities.kinds
            kind = next((k for k in (item.kind, COMMENT) if k in kinds and kinds[k].create is not None), None)
            if kind is not None:
                case.new_link(home.connection, kind, item.id, item_id=item.id, parent_id=home.id)


def _may_be_copied(item: Item) -> bool:
    if item.fields.get("deleted") or not str(item.fields.get("text") or "").strip():
        return False
    if isinstance(item, Comment):
        return not item.restricted
    return isinstance(item, UpdateItem) and item.state == "approved"


def _meant_for(item: Item, capabilities: Capabilities) -> bool:
    """A public connection shows only updates written for customers; an internal one may show everything."""
    return not capabilities.public or (isinstance(item, UpdateItem) and item.audience == PUBLIC)


# --- one link -------------------------------------------------------------------------------------------------------


def _plan_link(case: Case, link: Link) -> None:
    state = case.connections[link.connection].state if link.connection in case.connections else "disabled"
    if link.state in TOMBSTONES or link.state == "unreachable" or state == "disabled":
        _withdraw(case, link)
        return
    kind = case.hub.capabilities(link.connection).kinds.get(link.kind)
    if kind is None:
        return
    born = link.state == "live" or (link.state == "frozen" and link.remote_id is not None)
    if not born:
        _plan_create(case, link, observe_only=state == "observe")
        return
    if link.remote_id is None:
        _plan_repost(case, link, observe_only=state == "observe")
        return
    if link.terminal:
        _withdraw(case, link)
        return
    _release_holds(case, link)
    planned = _planned(case, link)
    changes = planned.changes
    link.notes = dict(planned.notes)
    if planned.waiting:
        changes = _approval(case, link, planned)
    elif link.plan is not None and "waiting" in link.plan:
        link.plan = None
    if state == "observe":
        link.plan = {"changes": changes} if changes else None
        return
    _intend(case, link, "update", changes)


def _release_holds(case: Case, link: Link) -> None:
    """Ends the hold of each field whose value at the vendor now agrees with ours: nothing is left to decide."""
    if link.held:
        relations, (_, fields) = case.hub.relations(link.connection, link.kind), case.fields_of(link)
        link.held = {f: h for f, h in link.held.items() if not relations[f].fits(fields.get(f), link.shadow.get(f))}


def _planned(case: Case, link: Link) -> Planned:
    """The changes that would bring the link's object in step."""
    hub = case.hub
    capabilities = hub.capabilities(link.connection)
    kind, relations = capabilities.kinds[link.kind], hub.relations(link.connection, link.kind)
    item_kind, fields = case.fields_of(link)
    if link.kind != INCIDENT and (link.duplicate or fields.get("deleted")):
        if kind.deletes:
            already = link.shadow.get("deleted") is True
            return Planned({} if already else {"deleted": True}, {}, {})
        if capabilities.public or link.duplicate:
            return Planned({}, {}, {"text": "the hub cannot delete it at this vendor; delete it there by hand"})
        fields = {**fields, "text": DELETED_TEXT}
    if not kind.edits:
        return Planned({}, {}, _cannot_edit(case, link, item_kind, fields))
    only, wanted = None, dict(fields)
    if link.secondary:
        only = frozenset({"status"})
        if link.duplicate:
            wanted["status"] = "resolved"
        elif fields.get("status") not in CLOSED:
            return Planned({}, {}, {})  # a merged ticket is only closed, with the incident
    free = None
    if capabilities.public and link.approved_by != POLICY and link.kind == INCIDENT:
        free = hub.config.policy.public.free
    shown = Shown(
        link.shadow, link.held, link.frozen, link.refused, frozenset(link.consequences), only, free
    )  # fmt: skip
    return plan(wanted, shown, kind, relations)


def _cannot_edit(case: Case, link: Link, item_kind: str, fields: Fields) -> dict[str, str]:
    """Where a copy cannot be edited, a changed text is posted again, as a correction. Returns notes for the link."""
    relation = case.hub.relations(link.connection, link.kind).get("text")
    if link.kind == INCIDENT or relation is None or relation.fits(fields.get("text"), link.shadow.get("text")):
        return {}
    if case.connections[link.connection].state != "enabled":
        return {"text": "the hub cannot edit it at this vendor"}
    item = case.items[str(link.item_id)]
    slot = f"{item.id}~{item.rev}"
    if not any((k.connection, k.slot) == (link.connection, slot) for k in case.links.values()):
        link.state, link.reason = "unlinked", "superseded by a correction"
        correction = case.new_link(
            link.connection, link.kind, slot, item_id=item.id, parent_id=link.parent_id, notes={"correction": link.id}
        )
        _plan_link(case, correction)
    return {}


def _approval(case: Case, link: Link, planned: Planned) -> dict[str, Json]:
    """The changes that may be written now. Public words wait for a person's approval, which is bound to the content's
    hash."""
    digest = content_hash(planned.waiting)
    if link.approved_hash == digest:
        link.plan = None
        return {**planned.changes, **planned.waiting}
    if not (link.plan and link.plan.get("hash") == digest):
        link.plan = {"waiting": planned.waiting, "hash": digest}
        case.record("held", POLICY, link=link.id, fields=sorted(planned.waiting), hash=digest)
    return planned.changes


def draft(case: Case, link: Link) -> tuple[dict[str, Json], str, dict[str, str]]:
    """(what the object will be created with, the hash that an approval is bound to, notes). The status is not part of
    the hash: it changes without a person, and the authority rules guard it."""
    hub = case.hub
    kind = hub.capabilities(link.connection).kinds[link.kind]
    _, fields = case.fields_of(link)
    content, notes = creation(fields, kind, hub.relations(link.connection, link.kind))
    return content, content_hash({k: v for k, v in content.items() if k != "status"}), notes


def _plan_create(case: Case, link: Link, *, observe_only: bool) -> None:
    """A link without an object yet: pending, or held until it is approved."""
    if case.incident.merged_into is not None and link.kind == INCIDENT:
        _withdraw(case, link)
        return
    if link.state == "frozen":  # its create was refused; `lockstep failed-writes retry` makes it pending again
        return
    parent = case.links.get(str(link.parent_id))
    if parent is not None and parent.state in TOMBSTONES:  # it cannot be created until the parent is linked again
        _withdraw(case, link)
        return
    if parent is not None and parent.remote_id is not None and not parent.shadow and _reads(case, parent):
        _withdraw(case, link)  # a person linked the parent, and it was not read yet: it may be the wrong object
        return
    content, digest, notes = draft(case, link)
    row = case.outbox.get(link.id)
    approvable = link.kind == INCIDENT and link.approved_by != POLICY and case.hub.capabilities(link.connection).public
    unsent = row is None or row.first_sent_at is None
    if approvable and unsent and link.state != "held" and link.approved_hash != digest:
        link.state, link.reason = "held", "the content changed after it was approved"
        case.record("held", POLICY, link=link.id, hash=digest)
        _withdraw(case, link)
    if _too_late(case, link):
        if link.kind == INCIDENT and not (link.state == "held" and case.hub.config.policy.public.withdraw_when_closed):
            return
        link.state, link.reason = (
            "unlinked",
            "withdrawn: the incident ended, or the text was deleted, before it was written",
        )
        case.record("withdrawn", POLICY, link=link.id)
        _withdraw(case, link)
        return
    link.notes = {**({"correction": link.notes["correction"]} if "correction" in link.notes else {}), **notes}
    if link.state == "held":
        shown = {"draft": content, "hash": digest}
        if link.plan != shown:
            link.plan = shown
        _withdraw(case, link)
        return
    link.plan = {"draft": content} if observe_only else None
    if not observe_only:
        _intend(case, link, "create", content)


def _too_late(case: Case, link: Link) -> bool:
    """Whether nothing needs to be created any more: the incident has ended and no create is open, or the item was
    deleted and no create was sent."""
    row = case.outbox.get(link.id)
    if link.kind == INCIDENT:
        return row is None and case.incident.fields.get("status") in CLOSED
    item = case.items.get(str(link.item_id))
    return (row is None or row.first_sent_at is None) and item is not None and bool(item.fields.get("deleted"))


def _reads(case: Case, link: Link) -> bool:
    return case.hub.capabilities(link.connection).kinds[link.kind].reads


def _plan_repost(case: Case, link: Link, *, observe_only: bool) -> None:
    """An object without an id at the vendor cannot be edited: it is posted again when a field of `POST_AGAIN` has
    changed."""
    if link.kind != INCIDENT or observe_only:
        return
    content, _, _ = draft(case, link)
    changed = [f for f in POST_AGAIN if f in content and content[f] != link.shadow.get(f)]
    _intend(case, link, "create", content if changed else {})


# --- intentions -----------------------------------------------------------------------------------------------------


def withdraw_create(case: Case, link: Link) -> bool:
    """Withdraws the open create of a link to which a person links an existing object. False if a worker has claimed the
    create. (If a create of unknown outcome took effect, its object carries the link's mark, and is closed as a
    duplicate.)"""
    row = case.outbox.get(link.id)
    if row is not None and row.op == "create":
        if row.state == "claimed":
            return False
        end(case, row, "withdrawn")
    return True


def _withdraw(case: Case, link: Link) -> None:
    row = case.outbox.get(link.id)
    link.behind_since = None
    if row is not None and row.state == "due" and row.first_sent_at is None:
        end(case, row, "withdrawn")


def end(case: Case, row: Outbox, state: str) -> None:
    """Closes an open intention without sending anything."""
    row.state, row.due_at, row.settled_at = state, None, case.now
    link = case.links.get(row.link_id)
    if link is not None and link.state == "live" and not link.refused:
        link.reason = None  # why it was not written no longer matters
    case.settled.append(row)
    del case.outbox[row.link_id]


def _intend(case: Case, link: Link, op: str, changes: dict[str, Json]) -> None:
    """Creates, updates or withdraws the link's one open intention."""
    row = case.outbox.get(link.id)
    if not changes:
        link.behind_since = None
        if row is not None and row.state == "due" and not (row.op == "create" and row.first_sent_at):
            end(case, row, "withdrawn")
        return
    link.behind_since = link.behind_since or case.now
    if row is None:
        due = case.now
        if link.written_at is not None and op == "update":
            due = max(due, link.written_at + timedelta(seconds=SPACING))
        row = Outbox(
            id=case.hub.ids.new(), link_id=link.id, incident_id=case.incident.id, connection=link.connection, op=op,
            changes=changes, base_rev=link.rev, created_at=case.now, due_at=due,
        )  # fmt: skip
        case.outbox[link.id] = row
    elif row.state == "due":
        if row.steps and (row.base_rev != link.rev or row.steps[-1] != changes.get("status")):
            row.steps = None  # steps to another status, or from one that the object has left
        if row.changes != changes:
            row.changes, row.base_rev = changes, link.rev
    if row.state == "due" and row.due_at is not None and row.due_at <= case.now:
        case.wake("deliver", link.id)
