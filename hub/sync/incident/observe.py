"""Taking what a vendor showed into a case: the revision rule, the merge, comments and updates that came along."""

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
"""Seconds until an object that is not shown to us is looked for again."""


def fresh(case: Case, link: Link, rev: int, started: datetime) -> datetime | None:
    """None if an observation whose read began at `started`, when the shadow had revision `rev`, may be merged; else when to
    read again.

    It may not if the shadow has moved since, a write is in flight, or the vendor may still show the state before our write.
    """
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
    """When the vendor shows nothing older than this moment."""
    return case.now + timedelta(seconds=case.hub.capabilities(link.connection).read_lag)


def take(
    case: Case, link: Link, seen: Observation, revs: Mapping[str, int], started: datetime, ended: datetime, *,
    whole: bool = True, settles: bool = True, told: Collection[str] = (),
) -> bool:  # fmt: skip
    """Merges one observation of an object into the case. False if it was too old to be believed (it will be read again).

    revs: link id → revision before the read, for the link and its children. started, ended: of the read, hub time.
    whole: with what is said under it, if that can be read there. A look that is due for its sake stays due otherwise.
    settles: whether a write of unknown outcome is known with it; not where the object's history tells more.
    told: fields of such a write of which the history has told what we ourselves did there: all else is others'.
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
    _merge(case, link, seen, started, ended, told)
    if link.kind == INCIDENT:  # also under a merged one: people go on talking there
        take_children(case, link, seen, revs, started, ended)
        _reactions(case, link, seen)
    row = case.outbox.get(link.id)
    if settles and row is not None and row.state == "unknown" and row.op == "update":
        row.state, row.due_at = "due", case.now  # planning keeps, renews or withdraws it
        case.record("outcome_read", link.connection, link=link.id, outbox=row.id)
    return True


def _not_there(case: Case, link: Link, seen: Observation) -> None:
    """ "Not found" may mean "not allowed": only the vendor's own word, or a person's, makes it gone."""
    if seen.state == "deleted":
        gone(case, link, link.connection)
        return
    if link.state != "unreachable":
        link.state, link.reason = "unreachable", "the vendor does not show it: deleted, moved, or not allowed to us"
        case.record("unreachable", link.connection, link=link.id)
        home = case.links.get(str(link.parent_id))
        if home is not None and home.ref is not None and home.state not in TOMBSTONES:  # read whole, it tells which
            home.refresh_due, home.refresh_whole = min(home.refresh_due or lagged(case, home), lagged(case, home)), True
    link.refresh_due, link.refresh_whole = case.now + timedelta(seconds=UNREACHABLE_AGAIN), True


def shown_again(case: Case, link: Link) -> None:
    """An object that could not be seen is there."""
    link.state, link.reason = "live", None
    case.record("reachable", link.connection, link=link.id)


def gone(case: Case, link: Link, source: str, actor: str | None = None) -> None:
    """The remote object is deleted. The link becomes a tombstone; of a comment, every copy goes too."""
    if link.state in TOMBSTONES:
        return
    link.state, link.reason, link.refresh_due, link.behind_since = "gone", "deleted at the vendor", None, None
    case.record("gone", source, link=link.id, actor=actor)
    item = case.items.get(str(link.item_id)) if link.item_id else None
    if item is not None and link.kind == item.kind and not item.fields.get("deleted"):
        case.edit_item(item, {"deleted": True}, source, actor)
    if link.kind == INCIDENT:  # what was said there went with it, and stays everywhere else
        for child in case.children(link):
            if child.state not in TOMBSTONES:
                child.state, child.reason, child.refresh_due = "gone", "its incident was deleted at the vendor", None


def _who(case: Case, link: Link, actor: Actor | None) -> str | None:
    if actor is None:
        return None
    return case.hub.person(link.connection, actor.account) or actor.name or actor.email or actor.account


def _own(row: Outbox) -> dict[str, list[Json]]:
    """field → what it shows when this write has taken effect, whole or by one of its steps."""
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
    # Nothing is known yet of an object that a person has just linked: what it shows is no news.
    first = {
        n: _born(link.kind, n, v, relations) if link.shadow else v for n, v in fields.items() if n not in link.shadow
    }
    return Seen(
        link=link.id, source=link.connection, vendor=vendor, order=(order,), shadow={**first, **link.shadow}, remote=fields,
        relations=relations, after=min(link.seen_at or link.created_at, ended), until=ended,
        consequences=consequences, held=link.held, frozen=link.frozen, own=own, actor=_who(case, link, actor),
    )  # fmt: skip


def history_tells(case: Case, link: Link, names: Collection[str]) -> frozenset[str]:
    """Which of these fields are sets with a history: it alone tells our elements, in a write of unknown outcome, from the same
    ones put there by somebody else."""
    fields = case.hub.capabilities(link.connection).kinds[link.kind].fields
    return frozenset(n for n in names if n in fields and fields[n].many == "set" and fields[n].gap is Gap.HISTORY)


def waits_for_history(case: Case, link: Link, row: Outbox, seen: Observation) -> frozenset[str]:
    """What of an observation says nothing yet, while a write is in doubt whose history nobody has asked: what is merged element
    by element, since who is missing there may be one whom we had put there; and a field that shows what we sent, since somebody
    may have been there before we were."""
    fields = case.hub.capabilities(link.connection).kinds[link.kind].fields
    relations = case.hub.relations(link.connection, link.kind)
    ours = {n: values for n, values in _own(row).items() if n in fields and fields[n].gap is Gap.HISTORY}
    return frozenset(n for n in ours if isinstance(relations.get(n), ManyRelation) or seen.fields.get(n) in ours[n])


def _born(kind: str, name: str, theirs: Json, relations: Mapping[str, Relation]) -> Json:
    """What a field that our create did not set was born with, seen for the first time: a value that means our default is
    where the vendor's objects begin, and no edit. Anything else, somebody has made of it since."""
    spec, relation = FIELDS[kind].get(name), relations.get(name)
    if spec is None or relation is None:
        return theirs
    try:
        return theirs if relation.fits(spec.default, theirs) else relation.forward(spec.default, None)
    except UnknownWord:
        return theirs


