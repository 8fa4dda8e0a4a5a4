"""Merges what a vendor showed into a case: the revision rule, the fields, and the object's comments and updates."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from hub.domain.capability import Gap
from hub.domain.incident import FIELDS
from hub.domain.merge import Seen, merge
from hub.domain.values import COMMENT, INCIDENT, UPDATE, Actor, Json, Observation
from hub.domain.vocabulary import ManyRelation, Relation, UnknownWord
from hub.store import incidents as incident_rows
from hub.store import links as link_rows
from hub.store.records import TOMBSTONES, Item, Link, Outbox
from hub.sync.incident.case import Case
from hub.sync.incident.commands import take_reactions

UNREACHABLE_AGAIN = 300.0
"""Seconds until an object that the vendor does not show is read again."""


def fresh(case: Case, link: Link, rev: int, started: datetime) -> datetime | None:
    """None if an observation whose read began at `started`, when the shadow had revision `rev`, may be merged; else
    when to read again.

    It may not if the shadow has moved since, a write is in flight, or the vendor may still show the state before our
    write."""
    hub = case.hub
    lag = timedelta(seconds=hub.capabilities(link.connection).read_lag)
    row = case.outbox.get(link.id)
    if row is not None and row.state == "claimed":
        return max(row.lease_until or case.now, case.now) + lag
    if row is not None and row.state == "unknown" and row.op == "update" and row.last_sent_at is not None:
        decisive = row.last_sent_at + timedelta(seconds=hub.window(link.connection))
        if started < decisive:
            return decisive
    if link.written_at is not None and started < link.written_at + lag:
        return link.written_at + lag
    if link.rev != rev:
        return lagged(case, link)
    return None


def lagged(case: Case, link: Link) -> datetime:
    """The time from which the vendor's reads show nothing older than now: now plus its `read_lag`."""
    return case.now + timedelta(seconds=case.hub.capabilities(link.connection).read_lag)


def take(
    case: Case, link: Link, seen: Observation, revs: Mapping[str, int], started: datetime, ended: datetime, *,
    whole: bool = True, settles: bool = True, proven: Collection[str] = (),
) -> bool:  # fmt: skip
    """Merges one observation of an object into the case. False if it was discarded by `fresh`; a new refresh is then
    due.

    revs: link id → revision before the read, for the link and its children. started, ended: of the read, hub time.
    whole: the read included the comments, where they can be read. Otherwise a refresh that is due for them stays due.
    settles: whether the observation settles a write of unknown outcome; False where the object's history must be read.
    proven: fields of such a write whose history showed what the hub wrote: everything else in them is other people's.
    """
    if link.state in TOMBSTONES:
        link.refresh_due = None
        return False
    again = fresh(case, link, revs.get(link.id, -1), started)
    if again is not None:
        link.refresh_due = again if link.refresh_due is None else min(max(link.refresh_due, again), again)
        return False
    if (link.refresh_due is None or link.refresh_due <= started) and (whole or not link.refresh_whole):
        link.refresh_due, link.refresh_whole = None, False
    if seen.state != "present":
        _not_there(case, link, seen)
        return True
    if link.state == "unreachable":
        shown_again(case, link)
    link.url, link.version = seen.url or link.url, seen.version or link.version
    link.terminal = seen.terminal
    _merge(case, link, seen, started, ended, proven)
    if link.kind == INCIDENT:  # also of a merged incident: people still comment there
        take_children(case, link, seen, revs, started, ended)
        _reactions(case, link, seen)
    row = case.outbox.get(link.id)
    if settles and row is not None and row.state == "unknown" and row.op == "update":
        row.state, row.due_at = "due", case.now  # planning keeps, renews or withdraws it
        case.record("outcome_read", link.connection, link=link.id, outbox=row.id)
    return True


