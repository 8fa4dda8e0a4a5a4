"""Steps that the adapter's tests share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hub.domain.values import COMMENT, INCIDENT, Desired, Mark, Ref
from tests.contract.worlds.jira import JiraWorld

KEY = "abcdef0123456789"


def edition(**settings: Any) -> JiraWorld:
    return JiraWorld(cloud=True, **settings)


def mark(world: JiraWorld, kind: str = INCIDENT, parent: Ref | None = None, key: str = KEY) -> Mark:
    return Mark(kind, key, world.clock.now(), parent)


def made(world: JiraWorld, **fields: Any) -> Ref:
    sample = world.sample(INCIDENT)
    ref = world.adapter.create(replace(sample, fields={**sample.fields, **fields}), mark(world)).ref
    assert ref is not None
    return ref


def said(world: JiraWorld, text: str = "Looking at it.", author: str | None = "Ada") -> tuple[Ref, Ref]:
    parent = world.person_makes(INCIDENT)
    desired = Desired(COMMENT, {"text": text}, parent=parent, context={"author": author})
    ref = world.adapter.create(desired, mark(world, COMMENT, parent)).ref
    assert ref is not None
    return parent, ref


def calls(world: JiraWorld, method: str) -> list[str]:
    return [path for m, path in world.sandbox.calls if m == method]
