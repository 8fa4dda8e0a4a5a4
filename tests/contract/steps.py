"""Steps that the suite shares, by the adapter protocol alone: create, wait, read, change, poll."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

from hub.domain import plan
from hub.domain.capability import FieldCapability
from hub.domain.values import Changed, Desired, Fields, Json, Mark, Observation, Ref, Update, Written
from tests.contract.world import World

_keys = itertools.count(1)


def fresh_mark(world: World, kind: str, parent: Ref | None = None) -> Mark:
    """A mark that no other create has."""
    return Mark(kind, f"c0ntract{next(_keys):06d}", world.clock.now(), parent)


def wait(world: World) -> None:
    """Waits until writes must be visible."""
    world.sandbox.settle()
    lags = world.adapter.capabilities
    world.clock.advance(max(lags.read_lag, lags.find_lag))


def post(world: World, kind: str, **fields: Json) -> tuple[Written, Desired, Mark]:
    """Creates an object. fields: replace those of the world's sample."""
    sample = world.sample(kind)
    desired = replace(sample, fields={**sample.fields, **fields})
    mark = fresh_mark(world, kind, desired.parent)
    return world.adapter.create(desired, mark), desired, mark


def make(world: World, kind: str, **fields: Json) -> tuple[Ref, Desired, Mark]:
    """Creates an object that has an id, as every readable kind has, and waits until it is found."""
    written, desired, mark = post(world, kind, **fields)
    assert written.ref is not None
    wait(world)
    return written.ref, desired, mark


def observe(world: World, ref: Ref) -> Observation:
    """What a read shows after the vendor's read lag."""
    world.sandbox.settle()
    world.clock.advance(world.adapter.capabilities.read_lag)
    return world.adapter.observe(ref)


def capability(world: World, kind: str, field: str) -> FieldCapability:
    return world.adapter.capabilities.kinds[kind].fields[field]


def write(world: World, ref: Ref, shown: Observation, **wanted: Json) -> Written:
    """Writes new values of fields, in the form that the engine sends."""
    kind = world.adapter.capabilities.kinds[ref.kind]
    changes = plan.request(wanted, shown.fields, kind)
    return world.adapter.update(ref, Update(changes, {**shown.fields, **wanted}, shown.version))


def same(one: Json, other: Json, many: str = "") -> bool:
    """Whether two values of a field are equal; a set has no order."""
    if many == "set" and isinstance(one, list) and isinstance(other, list):
        return sorted(map(str, one)) == sorted(map(str, other))
    return bool(one == other)


def differing(world: World, kind: str, one: Fields, other: Fields) -> set[str]:
    """The fields in which two observations of an object differ."""
    declared = world.adapter.capabilities.kinds[kind].fields
    return {n for n, c in declared.items() if c.read and not same(one.get(n), other.get(n), c.many)}


def poll(world: World, cursor: Json | None) -> tuple[list[Changed], Json]:
    """The whole result of one poll. The cursor is converted to JSON and back, as when the hub stores it."""
    items: list[Changed] = []
    for _ in range(20):
        changes = world.adapter.changed_since(json.loads(json.dumps(cursor)))
        items += changes.items
        cursor = changes.cursor
        if not changes.more:
            return items, cursor
    raise AssertionError("a poll that does not end")


def named(items: list[Changed]) -> set[Ref]:
    """The objects that a poll names: those listed, and their parents."""
    refs = {item.ref for item in items}
    return refs | {Ref("incident", ref.parent) for ref in refs if ref.parent}


def words(value: Any) -> str:
    """A value as text, to search for what must not be in it."""
    return json.dumps(value, ensure_ascii=False, default=str)
