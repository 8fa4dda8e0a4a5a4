"""Comments and published updates: they are read with their incident, all of them where that is declared, and edited and deleted as
declared. What is not found is absent; only the vendor's statement makes it deleted."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from hub.domain.errors import Refused, VendorError
from hub.domain.values import INCIDENT, Observation, Ref, Update
from hub.ports import PartialReads
from tests.contract.cases import each_kind, each_world, findable
from tests.contract.line import Line
from tests.contract.steps import differing, fresh_mark, make, observe, write
from tests.contract.world import World

MANY = 115
"""More than a page, at every vendor."""


def _parent(ref: Ref) -> Ref:
    assert ref.parent
    return Ref(INCIDENT, ref.parent)


def _beside(world: World, ref: Ref) -> Observation | None:
    """The child as it is read with its incident."""
    seen = observe(world, _parent(ref))
    assert len({c.ref for c in seen.children}) == len(seen.children), "each child once"
    return next((c for c in seen.children if c.ref == ref), None)


@each_kind(lambda name, kind: name != INCIDENT and kind.reads)
def test_a_child_comes_along_with_its_incident_as_it_is_read_alone(world: World, kind: str) -> None:
    ref, _, mark = make(world, kind)
    child, alone = _beside(world, ref), observe(world, ref)
    assert child is not None
    assert not differing(world, kind, child.fields, alone.fields)
    assert (child.mark, child.created_at, child.version) == (mark.key, alone.created_at, alone.version)


@each_world(lambda c: c.kinds[INCIDENT].reads)
def test_a_partial_read_shows_what_a_refresh_shows_without_the_children(world: World) -> None:
    if not isinstance(world.adapter, PartialReads):
        return  # here a read is one call
    ref, _, mark = make(world, INCIDENT)
    seen, partially_read = observe(world, ref), world.adapter.read_fields(ref)
    assert not partially_read.children
    assert not partially_read.children_complete
    assert (partially_read.fields, partially_read.consequences, partially_read.state) == (
        seen.fields,
        seen.consequences,
        "present",
    )
    assert (partially_read.mark, partially_read.url, partially_read.terminal) == (mark.key, seen.url, seen.terminal)
    assert world.adapter.read_fields(replace(ref, id="404404404")).state == "absent"


@each_kind(lambda name, kind: name != INCIDENT and kind.reads)
def test_a_persons_child_comes_along_too(world: World, kind: str) -> None:
    parent = world.person_makes(INCIDENT)
    ref = world.person_makes(kind, parent)
    child = _beside(world, ref)
    assert child is not None
    assert child.mark is None
    assert child.actor is not None or not world.adapter.capabilities.kinds[INCIDENT].adoptable or kind == "update"


@each_kind(lambda name, kind: name != INCIDENT and kind.reads)
def test_complete_means_all_of_them(world: World, kind: str) -> None:
    """Also with more than one page; each once, oldest first."""
    parent = world.person_makes(INCIDENT)
    made = []
    for _ in range(MANY):
        made.append(world.person_makes(kind, parent))
        world.clock.advance(1)
    seen = observe(world, parent)
    shown = [c.ref for c in seen.children if c.ref in set(made)]
    if seen.children_complete:
        assert shown == made
    else:
        assert set(shown) <= set(made)


@each_kind(lambda name, kind: name != INCIDENT and kind.reads)
def test_what_a_person_deleted_does_not_come_along_any_more(world: World, kind: str) -> None:
    parent = world.person_makes(INCIDENT)
    kept, gone = world.person_makes(kind, parent), world.person_makes(kind, parent)
    observe(world, parent)
    world.person_deletes(gone)
    seen = observe(world, parent)
    present = {c.ref for c in seen.children if c.state == "present"}
    assert kept in present
    assert gone not in present
    told = [c.state for c in seen.children if c.ref == gone]
    assert told in ([], ["deleted"]), "a gap in the list, or a word of the vendor's"
    assert told or seen.children_complete, "a gap means nothing unless the list is complete"
    assert observe(world, gone).state in ("absent", "deleted")


@each_kind(lambda name, kind: kind.deletes)
def test_a_declared_deletion_deletes_and_may_be_asked_for_twice(world: World, kind: str) -> None:
    ref, _, mark = make(world, kind)
    shown = observe(world, ref)
    world.adapter.update(ref, Update({"deleted": True}, {**shown.fields, "deleted": True}, shown.version))
    assert observe(world, ref).state in ("absent", "deleted")
    child = _beside(world, ref)
    assert child is None or child.state == "deleted"
    if findable(world.adapter.capabilities.kinds[kind]):
        assert not [o for o in world.adapter.find(mark) if o.state == "present"]
    with suppress(Refused):
        world.adapter.update(ref, Update({"deleted": True}, {**shown.fields, "deleted": True}, shown.version))
    assert observe(world, _parent(ref)).state == "present", "and nothing else happened"


@each_kind(lambda name, kind: "deleted" in kind.fields and kind.reads)
def test_what_is_there_is_not_marked_deleted(world: World, kind: str) -> None:
    ref, _, _ = make(world, kind)
    assert observe(world, ref).fields["deleted"] is False


# ---------------------------------------------------------------- absent children


STRANGE = ["999999999", "QNOTHERE1", "", "0", "../users", "a/b?c=d#e", "\x00", "é\u202e", "%2e%2e", "x" * 500]


@each_kind(lambda name, kind: kind.reads)
def test_what_the_vendor_does_not_show_is_absent_and_not_deleted(world: World, kind: str) -> None:
    """For any id; and no id leads a request to another path."""
    parent = None if kind == INCIDENT else world.person_makes(INCIDENT)
    real = world.person_makes(kind, parent)
    line = Line(world)
    observe(world, real)
    depth = max(e.path.count("/") for e in line.kept)
    line.kept.clear()
    for id in STRANGE:
        for holder in (parent.id if parent else None, id) if parent else (None,):
            ref = Ref(kind, id, holder)
            assert world.adapter.observe(ref) == Observation(ref, state="absent"), id
    assert all(e.path.count("/") <= depth + 1 and "/users" not in e.path for e in line.kept)


@each_kind(lambda name, kind: kind.reads)
def test_what_a_person_deleted_is_absent_or_deleted(world: World, kind: str) -> None:
    ref, _, _ = make(world, kind)
    world.person_deletes(ref)
    seen = observe(world, ref)
    assert seen.state in ("absent", "deleted")
    assert seen.ref == ref


@each_kind(lambda name, kind: kind.edits and kind.reads)
def test_a_write_to_what_is_gone_is_refused(world: World, kind: str) -> None:
    ref, _, _ = make(world, kind)
    before = observe(world, ref)
    fields = world.adapter.capabilities.kinds[kind].fields
    writable = next(n for n, c in fields.items() if c.write == "always" and c.read and n != "deleted")
    world.person_deletes(ref)
    with pytest.raises(VendorError) as raised:
        write(world, ref, before, **{writable: world.another(kind, writable, before.fields[writable])})
    assert isinstance(raised.value, Refused)
    assert observe(world, ref).state in ("absent", "deleted"), "and it does not come back by that"


@each_world(lambda c: any(name != INCIDENT and k.create for name, k in c.kinds.items()))
def test_a_child_of_nobody_is_refused(world: World) -> None:
    """A vendor with threads cannot place it; one without threads posts it as its own message."""
    for name, kind in world.adapter.capabilities.kinds.items():
        if name != INCIDENT and kind.create and kind.reads:
            with pytest.raises(Refused):
                world.adapter.create(replace(world.sample(name), parent=None), fresh_mark(world, name))
