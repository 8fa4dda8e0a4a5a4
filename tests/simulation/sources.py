"""Every value that the hub holds traces to an authorised source: a person at a vendor whose system may make this change, a
person in the hub, or a policy rule. An echo of the hub's own write has no such source and is caught here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.domain.incident import IMPACTS
from hub.domain.values import INCIDENT, Json, Ref
from hub.domain.vocabulary import ManyRelation, UnknownWord
from tests.simulation import rules
from tests.simulation.audit import Row
from tests.simulation.ledger import field_paths
from tests.simulation.server import HUB, VENDOR, Entry

if TYPE_CHECKING:
    from tests.simulation.world import World

NAME = "every value traces to an authorised source"


def trace(world: World, row: Row) -> None:
    """Checks one committed change of an incident, field path by field path."""
    assert row.new is not None
    if not row.differs("fields"):
        return
    before = row.old["fields"] if row.old is not None else {}
    provenance = row.new["provenance"]
    newborn = row.old is None
    for field_path, old, new in field_paths(before, row.new["fields"]):
        proof = provenance.get(field_path)
        if proof is None:
            if newborn:
                continue  # a default value
            world.violated(NAME, f"INC-{row.new['number']} {field_path} = {new!r} has no provenance")
        source = proof["source"]
        if source in world.servers:
            _from_vendor(world, row, field_path, old, new, source, newborn)
        elif source == "policy":
            _from_policy(world, row, field_path, new)
        else:
            _from_here(world, row, field_path, new, source)
        world.coverage.checks[NAME] += 1


def _from_vendor(world: World, row: Row, field_path: str, old: Json, new: Json, source: str, newborn: bool) -> None:
    assert row.new is not None
    name, _, key = field_path.partition("/")
    server = world.servers[source]
    if new in world.ledger.intended[field_path] and server.style.commands:
        return  # a command in chat
    relation = server.style.relations[INCIDENT].get(name)
    last, turn = world.ledger.taken.get((row.key, field_path, source), 0), 0
    found, older = False, False
    for edit in _edits(world, row.key, source, name, newborn):
        try:
            if isinstance(relation, ManyRelation) and key:
                was, now = relation.field_paths(edit.before), relation.field_paths(edit.after)
                found = now.get(key) == new and (was.get(key) != new or newborn)
            elif relation is not None:
                found = relation.backward(old, edit.after) == new or relation.fits(new, edit.after)
        except UnknownWord:
            continue
        if found:
            older, found = True, False
            if world.ledger.turns[source, edit.id] <= last:
                break
            turn = world.ledger.turns[source, edit.id]
    if not turn and older and not _relinked(world, row.key, source):
        world.violated(
            "no echo", f"INC-{row.new['number']} {field_path}: {old!r} → {new!r} by {source}, older than what it took"
        )
    world.ledger.taken[row.key, field_path, source] = turn or last
    if not older:
        world.violated(
            "no echo", f"INC-{row.new['number']} {field_path}: {old!r} → {new!r} by {source}, where nobody did that"
        )
    vendor = world.config.connections[source].vendor
    verdict = rules.TAKE if newborn else rules.verdict(name, vendor, old, new)
    if verdict != rules.TAKE and (row.key, name) not in world.ledger.reviewed:
        world.violated(
            NAME, f"INC-{row.new['number']} {field_path}: {old!r} → {new!r} by {source}, which may not ({verdict})"
        )


def _relinked(world: World, incident: str, source: str) -> bool:
    """Whether a person linked the object again: then everything that it shows counts as new."""
    links = world.store.db.execute(
        "SELECT id FROM links WHERE incident_id = ? AND connection = ?", (incident, source)
    ).fetchall()
    return any(link in world.ledger.relinked for (link,) in links)


def _edits(world: World, incident: str, source: str, name: str, newborn: bool) -> list[Entry]:
    """Changes of this field by people at the incident's primary object there, newest first; and by the vendor itself, unless
    the observation named the field as a consequence (an adopted incident starts with all that its object shows).
    Objects that came by a merge are no source for the incident."""
    refs = world.store.db.execute(
        "SELECT remote_kind, remote_id FROM links WHERE incident_id = ? AND connection = ? AND kind = 'incident' "
        "AND slot = 'primary'",
        (incident, source),
    ).fetchall()
    found: list[Entry] = []
    for kind, id in refs:
        thing = world.servers[source].things.get(Ref(kind, id)) if id is not None else None
        seen = world.stack[-1].vendors[source].last_seen.get(Ref(kind, id)) if world.stack and thing else None
        mere = not newborn and seen is not None and name in seen.consequences
        for entry in thing.history if thing else ():
            if entry.field == name and not entry.by.startswith(HUB) and not (mere and entry.by == VENDOR):
                found.append(entry)
    return found[::-1]


def _from_policy(world: World, row: Row, field_path: str, new: Json) -> None:
    assert row.new is not None
    name, _, key = field_path.partition("/")
    policy, fields = world.config.policy, row.new["fields"]
    if name in ("public_title", "public_text"):
        words = [n for n in (fields.get("title"), fields.get("description")) if n]
        if any(str(w) in str(new) for w in words):
            world.violated("nothing public from internal words", f"INC-{row.new['number']} {field_path} = {new!r}")
        return
    if name != "impacts" or (new is not None and new not in IMPACTS):
        world.violated(NAME, f"INC-{row.new['number']} {field_path} = {new!r} by policy")
    expected = {"operational", policy.impact_of.get(fields["severity"]), None}
    if new not in expected:
        world.violated(NAME, f"INC-{row.new['number']} impact of {key} = {new!r} at {fields['severity']}")


def _from_here(world: World, row: Row, field_path: str, new: Json, source: str) -> None:
    assert row.new is not None
    if new not in world.ledger.intended[field_path] and new is not None:
        world.violated(NAME, f"INC-{row.new['number']} {field_path} = {new!r} by {source}, which nobody asked for")
