"""Every call of the adapter protocol that reaches the vendor, prepared so that it can be made once, in any world."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from hub.domain import plan
from hub.domain.errors import Refused
from hub.domain.values import INCIDENT, Ref, Update
from hub.ports import Historian, LinksBack, PartialReads, Probes, Subscribes, Walks
from tests.contract.cases import DECLARED, WORLDS, findable, speaks
from tests.contract.line import Exchange, Line
from tests.contract.steps import fresh_mark, make, observe, poll, wait
from tests.contract.world import World

Call = Callable[[], Any]
Prepare = Callable[[World], Call]


@dataclass(frozen=True)
class Op:
    """One call. writes: it may change something at the vendor. again: it may be repeated without harm, so that "retry later" is a
    correct error even after a part of it took effect. prepare: makes everything that the call needs."""

    name: str
    prepare: Prepare
    writes: bool = False
    again: bool = False


def ops(world: str) -> Iterator[Op]:
    """All calls that this world's adapter offers."""
    declared = DECLARED[world]
    for name, kind in declared.kinds.items():
        if kind.create:
            yield Op(f"create {name}", _create(name), writes=True)
        if kind.reads:
            yield Op(f"observe {name}", _observe(name))
        if findable(kind):
            yield Op(f"find {name}", _find(name))
        if kind.edits and kind.reads:
            yield from _updates(world, name)
        if kind.deletes:
            yield Op(f"delete {name}", _delete(name), writes=True, again=True)
        for field, c in kind.fields.items():
            if c.walks:
                yield Op(f"walk {name}.{field}", _walk(name, field))
    if any(kind.reads for kind in declared.kinds.values()):
        yield Op("first poll", _poll(first=True))
        yield Op("poll", _poll(first=False))
    if speaks(world, Historian):
        yield Op("history", _history)
    if speaks(world, PartialReads):
        yield Op("read_fields", _read_fields)
    if speaks(world, LinksBack) and rehearsed(world, Op("link back", _link_back)):  # a setting may disable it
        yield Op("link back", _link_back, writes=True, again=True)
    if speaks(world, Probes):
        probe = Op("probe", lambda world: world.adapter.probe)  # type: ignore[attr-defined]
        yield from [probe] if rehearsed(world, probe) else []  # it may make no request
    if speaks(world, Subscribes):
        anew = Op("subscribe anew", _subscribe_anew, writes=True, again=True)
        with suppress(Refused):  # the vendor has room for one subscription only
            yield from [anew] if rehearsed(world, anew) else []
        yield Op("subscribe again", _subscribe_again, writes=True, again=True)
        yield Op("renew", _renew, writes=True, again=True)


def _updates(world: str, kind: str) -> Iterator[Op]:
    """One update for each set of requests: of fields that are written by the same requests one is enough."""
    ways = set()
    for field, c in DECLARED[world].kinds[kind].fields.items():
        if c.write == "always" and field != "deleted":
            op = Op(f"update {kind}.{field}", _update(kind, field), writes=True)
            way = tuple((e.method, re.sub(r"[^/]*[0-9][^/]*", "#", e.path)) for e in rehearsed(world, op))
            if way not in ways:
                ways.add(way)
                yield op


def each_op(wanted: Callable[[Op], bool] = lambda op: True) -> pytest.MarkDecorator:
    """Parametrises test(world's name, op). A test makes its own worlds: one for the rehearsal, one for each disturbed exchange."""
    cases = [pytest.param(w, op, id=f"{w}:{op.name}") for w in WORLDS for op in ops(w) if wanted(op)]
    return pytest.mark.parametrize(("name", "op"), cases)


_rehearsed: dict[tuple[str, str], tuple[list[Exchange], Any]] = {}


def _rehearse(name: str, op: Op) -> tuple[list[Exchange], Any]:
    if (name, op.name) not in _rehearsed:
        _, call, line = prepared(name, op)
        result = call()
        _rehearsed[name, op.name] = (list(line.kept), result)
    return _rehearsed[name, op.name]


def rehearsed(name: str, op: Op) -> list[Exchange]:
    """The exchanges of this call without a fault, made in its own world. Worlds are deterministic: the next one makes the
    same exchanges."""
    return _rehearse(name, op)[0]


def answered(name: str, op: Op) -> Any:
    """The result of this call without a fault."""
    return _rehearse(name, op)[1]