def _not_there(case: Case, link: Link, seen: Observation) -> None:
    """ "Not found" may mean "not allowed": only the vendor's explicit "deleted", or a person, makes a link `gone`."""
    if seen.state == "deleted":
        gone(case, link, link.connection)
        return
    if link.state != "unreachable":
        link.state, link.reason = (
            "unreachable",
            "the vendor does not show the object: deleted, moved, or not readable by the hub's account",
        )
        case.record("unreachable", link.connection, link=link.id)
        home = case.links.get(str(link.parent_id))
        if home is not None and home.ref is not None and home.state not in TOMBSTONES:
            # A read of the parent with its comments shows whether the comment was deleted
            home.refresh_due, home.refresh_whole = min(home.refresh_due or lagged(case, home), lagged(case, home)), True
    link.refresh_due, link.refresh_whole = case.now + timedelta(seconds=UNREACHABLE_AGAIN), True


def shown_again(case: Case, link: Link) -> None:
    """The vendor shows an unreachable object again."""
    link.state, link.reason = "live", None
    case.record("reachable", link.connection, link=link.id)


def gone(case: Case, link: Link, source: str, actor: str | None = None) -> None:
    """The remote object was deleted. The link becomes a tombstone; if it showed a comment or update, that is deleted
    everywhere."""
    if link.state in TOMBSTONES:
        return
    link.state, link.reason, link.refresh_due, link.behind_since = "gone", "deleted at the vendor", None, None
    case.record("gone", source, link=link.id, actor=actor)
    item = case.items.get(str(link.item_id)) if link.item_id else None
    if item is not None and link.kind == item.kind and not item.fields.get("deleted"):
        case.edit_item(item, {"deleted": True}, source, actor)
    if link.kind == INCIDENT:  # its comments were deleted with it; their copies elsewhere stay
        for child in case.children(link):
            if child.state not in TOMBSTONES:
                child.state, child.reason, child.refresh_due = "gone", "its incident was deleted at the vendor", None


def _who(case: Case, link: Link, actor: Actor | None) -> str | None:
    if actor is None:
        return None
    return case.hub.person(link.connection, actor.account) or actor.name or actor.email or actor.account


def _own(row: Outbox) -> dict[str, list[Json]]:
    """field → the values that it shows if this write has taken effect, completely or by one of its steps."""
    return {name: [value, *(row.steps or ())] if name == "status" else [value] for name, value in row.changes.items()}


def _seen(
    case: Case, link: Link, fields: Mapping[str, Json], consequences: frozenset[str], started: datetime, ended: datetime,
    actor: Actor | None,
) -> Seen:  # fmt: skip
    hub = case.hub
    row = case.outbox.get(link.id)
    own = _own(row) if row is not None and row.state == "unknown" else {}
    vendor = hub.config.connections[link.connection].vendor
    _, order = hub.config.rank(link.connection, "status")
    relations = hub.relations(link.connection, link.kind)
    # The shadow is empty after a person linked an existing object: what it shows first is not a change.
    first = {
        n: _born(link.kind, n, v, relations) if link.shadow else v for n, v in fields.items() if n not in link.shadow
    }
    return Seen(
        link=link.id, source=link.connection, vendor=vendor, order=(order,), shadow={**first, **link.shadow}, remote=fields,
        relations=relations, after=min(link.seen_at or link.created_at, ended), until=ended,
        consequences=consequences, held=link.held, frozen=link.frozen, own=own, actor=_who(case, link, actor),
    )  # fmt: skip


def needs_history(case: Case, link: Link, names: Collection[str]) -> frozenset[str]:
    """Which of these fields are sets with a history. After a write of unknown outcome, only the history can distinguish
    the elements that we added from the same elements added by another person."""
    fields = case.hub.capabilities(link.connection).kinds[link.kind].fields
    return frozenset(n for n in names if n in fields and fields[n].many == "set" and fields[n].gap is Gap.HISTORY)


