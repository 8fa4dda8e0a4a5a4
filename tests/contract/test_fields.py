"""Every declared field behaves as declared: shown, written, limited, moved, walked through a workflow."""

from __future__ import annotations

import pytest

from hub.domain import plan
from hub.domain.capability import FieldCapability
from hub.domain.incident import FIELDS, STATUSES
from hub.domain.values import INCIDENT, Ref
from hub.domain.vocabulary import UnknownWord
from hub.ports import Walks
from tests.contract.cases import NOBODY, each_field, each_kind, each_world, findable, speaks
from tests.contract.line import Line
from tests.contract.steps import capability, differing, make, observe, post, same, wait, write
from tests.contract.world import World

OWN = "deleted"
"""A field with its own rules: see test_children."""


def _shown(kind: str, field: str, capability: FieldCapability) -> bool:
    return capability.read and field != OWN


def _changeable(kind: str, field: str, capability: FieldCapability) -> bool:
    return capability.read and capability.write == "always" and field != OWN


def _born(kind: str, field: str, capability: FieldCapability) -> bool:
    return capability.read and capability.write != "never" and not capability.walks and field != OWN


@each_kind(lambda name, kind: kind.reads)
def test_an_observation_has_a_value_for_each_readable_field_and_for_no_other(world: World, kind: str) -> None:
    declared = world.adapter.capabilities.kinds[kind].fields
    ref, _, mark = make(world, kind)
    seen = observe(world, ref)
    assert set(seen.fields) == {name for name, c in declared.items() if c.read}
    assert (seen.state, seen.ref, seen.mark) == ("present", ref, mark.key)


@each_world(lambda c: True)
def test_every_field_that_the_engine_may_write_has_a_relation_of_its_own(world: World) -> None:
    """A field without a relation is read for other purposes (reactions) and never written."""
    for kind, declared in world.adapter.capabilities.kinds.items():
        for name, field in declared.fields.items():
            related = name in world.adapter.relations.get(kind, {})
            assert related or field.write in ("never", "create") or not declared.edits, f"{kind}.{name}"
            assert not related or name in FIELDS[kind], f"{kind}.{name} is no field of ours"


@each_field(_born)
def test_what_a_create_writes_is_shown_by_a_read(world: World, kind: str, field: str) -> None:
    ref, desired, _ = make(world, kind)
    assert field in desired.fields, "the world's sample leaves out a field that a create can write"
    assert same(observe(world, ref).fields[field], desired.fields[field], capability(world, kind, field).many)


@each_field(_changeable)
def test_an_update_changes_its_field_and_nothing_else(world: World, kind: str, field: str) -> None:
    ref, _, mark = make(world, kind)
    before = observe(world, ref)
    value = world.another(kind, field, before.fields[field])
    written = write(world, ref, before, **{field: value})
    after = observe(world, ref)
    assert same(after.fields[field], value, capability(world, kind, field).many)
    declared = world.adapter.capabilities.kinds[kind].fields
    by_itself = {name for name, c in declared.items() if c.consequence}
    assert differing(world, kind, before.fields, after.fields) - by_itself <= {field}
    assert written.ref == ref
    if findable(world.adapter.capabilities.kinds[kind]):
        assert [o.ref for o in world.adapter.find(mark)] == [ref], "our mark survives our own edits"
    if written.observation:
        assert not differing(world, kind, written.observation.fields, after.fields), (
            "a write's answer is an observation"
        )


@each_field(_shown, by_people=True)
def test_a_persons_edit_is_seen(world: World, kind: str, field: str) -> None:
    ref, _, _ = make(world, kind)
    before = observe(world, ref)
    value = world.another(kind, field, before.fields[field])
    world.person_edits(ref, field, value)
    after = observe(world, ref)
    assert same(after.fields[field], value, capability(world, kind, field).many)
    if kind == INCIDENT:
        assert after.mark == before.mark, "an edit by a person leaves our mark where it is"
    assert after.version is None or after.version != before.version, "a repeat could not be told from news"


@pytest.mark.parametrize(("world", "kind"), list(NOBODY), indirect=["world"])
def test_what_nobody_else_can_edit_is_so_indeed(world: World, kind: str) -> None:
    ref, _, _ = make(world, kind)
    before = observe(world, ref)
    for field, declared in world.adapter.capabilities.kinds[kind].fields.items():
        if declared.write != "never" and field != OWN:
            with pytest.raises(NotImplementedError):
                world.person_edits(ref, field, world.another(kind, field, before.fields[field]))
    assert not differing(world, kind, before.fields, observe(world, ref).fields)


