"""Two workers on PostgreSQL, in many orders: no update is lost, nothing is written twice, no object has two links.

| variable | meaning |
|---|---|
| `LOCKSTEP_RACES` | how many races in all, shared among the pairs; default 250; `make races` runs 12,000 |
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest
from sqlalchemy import select, update

from hub.store import incidents as incident_rows
from hub.store import outbox as outbox_rows
from hub.store.tables import links, outbox
from hub.sync.incident import observe
from hub.sync.outbound import settle
from tests.conftest import own_postgres
from tests.engine.races import pairs
from tests.engine.races.pairs import PAIRS, Pair
from tests.engine.races.place import Place
from tests.engine.races.schedule import Race, Ran, Runner, Turns, draw, explore
from tests.engine.races.verdict import outcome, wrong

pytestmark = pytest.mark.postgres

MANY = int(os.environ.get("LOCKSTEP_RACES") or 250)
SHARE = max(4, -(-MANY // len(PAIRS)))
LONGEST = 4
"""Most preemptions in a random interleaving."""


@pytest.fixture(scope="module")
def town() -> Iterator[Place]:
    with own_postgres() as url:
        made = Place(url)
        yield made
        made.close()


@pytest.fixture
def place(town: Place) -> Place:
    town.empty()
    return town


def _runs(place: Place, pair: Pair) -> Callable[[Turns], Ran]:
    """A function that runs one race of the pair from its start."""
    acts = pair.begin(place)
    place.keep()
    race = Race(place.monitor)

    def run(turns: Turns) -> Ran:
        place.back()
        one, two = (
            Runner(name, lambda act=act, name=name: act(place.hubs[name]), lambda name=name: place.backends[name])
            for name, act in zip(("one", "two"), acts, strict=True)
        )
        return race.run(turns, one, two)

    return run


def races(
    place: Place, pair: Pair, ways: Callable[[Callable[[Turns], Ran]], Iterator[Ran]]
) -> Iterator[tuple[Ran, list[str]]]:
    """Each race, and what was wrong after it. The first two are the serial orders: their ends are the correct ones."""
    right: set[str] = set()
    known: set[str] = set()
    for ran in ways(_runs(place, pair)):
        picture = place.picture() + repr([r.error for r in ran.runners]) + repr(place.disorder())
        if picture in known:  # the same end as an earlier race that was correct
            yield ran, []
            continue
        place.settle()
        problems, seen = wrong(place, ran, pair.resent), outcome(place)
        if not ran.turns.taken:
            right.add(seen)
        elif seen not in right and not pair.resent:
            problems.append(f"neither one after the other nor the other way round:\n{seen}")
        if not problems:
            known.add(picture)
        yield ran, problems


def _sample(pair: Pair, many: int) -> Callable[[Callable[[Turns], Ran]], Iterator[Ran]]:
    """All races with one preemption, or `many` of them, evenly; then random ones. The same in every run."""

    def ways(run: Callable[[Turns], Ran]) -> Iterator[Ran]:
        alone = [run(Turns(0))]
        yield alone[0]
        alone.append(run(Turns(1)))
        yield alone[1]
        single = [Turns(ran.turns.begins, (at,)) for ran in alone for at in ran.open]
        step = max(1.0, len(single) / (many - 2))
        chosen = [single[int(n * step)] for n in range(int(len(single) / step))]
        for turns in chosen:
            yield run(turns)
        rest = many - 2 - len(chosen)
        yield from draw(run, random.Random(pair.name), rest, max(r.steps for r in alone), LONGEST)

    return ways


@pytest.mark.parametrize("pair", PAIRS, ids=lambda p: p.name)
def test_two_workers_leave_the_same_as_one_after_the_other(
    place: Place, pair: Pair, record_property: Callable[[str, Any], None]
) -> None:
    count = 0
    for ran, problems in races(place, pair, _sample(pair, SHARE)):
        count += 1
        assert not problems, "\n".join([repr(ran.turns), *ran.told, *problems])
    record_property("races", count)


def test_who_takes_locks_in_another_order_is_seen_without_a_race(place: Place) -> None:
    with place.hubs["one"].store.unit() as tx:
        tx.execute(update(outbox).values(error=None))
        tx.execute(select(links.c.id).with_for_update())
    with place.hubs["one"].store.unit() as tx:
        tx.execute(update(links).values(reason=None))
        tx.execute(update(outbox).values(error=None))
    assert [words.split(":")[:2] for words in place.disorder()] == [["one", " links locked after outbox"]]


# --- the explorer finds planted defects -------------------------------------------------------------------------------


def _no_lock_on_intentions(patch: pytest.MonkeyPatch) -> None:
    unlocked = select(outbox).where(outbox_rows.OPEN_OF_INCIDENT.whereclause).order_by(outbox.c.id)
    patch.setattr(outbox_rows, "OPEN_OF_INCIDENT", unlocked)


def _no_lock_on_incidents(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(incident_rows, "LOCK", incident_rows.GET)
    patch.setattr(incident_rows, "LOCK_LINKS", incident_rows.LINKS)


def _old_refreshes_are_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(observe, "fresh", lambda case, link, rev, started: None)


def _no_fence(patch: pytest.MonkeyPatch) -> None:
    class Any_:
        """A fence that is equal to every row's."""

        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    before = settle._mine

    def mine(hub: Any, row: Any) -> Any:
        row.fence = Any_()
        return before(hub, row)

    patch.setattr(settle, "_mine", mine)


@pytest.mark.parametrize(
    ("plant", "begin"),
    [
        (_no_lock_on_intentions, pairs.edit_and_create),
        (_no_lock_on_incidents, pairs.two_edits),
        (_old_refreshes_are_believed, pairs.refresh_and_deliver),
        (_no_fence, pairs.a_worker_comes_back_when_another_has_claimed),
    ],
    ids=["no lock on intentions", "no lock on incidents", "old looks are believed", "no fence"],
)
def test_a_planted_race_is_found(
    place: Place, monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None], begin: Any
) -> None:
    plant(monkeypatch)
    pair = next(p for p in PAIRS if p.begin is begin)
    ways = races(place, pair, lambda run: explore(run, 2))
    found = (ran for ran, problems in ways if set(problems) - set(place.disorder()))
    first = next(islice(found, 1), None)
    assert first is not None, "nothing was found"
    assert first.turns.taken, "wrong even one after the other: that is no race"