def waits_for_history(case: Case, link: Link, row: Outbox, seen: Observation) -> frozenset[str]:
    """The fields of an observation that cannot be merged before the history of a write of unknown outcome is read:
    fields that are merged element by element, since an element that is missing may be one that our write had added; and
    fields that show what we sent, since a person may have edited them before our write took effect."""
    fields = case.hub.capabilities(link.connection).kinds[link.kind].fields
    relations = case.hub.relations(link.connection, link.kind)
    ours = {n: values for n, values in _own(row).items() if n in fields and fields[n].gap is Gap.HISTORY}
    return frozenset(n for n in ours if isinstance(relations.get(n), ManyRelation) or seen.fields.get(n) in ours[n])


def _born(kind: str, name: str, theirs: Json, relations: Mapping[str, Relation]) -> Json:
    """The initial value of a field that our create did not set, when it is seen for the first time. A value that means
    our default is the vendor's own default and no edit. Any other value is an edit made since."""
    spec, relation = FIELDS[kind].get(name), relations.get(name)
    if spec is None or relation is None:
        return theirs
    try:
        return theirs if relation.fits(spec.default, theirs) else relation.forward(spec.default, None)
    except UnknownWord:
        return theirs


def _merge(
    case: Case, link: Link, seen: Observation, started: datetime, ended: datetime, proven: Collection[str] = ()
) -> None:
    """Merges the fields of one object into the incident, or into the comment or update that the object shows."""
    item = case.items.get(str(link.item_id)) if link.item_id else None
    if link.secondary or (item is not None and item.kind != link.kind):
        # The object of a merged incident never changes the incident; an internal copy never changes a public update.
        _shadow_only(case, link, seen)
        return
    given = _seen(case, link, seen.fields, seen.consequences, started, ended, seen.actor)
    given = replace(given, own={name: values for name, values in given.own.items() if name not in proven})
    if item is None and not link.shadow and link.written_at is None:
        given = replace(given, shadow={})  # a person linked an existing object: as in an adoption
    else:
        _first_shown(case, link, given, item.fields if item else case.incident.fields)
    _take_merged(case, link, item, given, seen, started)


def _first_shown(case: Case, link: Link, given: Seen, fields: Mapping[str, Json]) -> None:
    """Journals the first values of fields that our create did not set, where ours will overwrite them. Such a value is
    taken for the vendor's default, not for an edit."""
    for name in sorted(set(given.remote) - set(link.shadow)):
        relation = given.relations.get(name)
        if (
            relation is not None
            and name not in given.consequences
            and not relation.fits(fields.get(name), given.remote[name])
        ):
            case.record(
                "first_shown", link.connection, link=link.id, field=name, value=given.remote[name], rule="birth"
            )


def _take_merged(case: Case, link: Link, item: Item | None, given: Seen, seen: Observation, started: datetime) -> None:
    target = item or case.incident
    merged = merge(
        target.fields,
        incident_rows.provenance_in(target.provenance),
        [given],
        case.hub.config.authority,
        FIELDS[item.kind if item else INCIDENT],
        case.hub.config.orders,
    )
    after, consequences = merged.links[link.id], sorted(seen.consequences)
    before = (link.shadow, link.frozen, link.held, link.consequences)
    if (after.shadow, after.frozen, after.held, consequences) != before:
        moved = {name for name, value in after.shadow.items() if link.shadow.get(name) != value}
        # A write that was refused may be tried again where the field has changed since.
        link.refused = {name: value for name, value in link.refused.items() if name not in moved}
        link.shadow, link.frozen, link.held, link.consequences = after.shadow, after.frozen, after.held, consequences
        link.rev, link.seen_at = link.rev + 1, started
        _history_is_known(case, link, moved)
    case.absorb(item, merged)


def _history_is_known(case: Case, link: Link, moved: Collection[str]) -> None:
    """Forgets the position in the object's history when edits of others in these fields were merged, so that it is read
    again before our next write. Otherwise their entries could be taken for that write's, if its outcome is unknown."""
    fields, row = case.hub.capabilities(link.connection).kinds[link.kind].fields, case.outbox.get(link.id)
    in_doubt = row is not None and row.state == "unknown"
    if not in_doubt and any(n in fields and fields[n].gap is Gap.HISTORY for n in moved):
        link.history = None


