"""Polling: with every webhook lost, it still finds people's changes; without changes it costs nothing but the poll."""

from __future__ import annotations

from hub.domain.capability import FieldCapability
from hub.domain.values import INCIDENT, Changed, Json, Ref
from hub.domain.vocabulary import UnknownWord
from tests.contract.cases import each_field, each_kind, each_world
from tests.contract.steps import capability, differing, make, named, observe, poll, same, wait, words
from tests.contract.world import World

POLLS = 3
"""A change is found within so many polls (a vendor's index may lag behind one of them)."""


def _settled(world: World) -> Json:
    """The cursor of a hub that knows all objects."""
    wait(world)
    cursor: Json = None
    for _ in range(3):
        _, cursor = poll(world, cursor)
        world.clock.advance(world.adapter.capabilities.poll[0])
        wait(world)
    return cursor


def _found(world: World, cursor: Json, ref: Ref) -> Changed | None:
    """What the next polls return about an object (or the incident that it belongs to)."""
    for _ in range(POLLS):
        world.clock.advance(world.adapter.capabilities.poll[0])
        wait(world)
        items, cursor = poll(world, cursor)
        if ref in named(items):
            return next(i for i in items if i.ref == ref or i.ref.parent == ref.id)
    return None


def _news(world: World, cursor: Json, ref: Ref, known: dict[Ref, Json]) -> bool:
    """Whether the next polls show the hub a change: an id without fields, or fields that differ."""
    for _ in range(POLLS):
        world.clock.advance(world.adapter.capabilities.poll[0])
        wait(world)
        items, cursor = poll(world, cursor)
        for item in items:
            mine = item.ref == ref or item.ref.parent == ref.id
            if mine and (item.observation is None or known.get(item.ref) != dict(item.observation.fields)):
                return True
    return False


@each_kind(lambda name, kind: name == INCIDENT and kind.reads)
def test_the_first_poll_shows_what_is_open(world: World, kind: str) -> None:
    ref, _, _ = make(world, kind)
    wait(world)
    items, _ = poll(world, None)
    assert ref in {i.ref for i in items}


@each_kind(lambda name, kind: kind.adoptable)
def test_the_poll_finds_what_a_person_made(world: World, kind: str) -> None:
    cursor = _settled(world)
    ref = world.person_makes(kind)
    assert _found(world, cursor, ref)


def _by_people(kind: str, field: str, capability: FieldCapability) -> bool:
    return kind == INCIDENT and capability.read


@each_field(_by_people, by_people=True)
def test_the_poll_finds_a_persons_edit(world: World, kind: str, field: str) -> None:
    ref, _, _ = make(world, kind)
    before = observe(world, ref)
    cursor = _settled(world)
    world.person_edits(ref, field, world.another(kind, field, before.fields[field]))
    after = observe(world, ref)
    for _ in range(POLLS):
        world.clock.advance(world.adapter.capabilities.poll[0])
        wait(world)
        items, cursor = poll(world, cursor)
        mine = [i for i in items if i.ref == ref]
        for item in mine:
            if item.observation is None:
                return
            if same(item.observation.fields[field], after.fields[field], capability(world, kind, field).many):
                return
    raise AssertionError("no poll says so")


@each_field(lambda kind, field, c: (kind, field) == (INCIDENT, "status") and c.read, by_people=True)
def test_the_poll_finds_what_left_the_list_of_open_ones(world: World, kind: str, field: str) -> None:
    """A person closes it."""
    ref, _, _ = make(world, kind)
    cursor = _settled(world)
    relation = world.adapter.relations[kind]["status"]
    for _ in range(12):
        now = observe(world, ref).fields["status"]
        try:
            if relation.fits("resolved", now):
                break
        except UnknownWord:
            pass
        world.person_edits(ref, "status", world.another(kind, "status", now))
    assert relation.fits("resolved", observe(world, ref).fields["status"])
    found = _found(world, cursor, ref)
    assert found
    assert found.observation is None or relation.fits("resolved", found.observation.fields["status"])