def _merge(
    case: Case, link: Link, seen: Observation, started: datetime, ended: datetime, told: Collection[str] = ()
) -> None:
    """Merges the fields of one object into what it shows: the incident, or a comment or update."""
    item = case.items.get(str(link.item_id)) if link.item_id else None
    if link.secondary or (item is not None and item.kind != link.kind):
        # A merged object follows, and says nothing; an internal copy of a public update never changes the public words.
        _shadow_only(case, link, seen)
        return
    given = _seen(case, link, seen.fields, seen.consequences, started, ended, seen.actor)
    given = replace(given, own={name: values for name, values in given.own.items() if name not in told})
    if item is None and not link.shadow and link.written_at is None:
        given = replace(given, shadow={})  # tied by hand to an object that was there before: as in an adoption
    else:
        _first_shown(case, link, given, item.fields if item else case.incident.fields)
    _take_merged(case, link, item, given, seen, started)


def _first_shown(case: Case, link: Link, given: Seen, fields: Mapping[str, Json]) -> None:
    """What an object of ours shows first, in fields that we did not set, is the vendor's default and no edit. Where it will
    be overwritten by ours, the journal keeps it."""
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
        link.refused = {name: value for name, value in link.refused.items() if name not in moved}  # try again there
        link.shadow, link.frozen, link.held, link.consequences = after.shadow, after.frozen, after.held, consequences
        link.rev, link.seen_at = link.rev + 1, started
        _history_is_known(case, link, moved)
    case.absorb(item, merged)


def _history_is_known(case: Case, link: Link, moved: Collection[str]) -> None:
    """What others have done in these fields has been seen now. Their entries must not be taken for our next write's, if that is
    in doubt: where the object's history stands is asked again before it."""
    fields, row = case.hub.capabilities(link.connection).kinds[link.kind].fields, case.outbox.get(link.id)
    in_doubt = row is not None and row.state == "unknown"
    if not in_doubt and any(n in fields and fields[n].gap is Gap.HISTORY for n in moved):
        link.history = None


def merge_adopted(case: Case, link: Link, seen: Observation) -> None:
    """What an adopted object says, against an incident that already was: every difference is a conflict."""
    given = _seen(case, link, seen.fields, seen.consequences, case.now, case.now, seen.actor)
    given = replace(given, shadow={}, after=min(seen.created_at or case.now, case.now))
    _take_merged(case, link, None, given, seen, case.now)
    take_children(case, link, seen, {}, case.now, case.now)
    if link.refresh_due is None and seen.children_complete:
        link.refresh_whole = False


def _shadow_only(case: Case, link: Link, seen: Observation) -> None:
    """What it shows is kept, and nobody else hears of it. A word that no table knows is left alone here too."""
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
    """Comments and updates: matched by remote id, then by mark, never by their text."""
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
            and (link.id not in case.outbox or link.state == "unreachable")  # not shown by its id either
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
            return  # a copy of ours that belongs to another incident (merged since)
    kind = case.hub.capabilities(home.connection).kinds.get(child.ref.kind)
    pending = any(k.kind == child.ref.kind and k.remote_id is None and k.id in case.outbox for k in case.children(home))
    if pending and kind is not None and kind.create is not None:
        # It may be ours, just being created: its mark was taken off, or the answer has not come yet.
        home.refresh_due = min(home.refresh_due or case.now + timedelta(seconds=5), case.now + timedelta(seconds=5))
        home.refresh_whole = True
        if child.mark is None and kind.create == "neither":
            return
    text = str(child.fields.get("text") or "").strip()
    if child.type == "command":  # addressed to us, not said to the others
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
    """An object of ours has turned up: its create did take effect. What it shows other than we asked for is somebody's edit,
    unless it is where the vendor's objects begin. looked_for: by the worker that has claimed the create, and did not send."""
    if link.state not in TOMBSTONES:  # one that was let go of meanwhile stays so, and knows what it let go of
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
        for name in sorted(n for n, v in asked.items() if link.shadow[n] != v):  # ours is written over it again
            case.record("first_shown", link.connection, link=link.id, field=name, value=seen.fields[name], rule="birth")
        _merge(case, link, seen, started, case.now)
    link.rev, link.seen_at, link.written_at = link.rev + 1, started, case.now
    if link.kind == INCIDENT and case.hub.capabilities(link.connection).kinds[INCIDENT].reads:
        link.refresh_due, link.refresh_whole = (
            lagged(case, link),
            True,
        )  # what was said under it meanwhile is still to be read
    case.record("created", link.connection, link=link.id, id=link.remote_id, found_by="mark")
    if row is not None and sent > 1:  # the earlier one may have been there, and be gone again
        case.record("possible_duplicate", link.connection, link=link.id, unknowns=row.unknowns)


def duplicate(case: Case, link: Link, seen: Observation, started: datetime) -> None:
    """A second object with the same mark: it is closed (or deleted), and journaled."""
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
