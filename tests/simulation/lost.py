"""No edit that the hub observed is lost silently: it wins, or a later one supersedes it, or the journal names the rule that
overruled it and keeps its value. Edits in a vendor's declared blind window are not required: nothing shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.domain.capability import Gap
from hub.domain.values import INCIDENT, Json
from hub.domain.vocabulary import ManyRelation, Relation, UnknownWord
from tests.simulation.server import HUB, VENDOR, Entry, Server, Thing

if TYPE_CHECKING:
    from tests.simulation.world import World

NAME = "no observed edit lost silently"

BIRTH = 2
"""The newest version that belongs to an object's creation."""


def check(world: World) -> None:
    """Checks every edit by a person of every linked object."""
    links = world.store.db.execute(
        "SELECT connection, remote_id, incident_id, slot, state FROM links WHERE kind = 'incident' AND remote_id IS NOT NULL"
    ).fetchall()
    known = {(c, r): (i, slot, state) for c, r, i, slot, state in links}
    for server in world.servers.values():
        for thing in server.of_kind(INCIDENT):
            link = known.get((server.name, thing.ref.id))
            if link is None or link[2] not in ("live", "frozen") or link[1] != "primary" or thing.terminal:
                continue
            if thing.ref.id in world.ledger.was_unlinked:
                continue
            for name in server.capability(INCIDENT).fields:
                _field(world, server, thing, name, link[0])


def _field(world: World, server: Server, thing: Thing, name: str, incident: str) -> None:
    relation = server.style.relations[INCIDENT].get(name)
    declared = server.capability(INCIDENT).fields[name]
    if relation is None or not declared.read or declared.write == "create":
        return
    history = [e for e in thing.history if e.field == name]
    for at, entry in enumerate(history):
        if entry.by.startswith(HUB) or entry.by == VENDOR or entry.version <= BIRTH:
            continue  # not a person's edit, or part of the creation, which adoption and the first read cover
        for field_path, before, after in _cells(name, relation, entry):
            end = _ended(field_path, relation, after, history[at + 1 :])
            if end is not None and not end.by.startswith(HUB):
                continue  # superseded by a later edit of the same field path
            if not _observable(world, server, thing, entry, end, declared.gap):
                continue
            if _back_again(world, server, thing, field_path, relation, entry, after) or _consequence_when_shown(
                world, server, thing, name, entry
            ):
                continue
            if (server.name, entry.id) in world.ledger.agreed:
                continue
            if after is None and _before_adoption(world, server, thing, entry):
                continue  # a value that was already replaced at adoption does not contradict what the hub holds
            if world.ledger.tried(server.name, thing.ref, name, entry.after):
                continue
            world.coverage.checks[NAME] += 1
            if not _accounted(world, server, relation, incident, field_path, entry, after):
                world.violated(
                    NAME,
                    f"{entry.by} at {thing.ref.id}: {field_path} {before!r} → {after!r} at {entry.at:%H:%M:%S} left no trace",
                )


def _cells(name: str, relation: Relation, entry: Entry) -> list[tuple[str, Json, Json]]:
    """The field paths that an edit changed: (field path, before, after); elements of sets and maps in the hub's words."""
    if not isinstance(relation, ManyRelation):
        return [(name, entry.before, entry.after)]
    try:
        was, now = relation.field_paths(entry.before), relation.field_paths(entry.after)
    except UnknownWord:
        return []
    return [(f"{name}/{k}", was.get(k), now.get(k)) for k in sorted(set(was) | set(now)) if was.get(k) != now.get(k)]


def _ended(field_path: str, relation: Relation, after: Json, later: list[Entry]) -> Entry | None:
    """The entry that replaced the field path's value; None if none did."""
    _, _, key = field_path.partition("/")
    for entry in later:
        if not key or entry.by == VENDOR:  # the vendor itself sets the whole value
            return entry
        assert isinstance(relation, ManyRelation)
        try:
            if relation.field_paths(entry.after).get(key) != after:
                return entry
        except UnknownWord:
            return entry
    return None


