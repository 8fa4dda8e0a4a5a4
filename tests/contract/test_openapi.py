"""Every request of an adapter, and every answer of its stand-in, fits the vendor's published document."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from hub.domain.values import INCIDENT, Ref
from hub.ports import Probes
from tests.contract.cases import DECLARED, WORLDS
from tests.contract.line import Exchange, Line
from tests.contract.openapi import MENDS, NOT_IN_IT, Document, Judge
from tests.contract.ops import ops, rehearsed

pytestmark = pytest.mark.contracts

JUDGED = {name: world for name, world in ((n, make()) for n, make in WORLDS.items()) if world.contract}


@cache
def exchanges(name: str) -> tuple[Exchange, ...]:
    """The exchanges of each call of the protocol, its preparation included, and of calls about absent objects."""
    kept: list[Exchange] = []
    for op in ops(name):
        world = WORLDS[name]()
        line = Line(world)
        op.prepare(world)()
        kept += line.kept
        kept += rehearsed(name, op)
    world = WORLDS[name]()
    line = Line(world)
    if DECLARED[name].kinds[INCIDENT].reads:
        world.adapter.observe(Ref(INCIDENT, "999999999"))
    if isinstance(world.adapter, Probes):
        world.adapter.examine()
    return tuple(kept + line.kept)


@pytest.fixture(scope="module")
def judges(contracts: Path) -> dict[str, Judge]:
    found: dict[str, Judge] = {}
    for world in JUDGED.values():
        if world.contract not in found:
            assert world.contract
            found[world.contract] = Judge.of(contracts, world.contract, world.contract_base)
    return found


@pytest.mark.parametrize("name", list(JUDGED))
def test_every_exchange_fits_the_document(name: str, judges: dict[str, Judge]) -> None:
    judge = judges[str(JUDGED[name].contract)]
    wrong, seen = [], set()
    for exchange in exchanges(name):
        if (same := (exchange.method, exchange.url, exchange.body, exchange.answer and exchange.answer[2])) in seen:
            continue
        seen.add(same)
        try:
            judge.judge(exchange)
        except Exception as misfit:  # openapi-core's errors have no common base
            cause = misfit.__cause__ or misfit
            detail = "; ".join(str(e.message) for e in getattr(cause, "schema_errors", ())) or repr(cause)
            wrong.append(f"{exchange.method} {exchange.url} {exchange.answer and exchange.answer[0]}: {detail[:500]}")
    assert seen
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("document", list(NOT_IN_IT))
def test_what_is_said_to_be_missing_in_a_document_is_needed(document: str, judges: dict[str, Judge]) -> None:
    """A line of `NOT_IN_IT` that is no longer needed must be removed."""
    for name, world in JUDGED.items():
        if world.contract == document:
            for exchange in exchanges(name):
                try:
                    judges[document].judge(exchange)
                except Exception:  # the test above reports it
                    continue
    assert judges[document].used == set(NOT_IN_IT[document])


@pytest.mark.parametrize(
    ("document", "mend"), [pytest.param(d, m, id=m.__name__.strip("_")) for d, ms in MENDS.items() for m in ms]
)
def test_what_is_mended_in_a_document_is_needed(
    document: str, mend: Callable[[Document], None], contracts: Path
) -> None:
    """Without the correction some exchange does not fit."""
    bases = {world.contract_base for world in JUDGED.values() if world.contract == document}
    judge = Judge.of(contracts, document, bases.pop(), without=mend)
    for name, world in JUDGED.items():
        if world.contract == document:
            for exchange in exchanges(name):
                try:
                    judge.judge(exchange)
                except Exception:  # any misfit is enough
                    return
    raise AssertionError("every exchange fits without it")
