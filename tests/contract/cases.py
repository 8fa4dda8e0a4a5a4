"""The cases of the suite: every world, and every kind and field that its adapter declares.

`each_world`, `each_kind` and `each_field` parametrise a test over all that meet a condition, so that an added vendor (or line of a
declaration) is tested at once.
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
"""(world, kind) of which no person can edit the hub's objects; a separate test checks that."""


def speaks(world: str, protocol: type) -> bool:
    """Whether the adapter of this world implements an optional protocol."""
    return isinstance(_ONCE[world].adapter, protocol)


def findable(kind: KindCapability) -> bool:
    """Whether objects of this kind can be found by their mark."""
    return kind.create in (CreateSafety.FINDABLE, CreateSafety.IDEMPOTENT)


def each_world(wanted: Callable[[Capabilities], bool] = lambda c: True) -> pytest.MarkDecorator:
    """Parametrises test(world)."""
    return pytest.mark.parametrize("world", [n for n, c in DECLARED.items() if wanted(c)], indirect=True)


def kinds(wanted: Callable[[str, KindCapability], bool]) -> Iterator[tuple[str, str]]:
    """(world, kind) of every declared kind for which `wanted(name, capability)` holds."""
    for name, declared in DECLARED.items():
        for kind, capability in declared.kinds.items():
            if wanted(kind, capability):
                yield name, kind


def each_kind(wanted: Callable[[str, KindCapability], bool]) -> pytest.MarkDecorator:
    """Parametrises test(world, kind)."""
    cases = [pytest.param(n, k, id=f"{n}:{k}") for n, k in kinds(wanted)]
    return pytest.mark.parametrize(("world", "kind"), cases, indirect=["world"])


def fields(wanted: Callable[[str, str, FieldCapability], bool]) -> Iterator[tuple[str, str, str]]:
    """(world, kind, field) of every declared field for which `wanted(kind, name, capability)` holds."""
    for name, kind in kinds(lambda kind, capability: True):
        for field, capability in DECLARED[name].kinds[kind].fields.items():
            if wanted(kind, field, capability):
                yield name, kind, field


def each_field(wanted: Callable[[str, str, FieldCapability], bool], *, by_people: bool = False) -> pytest.MarkDecorator:
    """Parametrises test(world, kind, field). by_people: only fields that a person can edit on the hub's object."""
    found = fields(wanted)
    cases = [
        pytest.param(n, k, f, id=f"{n}:{k}.{f}") for n, k, f in found if not (by_people and (n, k) in NOBODY)
    ]  # fmt: skip
    return pytest.mark.parametrize(("world", "kind", "field"), cases, indirect=["world"])
