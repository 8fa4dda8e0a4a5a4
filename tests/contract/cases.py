"""What the suite runs on: every world, and every line that its adapter declares.

`each_world`, `each_kind` and `each_field` parametrise a test over all that fits a condition, so that a vendor (or a line
of a declaration) that is added is proved from the same moment on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path

import pytest

from hub.domain.capability import Capabilities, CreateSafety, FieldCapability, KindCapability
from hub.domain.values import COMMENT, INCIDENT
from hub.domain.vocabulary import Relation
from tests.contract.world import World


def _found() -> dict[str, Callable[[], World]]:
    worlds: dict[str, Callable[[], World]] = {}
    for path in sorted((Path(__file__).parent / "worlds").glob("[a-z]*.py")):
        worlds.update(import_module(f"tests.contract.worlds.{path.stem}").WORLDS)
    return worlds


WORLDS: Mapping[str, Callable[[], World]] = _found()
_ONCE: Mapping[str, World] = {name: make() for name, make in WORLDS.items()}
DECLARED: Mapping[str, Capabilities] = {name: world.adapter.capabilities for name, world in _ONCE.items()}
RELATIONS: Mapping[str, Mapping[str, Mapping[str, Relation]]] = {n: w.adapter.relations for n, w in _ONCE.items()}

NOBODY: Mapping[tuple[str, str], str] = {
    ("teams-graph", INCIDENT): "a card belongs to the account that posted it: nobody else can edit it",
    ("teams-graph", COMMENT): "a reply too belongs to the account that posted it",
}
"""(world, kind) whose objects, made by us, no person can edit; proved by a test of its own."""


def speaks(world: str, protocol: type) -> bool:
    """Does the adapter of this world implement an optional protocol?"""
    return isinstance(_ONCE[world].adapter, protocol)


def findable(kind: KindCapability) -> bool:
    """Our mark on it can be looked up again."""
    return kind.create in (CreateSafety.FINDABLE, CreateSafety.IDEMPOTENT)


def each_world(wanted: Callable[[Capabilities], bool] = lambda c: True) -> pytest.MarkDecorator:
    """Test(world)."""
    return pytest.mark.parametrize("world", [n for n, c in DECLARED.items() if wanted(c)], indirect=True)


def kinds(wanted: Callable[[str, KindCapability], bool]) -> Iterator[tuple[str, str]]:
    """(world, kind) of every declared kind that is wanted by (its name, its capability)."""
    for name, declared in DECLARED.items():
        for kind, capability in declared.kinds.items():
            if wanted(kind, capability):
                yield name, kind


def each_kind(wanted: Callable[[str, KindCapability], bool]) -> pytest.MarkDecorator:
    """Test(world, kind)."""
    cases = [pytest.param(n, k, id=f"{n}:{k}") for n, k in kinds(wanted)]
    return pytest.mark.parametrize(("world", "kind"), cases, indirect=["world"])


def fields(wanted: Callable[[str, str, FieldCapability], bool]) -> Iterator[tuple[str, str, str]]:
    """(world, kind, field) of every declared field that is wanted by (its kind, its name, its capability)."""
    for name, kind in kinds(lambda kind, capability: True):
        for field, capability in DECLARED[name].kinds[kind].fields.items():
            if wanted(kind, field, capability):
                yield name, kind, field


def each_field(wanted: Callable[[str, str, FieldCapability], bool], *, by_people: bool = False) -> pytest.MarkDecorator:
    """Test(world, kind, field). by_people: only what a person can edit on an object of ours."""
    found = fields(wanted)
    cases = [
        pytest.param(n, k, f, id=f"{n}:{k}.{f}") for n, k, f in found if not (by_people and (n, k) in NOBODY)
    ]  # fmt: skip
    return pytest.mark.parametrize(("world", "kind", "field"), cases, indirect=["world"])