def _back_again(
    world: World, server: Server, thing: Thing, field_path: str, relation: Relation, entry: Entry, after: Json
) -> bool:
    """Whether the edit only restored the value that the hub had last seen or written: then the hub has nothing to observe.
    The version read before a write that was then made counts as seen."""
    name, _, key = field_path.partition("/")
    taken = world.ledger.believed[server.name, thing.ref.id]
    before = {world.ledger.writer_saw.get((server.name, e.id)) for e in thing.history if e.by.startswith(HUB)}
    seen = (v for v in world.ledger.saw[thing.ref] if v < entry.version and (str(v) in taken or v in before))
    shown = max(seen, default=None)
    view = next((v for v in thing.views if v.version == shown), None)
    born = next((v for v in reversed(thing.views) if v.version <= BIRTH), None)
    ours = next((e for e in thing.history if e.field == name and e.by.startswith(HUB) and e.version <= BIRTH), None)
    later = [
        e
        for e in thing.history
        if e.field == name and e.by.startswith(HUB) and (shown or 0) < e.version < entry.version
    ]
    if later and not isinstance(relation, ManyRelation):  # the hub's own write, not read since
        theirs = later[-1].after
    elif view is not None:
        theirs = view.fields.get(name)
    elif ours is not None:
        theirs = ours.after
    elif (
        born is not None and thing.mark is not None
    ):  # what the hub's own object shows first counts as its initial value
        theirs = born.fields.get(name)
    else:
        return False
    return bool((relation.field_paths(theirs).get(key) if isinstance(relation, ManyRelation) else theirs) == after)


def _consequence_when_shown(world: World, server: Server, thing: Thing, name: str, entry: Entry) -> bool:
    """Whether the first accepted version that shows the edit lists the field as a vendor's consequence."""
    taken = world.ledger.believed[server.name, thing.ref.id]
    shown = min((v for v in world.ledger.saw[thing.ref] if v >= entry.version and str(v) in taken), default=None)
    view = next((v for v in thing.views if v.version == shown), None)
    return view is not None and name in view.consequences


def _before_adoption(world: World, server: Server, thing: Thing, entry: Entry) -> bool:
    """Whether the edit of a person's own object was made before its adoption."""
    taken_in = world.ledger.adopted.get((server.name, thing.ref.id), 0)
    return thing.mark is None and world.ledger.turns[server.name, entry.id] < taken_in


def _observable(world: World, server: Server, thing: Thing, entry: Entry, end: Entry | None, gap: Gap) -> bool:
    """Whether the hub must account for this edit: it was shown, and not overwritten in a blind window (no history, no
    conditional writes)."""
    if end is None:
        return any(v >= entry.version for v in world.ledger.saw[thing.ref])
    if world.ledger.writer_saw.get((server.name, end.id), 0) >= entry.version:
        return True
    return gap in (Gap.HISTORY, Gap.CONDITIONAL)


def _accounted(
    world: World, server: Server, relation: Relation, incident: str, field_path: str, entry: Entry, after: Json
) -> bool:
    name = field_path.partition("/")[0]

    def fits(ours: Json) -> bool:
        if "/" in field_path:
            return bool(ours == after)
        try:
            return bool(relation.fits(ours, after))
        except UnknownWord:
            return False

    if any(fits(v) for v in world.ledger.held_since(incident, field_path, world.ledger.turns[server.name, entry.id])):
        return True
    for line in world.ledger.lines_of(incident):
        data: dict[str, Any] = line.get("data") or {}
        if line["source"] != server.name:
            continue
        if line["kind"] == "gap" and data.get("values", {}).get(name) in (after, entry.after):
            return True
        shown = line["kind"] == "first_shown" and data.get("field") == name
        if shown and (data.get("value") == entry.after or _shows(relation, data.get("value"), field_path, after)):
            return True  # also by a later edit of the set that left this element as the edit made it
        if line["kind"] in ("changed", "overruled", "review", "unknown_word") and data.get("field") in (
            field_path,
            name,
        ):
            value = data.get("value")
            if value == after or fits(value) or value == entry.after or _backward(relation, value, entry.after):
                return True
    return False


def _shows(relation: Relation, theirs: Json, field_path: str, after: Json) -> bool:
    """Whether a set, as the journal keeps it, agrees with the edit about this element."""
    try:
        return isinstance(relation, ManyRelation) and bool(
            relation.field_paths(theirs).get(field_path.partition("/")[2]) == after
        )
    except UnknownWord:
        return False


def _backward(relation: Relation, ours: Json, theirs: Json) -> bool:
    if isinstance(relation, ManyRelation):
        return False
    try:
        return bool(relation.fits(ours, theirs))
    except UnknownWord:
        return False
