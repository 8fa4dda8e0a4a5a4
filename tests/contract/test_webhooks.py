"""Webhooks: those with an invalid signature are refused and no others, a secret is rotated without an outage, and each authentic
webhook names its object. None of it calls the vendor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from hub.domain.errors import InvalidSignature
from hub.domain.values import INCIDENT, Hint, Ref, Request
from hub.ports import Adapter
from tests.contract.cases import NOBODY, WORLDS, each_field, each_kind, each_world, fields
from tests.contract.steps import make, observe, wait
from tests.contract.world import MemorySecrets, World


def _some(world: World) -> Sequence[Request]:
    """Webhooks of a short incident; for a vendor without webhooks, a request that looks like one."""
    _life(world)
    sent = world.webhooks()
    if sent:
        return sent
    return [Request("POST", "/webhooks/connection", {}, {"content-type": "application/json"}, b"{}", world.clock.now())]


def _life(world: World) -> None:
    ref = world.person_makes(INCIDENT)
    for kind, declared in world.adapter.capabilities.kinds.items():
        if kind != INCIDENT and declared.reads:
            world.person_makes(kind, ref)
    declared = world.adapter.capabilities.kinds[INCIDENT]
    if declared.reads and (world.name, INCIDENT) not in NOBODY:
        seen = observe(world, ref)
        for field, capability in declared.fields.items():
            if capability.read and field in seen.fields and capability.write != "never":
                world.person_edits(ref, field, world.another(INCIDENT, field, seen.fields[field]))
    elif declared.reads:
        make(world, INCIDENT)


def _told(world: World, requests: Sequence[Request]) -> list[Hint]:
    """The hints of authentic webhooks; asserts that all are accepted."""
    found: list[Hint] = []
    for request in requests:
        assert world.adapter.authenticate(request, world.secrets)
        found += world.adapter.hints(request)
    return found


def _around(ref: Ref) -> set[Ref]:
    return {ref, Ref(INCIDENT, ref.parent)} if ref.parent else {ref}


# ---------------------------------------------------------------- authentication


@each_world(lambda c: c.webhooks != "none")
def test_every_webhook_of_the_vendor_is_believed(world: World) -> None:
    if not any(kind.reads for kind in world.adapter.capabilities.kinds.values()):
        return  # a route that only posts has no webhooks
    requests = _some(world)
    ids = [world.adapter.authenticate(request, world.secrets) for request in requests]
    assert all(ids)
    assert all(len(id) <= 256 for id in ids)
    bodies = {(r.path, r.body) for r in requests}
    assert len(set(ids)) == len(bodies), "each delivery has an id of its own"


@each_world(lambda c: c.webhooks != "none")
def test_a_repeated_delivery_has_the_same_id(world: World) -> None:
    """Also if it arrives later, with other headers."""
    for request in _some(world):
        if not _believed(world.adapter, request, world.secrets):
            continue
        first = world.adapter.authenticate(request, world.secrets)
        world.clock.advance(60)
        again = replace(
            request,
            received_at=world.clock.now(),
            headers={**request.headers, "user-agent": "another", "x-retry": "1"},
        )
        assert world.adapter.authenticate(again, world.secrets) == first


@each_world()
def test_a_request_with_an_invalid_signature_is_refused_whatever_is_wrong_with_it(world: World) -> None:
    """Only InvalidSignature is raised, and its text does not reveal the right value."""
    for request in _some(world):
        try:
            wrong = list(world.badly_signed(request))
        except (KeyError, ValueError, IndexError):
            continue  # a request to a route without webhooks has no signature to falsify
        assert wrong
        for what, badly_signed in wrong:
            with pytest.raises(InvalidSignature) as raised:
                world.adapter.authenticate(badly_signed, world.secrets)
            told = str(raised.value) + repr(raised.value)
            for values in world.secrets.values.values():
                assert not any(value in told for value in values), what


@each_world()
def test_without_a_secret_nothing_is_believed(world: World) -> None:
    """A connection without a secret accepts nothing; neither does one with an empty secret."""
    requests = _some(world)
    empty = MemorySecrets(**dict.fromkeys(world.secrets.values, ""))
    for request in requests:
        for secrets in (MemorySecrets(), empty):
            with pytest.raises(InvalidSignature):
                world.adapter.authenticate(request, secrets)


@each_world(lambda c: c.webhooks != "none")
def test_while_a_secret_is_rotated_both_are_believed(world: World) -> None:
    before = [r for r in _some(world) if _believed(world.adapter, r, world.secrets)]
    world.rotate()
    world.person_makes(INCIDENT)
    after = world.webhooks()
    for request in (*before, *after):
        assert world.adapter.authenticate(request, world.secrets)
    assert bool(before) == bool(after)
    if after and before:
        newest = MemorySecrets(**{name: values[0] for name, values in world.secrets.values.items()})
        assert any(_believed(world.adapter, r, newest) for r in after)
        assert not any(_believed(world.adapter, r, newest) for r in before), "the old one is out once it is taken away"


def _believed(adapter: Adapter, request: Request, secrets: MemorySecrets) -> bool:
    try:
        return bool(adapter.authenticate(request, secrets))
    except InvalidSignature:
        return False


@each_world()
def test_nothing_of_it_calls_the_vendor(world: World) -> None:
    requests = _some(world)
    world.sandbox.calls.clear()
    for request in requests:
        if _believed(world.adapter, request, world.secrets):
            world.adapter.hints(request)
    assert world.adapter.relations is not None
    assert world.adapter.capabilities is not None
    assert world.sandbox.calls == []


# ---------------------------------------------------------------- hints


def _webhooks(world: World, act: Callable[[], object]) -> list[Hint]:
    """The hints of the webhooks that `act` causes."""
    wait(world)
    world.webhooks()
    act()
    wait(world)
    return _told(world, world.webhooks())


@each_kind(lambda name, kind: kind.reads)
def test_a_webhook_of_a_new_object_names_it(world: World, kind: str) -> None:
    parent = None if kind == INCIDENT else world.person_makes(INCIDENT)
    made: list[Ref] = []
    hints = _webhooks(world, lambda: made.append(world.person_makes(kind, parent)))
    if world.adapter.capabilities.webhooks == "none":
        assert not hints
        return
    about = {h.ref for h in hints if h.ref}
    assert about <= _around(made[0]), "and nothing else"
    assert about or all(h.ignored for h in hints), "what concerns nobody says why"
    if world.adapter.capabilities.kinds[kind].adoptable or kind != INCIDENT:
        assert about


@each_field(lambda kind, field, c: c.read and field != "deleted", by_people=True)
def test_a_webhook_of_a_persons_edit_names_the_object(world: World, kind: str, field: str) -> None:
    """A vendor may have no event for it: then polling finds it. An event that it sends names the object, or is ignored with a reason."""
    ref, _, _ = make(world, kind)
    value = world.another(kind, field, observe(world, ref).fields[field])
    hints = _webhooks(world, lambda: world.person_edits(ref, field, value))
    for hint in hints:
        assert hint.event
        assert (hint.ref in _around(ref)) or (hint.ref is None and (hint.ignored or hint.resync)), hint
        assert not hint.deleted


@each_kind(lambda name, kind: kind.reads)
def test_a_webhook_of_a_persons_deletion_says_so(world: World, kind: str) -> None:
    """If the vendor sends one at all."""
    ref, _, _ = make(world, kind)
    hints = _webhooks(world, lambda: world.person_deletes(ref))
    about = [h for h in hints if h.ref == ref]
    assert not about or any(h.deleted for h in about)
    assert all(h.ref in _around(ref) for h in hints if h.ref)
    assert all(h.ref == ref for h in hints if h.deleted), "the incident of a deleted comment is still there"


@pytest.mark.parametrize("name", sorted({name for name, _, _ in fields(lambda kind, field, c: c.read)}))
def test_a_vendor_that_declares_webhooks_sends_some(name: str) -> None:
    world = WORLDS[name]()
    _life(world)
    sent = world.webhooks()
    assert bool(sent) == (world.adapter.capabilities.webhooks != "none")
    hints = [h for request in sent for h in world.adapter.hints(request)]
    assert all(h.ref or h.ignored or h.resync or h.subscription or h.command for h in hints)