@each_kind(lambda name, kind: name != INCIDENT and kind.reads)
def test_the_poll_finds_a_persons_new_child(world: World, kind: str) -> None:
    parent, known, cursor = _watched(world)
    world.person_makes(kind, parent)
    assert _news(world, cursor, parent, known)


@each_kind(lambda name, kind: name != INCIDENT and kind.reads)
def test_the_poll_finds_a_persons_edit_of_a_child(world: World, kind: str) -> None:
    parent, known, cursor = _watched(world, kind)
    child = next(r for r in known if r.kind == kind)
    world.person_edits(child, "text", "Written anew")
    assert _news(world, cursor, parent, known)


@each_kind(lambda name, kind: name != INCIDENT and kind.reads)
def test_the_poll_finds_a_persons_deletion_of_a_child(world: World, kind: str) -> None:
    parent, known, cursor = _watched(world, kind)
    child = next(r for r in known if r.kind == kind)
    world.person_deletes(child)
    assert _news(world, cursor, parent, known)


def _watched(world: World, kind: str | None = None) -> tuple[Ref, dict[Ref, Json], Json]:
    """(an incident of ours, the known state of it and its children, the cursor). kind: it has a child of this kind by a person."""
    parent, _, _ = make(world, INCIDENT)
    if kind:
        world.person_makes(kind, parent)
    cursor = _settled(world)
    seen = observe(world, parent)
    known = {part.ref: dict(part.fields) for part in (seen, *seen.children)}
    return parent, known, cursor


@each_world(lambda c: any(kind.reads for kind in c.kinds.values()))
def test_an_unchanged_world_asks_for_no_read(world: World) -> None:
    """When everything is known, a poll returns nothing, or the known state."""
    refs = [make(world, kind)[0] for kind, c in world.adapter.capabilities.kinds.items() if c.reads and c.create]
    for ref in refs:
        observe(world, ref)
    cursor = _settled(world)
    for _ in range(3):
        items, cursor = poll(world, cursor)
        for item in items:
            assert item.observation is not None, f"{item.ref} is to be read again, although nothing happened"
            seen = world.adapter.observe(item.ref)
            assert not differing(world, item.ref.kind, item.observation.fields, seen.fields)
            assert item.observation.mark == seen.mark
        world.clock.advance(world.adapter.capabilities.poll[1])
        wait(world)
    assert len(words(cursor)) < 20_000, "and the cursor does not grow"


@each_world(lambda c: any(kind.reads for kind in c.kinds.values()))
def test_a_picture_in_a_poll_is_what_a_read_shows(world: World) -> None:
    """It has every readable field, so that it can be merged without a read, and no children, which no list shows."""
    ref, _, _ = make(world, INCIDENT)
    wait(world)
    items, _ = poll(world, None)
    for item in items:
        if item.observation is not None:
            seen = world.adapter.observe(item.ref)
            assert not differing(world, item.ref.kind, item.observation.fields, seen.fields)
            assert item.observation.consequences == seen.consequences
            assert (item.observation.version, item.observation.type) == (seen.version, seen.type)
            assert (item.observation.url, item.observation.created_at) == (seen.url, seen.created_at)
    assert ref in {i.ref for i in items}


@each_world(lambda c: not any(kind.reads for kind in c.kinds.values()))
def test_who_cannot_read_has_nothing_to_poll(world: World) -> None:
    assert poll(world, None) == ([], poll(world, None)[1])


@each_world(lambda c: any(kind.reads for kind in c.kinds.values()))
def test_a_cursor_that_makes_no_sense_starts_again(world: World) -> None:
    """It may come from an older version of the adapter, or from a manual edit."""
    ref, _, _ = make(world, INCIDENT)
    wait(world)
    for cursor in ({}, [], "x", 7, True, {"cursor": 1}):
        items, _ = poll(world, cursor)
        assert ref in named(items), cursor