def prepared(name: str, op: Op) -> tuple[World, Call, Line]:
    """A fresh world, a prepared call, and the line between adapter and stand-in."""
    world = WORLDS[name]()
    call = op.prepare(world)
    wait(world)
    line = Line(world)
    return world, call, line


def _create(kind: str) -> Prepare:
    def prepare(world: World) -> Call:
        if kind == INCIDENT and world.adapter.capabilities.kinds[kind].reads:
            make(world, kind)  # loads what is fetched only once (a token, the names of priorities)
        desired = world.sample(kind)
        mark = fresh_mark(world, kind, desired.parent)
        return lambda: world.adapter.create(desired, mark)

    return prepare


def _observe(kind: str) -> Prepare:
    def prepare(world: World) -> Call:
        ref, _, _ = make(world, kind)
        observe(world, ref)
        return lambda: world.adapter.observe(ref)

    return prepare


def _find(kind: str) -> Prepare:
    def prepare(world: World) -> Call:
        _, _, mark = make(world, kind)
        return lambda: world.adapter.find(mark)

    return prepare


def _update(kind: str, field: str) -> Prepare:
    def prepare(world: World) -> Call:
        ref, _, _ = make(world, kind)
        shown = observe(world, ref)
        value = world.another(kind, field, shown.fields[field])
        changes = plan.request({field: value}, shown.fields, world.adapter.capabilities.kinds[kind])
        update = Update(changes, {**shown.fields, field: value}, shown.version)
        return lambda: world.adapter.update(ref, update)

    return prepare


def _delete(kind: str) -> Prepare:
    def prepare(world: World) -> Call:
        ref, _, _ = make(world, kind)
        shown = observe(world, ref)
        update = Update({"deleted": True}, {**shown.fields, "deleted": True}, shown.version)
        return lambda: world.adapter.update(ref, update)

    return prepare


def _walk(kind: str, field: str) -> Prepare:
    def prepare(world: World) -> Call:
        ref, _, _ = make(world, kind)
        now = observe(world, ref).fields[field]
        target = world.another(kind, field, now)
        assert isinstance(world.adapter, Walks)
        adapter: Walks = world.adapter
        return lambda: adapter.walk(ref, field, now, target)

    return prepare


def _poll(*, first: bool) -> Prepare:
    def prepare(world: World) -> Call:
        make(world, INCIDENT)
        person: Ref = world.person_makes(INCIDENT)
        wait(world)
        _, cursor = poll(world, None)
        observe(world, person)
        return lambda: world.adapter.changed_since(None if first else cursor)

    return prepare


def _read_fields(world: World) -> Call:
    ref, _, _ = make(world, INCIDENT)
    assert isinstance(world.adapter, PartialReads)
    adapter: PartialReads = world.adapter
    return lambda: adapter.read_fields(ref)


def _history(world: World) -> Call:
    ref, _, _ = make(world, INCIDENT)
    assert isinstance(world.adapter, Historian)
    adapter: Historian = world.adapter
    _, position = adapter.history(ref, None)
    world.person_edits(ref, "status", world.another(INCIDENT, "status", observe(world, ref).fields["status"]))
    return lambda: adapter.history(ref, position)


def _link_back(world: World) -> Call:
    ref, _, _ = make(world, INCIDENT)
    assert isinstance(world.adapter, LinksBack)
    adapter: LinksBack = world.adapter
    url = "https://hub.example.com/incidents/INC-1"
    links = [{"title": "OPS-7", "url": "https://tracker.example.com/OPS-7", "system": "jira"}]
    return lambda: adapter.link_back(ref, {"number": "INC-1", "url": url, "links": links})


def _subscribe_anew(world: World) -> Call:
    assert isinstance(world.adapter, Subscribes)
    adapter: Subscribes = world.adapter
    return lambda: adapter.subscribe("https://hub.example.com/webhooks/another", world.secrets)


def _hook(world: World) -> str:
    """The URL to which this world's vendor sends its webhooks."""
    make(world, INCIDENT)
    return world.sandbox.outgoing[0].url


def _subscribe_again(world: World) -> Call:
    assert isinstance(world.adapter, Subscribes)
    adapter: Subscribes = world.adapter
    url = _hook(world)
    return lambda: adapter.subscribe(url, world.secrets)


def _renew(world: World) -> Call:
    assert isinstance(world.adapter, Subscribes)
    adapter: Subscribes = world.adapter
    kept = adapter.subscribe(_hook(world), world.secrets)
    return lambda: adapter.renew(kept, world.secrets)