def merge_adopted(case: Case, link: Link, seen: Observation) -> None:
    """Merges an adopted object into an incident that existed before: every difference is a conflict."""
    given = _seen(case, link, seen.fields, seen.consequences, case.now, case.now, seen.actor)
    given = replace(given, shadow={}, after=min(seen.created_at or case.now, case.now))
    _take_merged(case, link, None, given, seen, case.now)
    take_children(case, link, seen, {}, case.now, case.now)
    if link.refresh_due is None and seen.children_complete:
        link.refresh_whole = False


def _shadow_only(case: Case, link: Link, seen: Observation) -> None:
    """Stores what the object shows, and merges none of it. A field whose value is not mapped is frozen here too."""
    shadow, frozen = {**link.shadow, **seen.fields}, {}
    for name, relation in case.hub.relations(link.connection, link.kind).items():
        spec = FIELDS[link.kind].get(name)
        try:
            if spec is not None and name in shadow:
                relation.backward(spec.default, shadow[name])
        except UnknownWord as e:
            frozen[name] = e.word
    consequences = sorted(seen.consequences)
    if (shadow, frozen, consequences) != (link.shadow, link.frozen, link.consequences):
        link.shadow, link.frozen, link.consequences, link.rev = shadow, frozen, consequences, link.rev + 1


# --- comments and updates -------------------------------------------------------------------------------------------


def take_children(
    case: Case, home: Link, seen: Observation, revs: Mapping[str, int], started: datetime, ended: datetime
) -> None:
    """Merges the object's comments and updates. They are matched by remote id, then by mark, never by their text."""
    known = {(k.remote_kind, k.remote_id): k for k in case.children(home) if k.remote_id is not None}
    for child in seen.children:
        link = known.pop((child.ref.kind, child.ref.id), None)
        if link is not None:
            if link.state not in TOMBSTONES:
                take(case, link, child, revs, started, ended)
        elif child.state == "present":
            _unknown_child(case, home, child, started, ended)
    if not seen.children_complete:
        return
    lag = timedelta(seconds=case.hub.capabilities(home.connection).read_lag)
    declared = case.hub.capabilities(home.connection).kinds
    kinds = {kind for kind in (UPDATE, COMMENT) if kind in declared and declared[kind].reads}
    for link in known.values():
        settled = (link.written_at or link.created_at) + lag <= started and revs.get(link.id) == link.rev
        if (
            settled
            and link.kind in kinds
            and link.state in ("live", "frozen", "unreachable")
            and (link.id not in case.outbox or link.state == "unreachable")  # nor shown by its own id
        ):
            gone(case, link, home.connection)


def _unknown_child(case: Case, home: Link, child: Observation, started: datetime, ended: datetime) -> None:
    if child.mark is not None:
        marked = next((k for k in case.links.values() if k.mark == child.mark), None)
        if marked is not None:
            if marked.remote_id is None and marked.state not in TOMBSTONES:
                bind(case, marked, child, started)
            elif marked.remote_id != child.ref.id:
                duplicate(case, marked, child, started)
            return
        if link_rows.by_mark(case.tx, child.mark) is not None:
            return  # our copy, and its link now belongs to another incident (merged since)
    kind = case.hub.capabilities(home.connection).kinds.get(child.ref.kind)
    pending = any(k.kind == child.ref.kind and k.remote_id is None and k.id in case.outbox for k in case.children(home))
    if pending and kind is not None and kind.create is not None:
        # It may be the object of our open create: its mark was removed, or the answer has not come yet.
        home.refresh_due = min(home.refresh_due or case.now + timedelta(seconds=5), case.now + timedelta(seconds=5))
        home.refresh_whole = True
        if child.mark is None and kind.create == "neither":
            return
    text = str(child.fields.get("text") or "").strip()
    if child.type == "command":  # addressed to the hub: not copied
        return
    if not text or child.fields.get("deleted") or home.created_at > ended:
        return
    public = child.ref.kind == UPDATE
    item = case.add_comment(
        text, origin=home.connection, author=_who(case, home, child.actor), restricted=child.restricted,
        audience="public" if public else None,
    )  # fmt: skip
    case.new_link(
        home.connection, child.ref.kind, item.id, state="live", item_id=item.id, parent_id=home.id,
        remote_kind=child.ref.kind, remote_id=child.ref.id, remote_parent=child.ref.parent or "", url=child.url,
        shadow=dict(child.fields), rev=1, seen_at=started, version=child.version,
    )  # fmt: skip