@each_field(lambda kind, field, c: c.write != "never" and c.max_length is not None)
def test_the_declared_length_is_taken_and_kept_whole(world: World, kind: str, field: str) -> None:
    most = capability(world, kind, field).max_length
    assert most is not None
    text = ("Wort für Wort, " * (most // 10))[: most - 1] + "!"
    relation = world.adapter.relations[kind][field]
    assert len(relation.forward(text + text, None)) <= most, "the relation cuts where the vendor would refuse"
    assert relation.forward(text, None) == text
    if not world.adapter.capabilities.kinds[kind].reads:
        post(world, kind, **{field: text})
        return
    ref, _, _ = make(world, kind, **{field: text})
    shown = observe(world, ref)
    assert shown.fields[field] == text
    if capability(world, kind, field).write == "always":
        other = "?" + text[1:]
        write(world, ref, shown, **{field: other})
        assert observe(world, ref).fields[field] == other


# ---------------------------------------------------------------- a status that has legal moves


@each_field(lambda kind, field, c: c.moves is not None)
def test_every_declared_move_works(world: World, kind: str, field: str) -> None:
    moves = capability(world, kind, field).moves
    assert moves
    for before, after in sorted(moves):
        ref, _, _ = make(world, kind)
        for step in _way(moves, observe(world, ref).fields[field], before):
            write(world, ref, observe(world, ref), **{field: step})
        shown = observe(world, ref)
        assert shown.fields[field] == before
        write(world, ref, shown, **{field: after})
        assert observe(world, ref).fields[field] == after, f"{before} → {after}"


def _way(moves: frozenset[tuple[str, str]], now: str, target: str) -> list[str]:
    """The shortest path by declared moves."""
    ways: dict[str, list[str]] = {now: []}
    queue = [now]
    while queue:
        word = queue.pop(0)
        for before, after in sorted(moves):
            if before == word and after not in ways:
                ways[after] = [*ways[word], after]
                queue.append(after)
    assert target in ways, f"no object can ever be {target!r}, so nothing moves from there"
    return ways[target]


@each_field(lambda kind, field, c: c.moves is not None)
def test_a_move_that_is_not_declared_is_never_planned(world: World, kind: str, field: str) -> None:
    declared = world.adapter.capabilities.kinds[kind]
    relations = world.adapter.relations[kind]
    moves = declared.fields[field].moves
    assert moves
    for now in sorted({word for pair in moves for word in pair}):
        for ours in STATUSES:
            planned = plan.plan({field: ours}, plan.Shown({field: now}), declared, relations)
            if relations[field].fits(ours, now):
                assert not planned.changes
                assert not planned.notes
            elif field in planned.changes:
                assert (now, planned.changes[field]) in moves
                assert relations[field].fits(ours, planned.changes[field])
            else:
                assert planned.notes[field], "what cannot be expressed is said"


# ---------------------------------------------------------------- a status that walks


@each_field(lambda kind, field, c: c.walks)
def test_a_walk_leads_to_its_end_by_steps_that_each_work(world: World, kind: str, field: str) -> None:
    """From an object's first status to every status of the hub; at least one of them takes several steps."""
    assert isinstance(world.adapter, Walks)
    relation, lengths = world.adapter.relations[kind][field], set()
    for ours in STATUSES:
        ref, _, _ = make(world, kind)
        shown = observe(world, ref)
        try:
            target = relation.forward(ours, shown.fields[field])
        except UnknownWord:
            continue
        line = Line(world)
        steps = world.adapter.walk(ref, field, shown.fields[field], target)
        assert not line.writes, "finding the way changes nothing"
        if target == shown.fields[field]:
            assert list(steps) in ([], [target])
            continue
        assert steps, f"no way from {shown.fields[field]!r} to {target!r}"
        assert steps[-1] == target
        for step in steps:
            write(world, ref, observe(world, ref), **{field: step})
            assert observe(world, ref).fields[field] == step
        lengths.add(len(steps))
    assert max(lengths) > 1


@each_field(lambda kind, field, c: c.walks)
def test_a_create_leaves_a_walking_field_where_the_workflow_begins(world: World, kind: str, field: str) -> None:
    born, _, _ = make(world, kind)
    first = observe(world, born).fields[field]
    ref, _, _ = make(world, kind, **{field: world.another(kind, field, first)})
    assert observe(world, ref).fields[field] == first


@each_world(lambda c: True)
def test_who_declares_a_walk_can_tell_the_way(world: World) -> None:
    declared = world.adapter.capabilities.kinds.values()
    walking = any(field.walks for kind in declared for field in kind.fields.values())
    assert walking == speaks(world.name, Walks)


@each_kind(lambda name, kind: kind.reads)
def test_an_object_that_a_person_made_is_read_as_theirs(world: World, kind: str) -> None:
    parent = None if kind == INCIDENT else world.person_makes(INCIDENT)
    ref: Ref = world.person_makes(kind, parent)
    wait(world)
    seen = observe(world, ref)
    assert (seen.state, seen.ref, seen.mark) == ("present", ref, None)
    readable = {name for name, c in world.adapter.capabilities.kinds[kind].fields.items() if c.read}
    assert set(seen.fields) <= readable
    assert seen.fields or not world.adapter.capabilities.kinds[kind].adoptable


@each_field(lambda kind, field, c: kind != INCIDENT and _shown(kind, field, c))
def test_a_persons_edit_of_what_a_person_wrote_is_seen(world: World, kind: str, field: str) -> None:
    ref = world.person_makes(kind, world.person_makes(INCIDENT))
    before = observe(world, ref)
    value = world.another(kind, field, before.fields[field])
    world.person_edits(ref, field, value)
    after = observe(world, ref)
    assert same(after.fields[field], value, capability(world, kind, field).many)
    assert after.version is None or after.version != before.version
