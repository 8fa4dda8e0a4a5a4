"""Steps that the tests of the adapter share."""

from __future__ import annotations

from hub.domain.values import INCIDENT, UPDATE, Desired, Mark, Observation, Ref, Update
from tests.contract.worlds.statuspage import StatuspageWorld


def mark(world: StatuspageWorld, key: str = "abcdef01", kind: str = INCIDENT, parent: Ref | None = None) -> Mark:
    return Mark(kind, key, world.clock.now(), parent)


def created(world: StatuspageWorld, key: str = "abcdef01") -> Observation:
    seen = world.adapter.create(world.sample(INCIDENT), mark(world, key)).observation
    assert seen is not None
    return seen


def change(world: StatuspageWorld, ref: Ref, **changes: object) -> Observation:
    now = world.adapter.observe(ref)
    seen = world.adapter.update(ref, Update(changes, {**now.fields, **changes})).observation
    assert seen is not None
    return seen


def published(world: StatuspageWorld, ref: Ref, text: str, key: str) -> Ref:
    desired = Desired(UPDATE, {"text": text}, parent=ref, context={"status": "investigating"})
    made = world.adapter.create(desired, mark(world, key, UPDATE, ref)).ref
    assert made is not None
    return made


def writes(world: StatuspageWorld) -> list[str]:
    return [f"{method} {path.rsplit('/', 2)[-1]}" for method, path in world.sandbox.calls if method != "GET"]