def bind(case: Case, link: Link, seen: Observation, started: datetime, *, looked_for: bool = False) -> None:
    """Binds an object that carries our mark to its link: the create did take effect. A value other than the one that we
    sent is an edit, unless it is the vendor's default. looked_for: called by the worker that claimed the create and
    found the object before it sent anything."""
    if link.state not in TOMBSTONES:  # a tombstone stays one, but stores which object it was
        link.state, link.reason = "live", None
    link.remote_kind, link.remote_id, link.remote_parent = seen.ref.kind, seen.ref.id, seen.ref.parent or ""
    link.url, link.version, link.terminal = seen.url, seen.version, seen.terminal
    row = case.outbox.pop(link.id, None)
    sent = 0
    if row is None:
        link.shadow, link.consequences = dict(seen.fields), sorted(seen.consequences)
    else:
        sent = row.unknowns + (row.state == "claimed" and not looked_for)
        row.state, row.due_at, row.settled_at = "done", None, case.now
        case.settled.append(row)
        relations = case.hub.relations(link.connection, link.kind)
        asked = {n: v for n, v in row.changes.items() if n in seen.fields}
        born = {n: _born(link.kind, n, v, relations) for n, v in seen.fields.items()}
        link.shadow = {**asked, **{n: v for n, v in seen.fields.items() if born[n] == v}}
        for name in sorted(n for n, v in asked.items() if link.shadow[n] != v):  # our value is written again
            case.record("first_shown", link.connection, link=link.id, field=name, value=seen.fields[name], rule="birth")
        _merge(case, link, seen, started, case.now)
    link.rev, link.seen_at, link.written_at = link.rev + 1, started, case.now
    if link.kind == INCIDENT and case.hub.capabilities(link.connection).kinds[INCIDENT].reads:
        link.refresh_due, link.refresh_whole = lagged(case, link), True  # to read the comments made since
    case.record("created", link.connection, link=link.id, id=link.remote_id, found_by="mark")
    if row is not None and sent > 1:  # another send may have created an object that was deleted since
        case.record("possible_duplicate", link.connection, link=link.id, unknowns=row.unknowns)


def duplicate(case: Case, link: Link, seen: Observation, started: datetime) -> None:
    """Journals a second object with the same mark, and links it as a duplicate, so that it is closed (or deleted)."""
    if any((k.remote_kind, k.remote_id) == (seen.ref.kind, seen.ref.id) for k in case.links.values()):
        return
    number = 1 + max((int(k.slot.rpartition("-")[2]) for k in case.links.values() if k.duplicate), default=0)
    extra = case.new_link(
        link.connection, link.kind, f"duplicate-{number}", state="live", item_id=link.item_id, parent_id=link.parent_id,
        remote_kind=seen.ref.kind, remote_id=seen.ref.id, remote_parent=seen.ref.parent or "", url=seen.url,
        shadow=dict(seen.fields), rev=1, seen_at=started, version=seen.version, terminal=seen.terminal,
    )  # fmt: skip
    case.record("duplicate", link.connection, link=link.id, duplicate=extra.id, id=seen.ref.id)


def _reactions(case: Case, link: Link, seen: Observation) -> None:
    take_reactions(case, link, seen)
