"""A create happens once, protected as declared, whatever happens to the vendor's answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.domain.capability import CreateSafety
from hub.domain.errors import OutcomeUnknown
from hub.domain.values import INCIDENT, Desired, Mark, Observation, Written
from hub.ports import KnowsIds
from tests.contract.cases import WORLDS, each_kind, each_world, findable
from tests.contract.line import Line, late, later, lost
from tests.contract.steps import differing, fresh_mark, make, observe, post, wait, words
from tests.contract.world import World


def _fresh(world: World) -> World:
    return WORLDS[world.name]()


def _prepared(world: World, kind: str) -> tuple[Line, Desired, Mark]:
    """Prepares one create; the line counts exchanges from here."""
    desired = world.sample(kind)
    mark = fresh_mark(world, kind, desired.parent)
    wait(world)
    line = Line(world)
    return line, desired, mark


def _creating_exchange(world: World, kind: str) -> int:
    """The number of the exchange that creates, found by a rehearsal in another world."""
    line, desired, mark = _prepared(_fresh(world), kind)
    line.world.adapter.create(desired, mark)
    return next(n for n, exchange in enumerate(line.kept) if exchange.writes)


def _found(world: World, mark: Mark) -> list[Observation]:
    wait(world)
    return [o for o in world.adapter.find(mark) if o.state == "present"]


@each_world(lambda c: c.kinds[INCIDENT].reads)
def test_a_path_is_no_id_and_what_was_created_has_one(world: World) -> None:
    """A mistyped id is refused with a message; an existing id is not."""
    assert isinstance(world.adapter, KnowsIds)
    ref, _, _ = make(world, INCIDENT)
    assert world.adapter.no_id(ref.id) is None
    for wrong in ("../../secret", "", " ", "1/2", "1?x", f"{ref.id}\n", "\N{SUPERSCRIPT ONE}"):
        assert "is no id of" in (world.adapter.no_id(wrong) or "")


@each_kind(lambda name, kind: findable(kind))
def test_find_shows_exactly_what_was_created_with_the_mark(world: World, kind: str) -> None:
    desired = world.sample(kind)
    mark = fresh_mark(world, kind, desired.parent)
    assert not world.adapter.find(mark), "nothing has this mark yet"
    written = world.adapter.create(desired, mark)
    assert [(o.ref, o.mark) for o in _found(world, mark)] == [(written.ref, mark.key)]
    assert not world.adapter.find(fresh_mark(world, kind, desired.parent)), "and nothing has another one"
    assert not world.adapter.find(replace(mark, key=mark.key[:-1])), "nor the beginning of it"


@each_kind(lambda name, kind: findable(kind) and kind.reads)
def test_find_shows_what_a_read_shows(world: World, kind: str) -> None:
    ref, _, mark = make(world, kind)
    (found,) = _found(world, mark)
    seen = observe(world, ref)
    assert not differing(world, kind, found.fields, seen.fields)
    assert found.created_at == seen.created_at


@each_kind(lambda name, kind: findable(kind) and kind.reads)
def test_the_answer_to_a_create_is_what_a_read_shows(world: World, kind: str) -> None:
    written, _, mark = post(world, kind)
    assert not written.existed
    assert written.ref is not None
    seen = observe(world, written.ref)
    assert seen.mark == mark.key
    assert written.url is None or written.url == seen.url
    if written.observation:
        assert (written.observation.ref, written.observation.mark) == (written.ref, mark.key)
        assert not differing(world, kind, written.observation.fields, seen.fields)


@each_kind(lambda name, kind: findable(kind))
def test_what_was_created_is_found_although_its_answer_was_lost(world: World, kind: str) -> None:
    number = _creating_exchange(world, kind)
    line, desired, mark = _prepared(world, kind)
    line.spoil(number, late)
    with pytest.raises(OutcomeUnknown):
        world.adapter.create(desired, mark)
    assert [o.mark for o in _found(world, mark)] == [mark.key]


@each_kind(lambda name, kind: findable(kind))
def test_what_lands_late_is_found_once_it_has_landed(world: World, kind: str) -> None:
    number = _creating_exchange(world, kind)
    line, desired, mark = _prepared(world, kind)
    line.spoil(number, later)
    with pytest.raises(OutcomeUnknown):
        world.adapter.create(desired, mark)
    assert not world.adapter.find(mark), "it has not landed yet"
    world.clock.advance(world.adapter.capabilities.request_limit)
    assert [o.mark for o in _found(world, mark)] == [mark.key]


@each_kind(lambda name, kind: findable(kind))
def test_what_never_arrived_is_not_found_and_the_next_create_is_the_only_one(world: World, kind: str) -> None:
    number = _creating_exchange(world, kind)
    line, desired, mark = _prepared(world, kind)
    line.spoil(number, lost)
    with pytest.raises(OutcomeUnknown):
        world.adapter.create(desired, mark)
    assert not _found(world, mark)
    written = world.adapter.create(desired, mark)
    assert not written.existed
    assert [o.ref for o in _found(world, mark)] == [written.ref]


@each_kind(lambda name, kind: kind.create is CreateSafety.IDEMPOTENT)
def test_an_idempotent_create_done_twice_makes_one_object_and_says_so(world: World, kind: str) -> None:
    written, desired, mark = post(world, kind)
    wait(world)
    again: Written = world.adapter.create(desired, mark)
    assert again.existed
    assert again.ref == written.ref
    assert [o.ref for o in _found(world, mark)] == [written.ref]


@each_kind(lambda name, kind: kind.create is CreateSafety.FINDABLE)
def test_duplicates_are_all_found_oldest_first(world: World, kind: str) -> None:
    """A create that takes effect late, after a second one: both must be found, so that one can be closed."""
    number = _creating_exchange(world, kind)
    line, desired, mark = _prepared(world, kind)
    line.spoil(number, later)
    with pytest.raises(OutcomeUnknown):
        world.adapter.create(desired, mark)
    written = world.adapter.create(desired, mark)
    world.clock.advance(1)
    found = _found(world, mark)
    assert len(found) == 2
    assert found[0].ref == written.ref
    assert {o.mark for o in found} == {mark.key}


@each_kind(lambda name, kind: kind.create is CreateSafety.NEITHER)
def test_what_has_neither_key_nor_mark_is_never_found(world: World, kind: str) -> None:
    """Nothing protects its create: this must be declared, so that the hub decides by the kind of message."""
    _, _, mark = post(world, kind)
    assert not _found(world, mark)


@each_kind(lambda name, kind: findable(kind) and kind.reads)
def test_our_mark_never_shows_in_a_field(world: World, kind: str) -> None:
    """Neither in a read, nor among its siblings, nor in a list, nor in the vendor's answers to our writes."""
    written, _, mark = post(world, kind)
    assert written.ref is not None
    seen = observe(world, written.ref)
    shown = [seen, *_found(world, mark), *([written.observation] if written.observation else [])]
    if seen.ref.parent:
        shown.append(observe(world, type(seen.ref)("incident", seen.ref.parent)))
    shown += [c.observation for c in world.adapter.changed_since(None).items if c.observation]
    for one in shown:
        for part in (one, *one.children):
            assert mark.key not in words(dict(part.fields)), f"the mark stands in {part.ref}"
            assert "[ls:" not in words(dict(part.fields))
