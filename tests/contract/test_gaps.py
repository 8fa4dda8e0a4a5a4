"""A person's edit between our last read and our write: shown by the history, or our write is refused, or declared a blind window."""

from __future__ import annotations

import json

import pytest

from hub.domain.capability import FieldCapability, Gap
from hub.domain.errors import Refused
from hub.domain.values import Json, Ref
from hub.ports import Historian
from tests.contract.cases import each_field, each_world, speaks
from tests.contract.steps import capability, make, observe, same, wait, write
from tests.contract.world import World


def _guarded(kind: str, field: str, capability: FieldCapability) -> bool:
    return capability.write == "always" and capability.gap is not Gap.BLIND


@each_field(_guarded, by_people=True)
def test_an_edit_in_the_gap_is_told_or_our_write_is_refused(world: World, kind: str, field: str) -> None:
    declared = capability(world, kind, field)
    ref, _, _ = make(world, kind)
    before = observe(world, ref)
    assert declared.gap is Gap.CONDITIONAL or isinstance(world.adapter, Historian)
    position = _position(world, ref) if declared.gap is Gap.HISTORY else None
    theirs = world.another(kind, field, before.fields[field])
    world.person_edits(ref, field, theirs)
    ours = world.another(kind, field, theirs)
    if declared.gap is Gap.CONDITIONAL:
        with pytest.raises(Refused) as refused:
            write(world, ref, before, **{field: ours})
        assert refused.value.field == "version"
        assert same(observe(world, ref).fields[field], theirs, declared.many)
        return
    write(world, ref, before, **{field: ours})
    wait(world)
    assert isinstance(world.adapter, Historian)
    told, after = world.adapter.history(ref, position)
    steps = [c for c in told if c.field == field]
    assert same(steps[0].before, before.fields[field], declared.many), "what it was when we read"
    assert same(steps[0].after, theirs, declared.many), "what the person made of it"
    assert same(steps[-1].after, observe(world, ref).fields[field], declared.many), "what it is now"
    assert len({c.id for c in told}) == len(told), "each entry has an id of its own"
    assert world.adapter.history(ref, json.loads(json.dumps(after)))[0] == type(told)(), "each entry is told once"


def _position(world: World, ref: Ref) -> Json:
    """The current position in the history, as the hub stores it."""
    assert isinstance(world.adapter, Historian)
    told, position = world.adapter.history(ref, None)
    assert not list(told), "without a position there is no news"
    return json.loads(json.dumps(position))


@each_world(lambda c: True)
def test_who_declares_a_history_has_one(world: World) -> None:
    kinds = world.adapter.capabilities.kinds.values()
    declared = any(field.gap is Gap.HISTORY for kind in kinds for field in kind.fields.values())
    assert declared == speaks(world.name, Historian)


@each_field(lambda kind, field, c: c.write == "always" and c.gap is Gap.HISTORY)
def test_the_history_of_an_unchanged_object_is_silent(world: World, kind: str, field: str) -> None:
    ref, _, _ = make(world, kind)
    position = _position(world, ref)
    wait(world)
    assert isinstance(world.adapter, Historian)
    assert not list(world.adapter.history(ref, position)[0])
