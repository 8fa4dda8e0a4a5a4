"""Of several timers one sweeps; another takes over when that one's lease ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hub.clock import ManualClock
from hub.store import leases
from hub.store.unit import Store, StoreUnavailable
from workers.timer import LEASE_SECONDS, Timer


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path}/t.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    store = Store(url)
    store.create_all()
    yield store
    store.close()


def take(store: Store, owner: str, clock: ManualClock, seconds: float = 5) -> int | None:
    with store.unit() as tx:
        return leases.take(tx, "timer", owner, clock.now(), seconds)


def test_a_lease_is_one_owners_until_it_ends_and_each_new_owner_gets_a_higher_fence(store: Store) -> None:
    clock = ManualClock()
    assert take(store, "a", clock) == 1
    assert take(store, "b", clock) is None
    clock.advance(4)
    assert take(store, "a", clock) == 1
    clock.advance(4)
    assert take(store, "b", clock) is None
    clock.advance(1)
    assert take(store, "b", clock) == 2
    assert take(store, "a", clock) is None


def test_an_owner_who_slept_through_its_end_gets_a_new_fence(store: Store) -> None:
    clock = ManualClock()
    assert take(store, "a", clock) == 1
    clock.advance(6)
    assert take(store, "a", clock) == 2


def test_a_lease_that_is_given_back_is_free_at_once(store: Store) -> None:
    clock = ManualClock()
    take(store, "a", clock)
    with store.unit() as tx:
        assert leases.holder(tx, "timer", clock.now()) == "a"
        leases.give_back(tx, "timer", "b", clock.now())
        assert leases.holder(tx, "timer", clock.now()) == "a"
        leases.give_back(tx, "timer", "a", clock.now())
        assert leases.holder(tx, "timer", clock.now()) is None
    assert take(store, "b", clock) == 2


def test_two_who_try_at_the_same_moment_get_one_lease(store: Store) -> None:
    clock, barrier = ManualClock(), threading.Barrier(4)
    taken: list[int | None] = []

    def one(owner: str) -> None:
        barrier.wait()
        taken.append(take(store, owner, clock))

    threads = [threading.Thread(target=one, args=(f"o{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken, key=str) == [1, None, None, None]


@dataclass
class Parts:
    """The parts of a hub that a timer needs."""

    store: Store
    clock: ManualClock
    owner: str
    swept: list[str] = field(default_factory=list)


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    def sweep(hub: Parts) -> int:
        hub.swept.append(hub.owner)
        return 1

    monkeypatch.setattr("hub.sync.sweep.sweep", sweep)
    monkeypatch.setattr("hub.sync.setup.register", lambda hub: None)


def test_one_of_two_timers_sweeps_and_the_other_takes_over(store: Store, sweeps: None) -> None:
    clock = ManualClock()
    first, second = Parts(store, clock, "first"), Parts(store, clock, "second")
    one, two = Timer(first), Timer(second)  # type: ignore[arg-type]
    assert (one.tick(), two.tick()) == (1, None)
    clock.advance(LEASE_SECONDS)
    assert two.tick() == 1
    assert one.tick() is None


def test_a_timer_that_stops_gives_its_lease_back(store: Store, sweeps: None) -> None:
    clock, stop = ManualClock(), threading.Event()
    one, two = Parts(store, clock, "first"), Parts(store, clock, "second")
    timer = Timer(one)  # type: ignore[arg-type]
    assert timer.tick() == 1
    stop.set()
    timer.run(stop)
    assert Timer(two).tick() == 1  # type: ignore[arg-type]


def test_a_database_that_is_away_costs_a_tick_and_nothing_else(
    store: Store, sweeps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Parts(store, ManualClock(), "first")
    timer = Timer(hub)  # type: ignore[arg-type]
    with monkeypatch.context() as away:

        def unit() -> object:
            raise StoreUnavailable("gone")

        away.setattr(store, "unit", unit)
        assert timer.tick() is None
    assert timer.tick() == 1
