"""The machine's clock steps back: nothing waits until it has caught up, and no edit is taken for an old one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from hub import services
from hub.clock import ManualClock
from hub.store import leases, steps
from hub.store.due import due
from hub.store.incidents import provenance_in
from hub.store.records import Connection, save
from hub.store.tables import cursors, timers
from hub.store.unit import Store
from hub.sync.incident.commit import open_case
from tests.unit.web.hub import make_hub
from workers.timer import LATE_COMMIT_SECONDS, LEASE, LEASE_SECONDS, Timer

BACK = -300.0


@dataclass
class Parts:
    """The parts of a hub that a timer needs."""

    store: Store
    clock: ManualClock
    owner: str
    wake: object = None


class Woken:
    """Records rings. names: for each ring the most urgent task."""

    def __init__(self) -> None:
        self.names: list[tuple[str, str]] = []

    def wake(self, task: str, name: str) -> None:
        self.names.append((task, name))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path}/t.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    store = Store(url)
    store.create_all()
    yield store
    store.close()


@pytest.fixture
def timer(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[Timer, Woken, ManualClock]]:
    monkeypatch.setattr("hub.sync.setup.register", lambda hub: None)
    clock = ManualClock()

    def made(owner: str) -> tuple[Timer, Woken, ManualClock]:
        woken = Woken()
        return Timer(Parts(store, clock, owner, woken)), woken, clock  # type: ignore[arg-type]

    return made


def _something_is_due(store: Store, clock: ManualClock, seconds: float) -> None:
    moment = clock.now()
    clock.advance(seconds)
    with store.unit() as tx:
        save(tx, Connection("jira", "jira", "enabled", created_at=moment))
        tx.execute(insert(cursors), [{"connection": "jira", "due_at": clock.now()}])
        tx.execute(insert(timers), [{"kind": "duplicates", "key": "a", "due_at": clock.now(), "data": {}}])
    clock.advance(-seconds)


def test_what_was_due_stays_due(store: Store, timer: Callable[[str], tuple[Timer, Woken, ManualClock]]) -> None:
    one, woken, clock = timer("one")
    _something_is_due(store, clock, 0)
    assert one.tick() == 1
    clock.advance(BACK)
    assert one.tick() == 1
    assert woken.names[1:] == woken.names[:1]


def test_what_was_dated_before_the_step_and_committed_after_it_is_brought_along(
    store: Store, timer: Callable[[str], tuple[Timer, Woken, ManualClock]]
) -> None:
    one, _, clock = timer("one")
    one.tick()
    clock.advance(BACK)
    one.tick()
    _something_is_due(store, clock, -BACK)
    assert one.tick() == 1


@pytest.mark.parametrize("seconds", [0.0, LEASE_SECONDS + 1, 60.0])
def test_a_timer_that_dies_with_the_step_leaves_what_it_had_still_to_bring_along_to_the_next(
    store: Store, timer: Callable[[str], tuple[Timer, Woken, ManualClock]], seconds: float
) -> None:
    """seconds: between the end of the first timer and the start of the second."""
    one, _, clock = timer("one")
    one.tick()
    clock.advance(BACK)
    one.tick()
    _something_is_due(store, clock, -BACK)
    with store.unit() as tx:
        leases.give_back(tx, LEASE, "one", clock.now())
    clock.advance(seconds)
    two, woken, _ = timer("two")
    assert two.tick() == 1
    assert len(woken.names) == 1


def test_a_step_is_forgotten_when_nobody_can_have_looked_at_the_clock_before_it(
    store: Store, timer: Callable[[str], tuple[Timer, Woken, ManualClock]]
) -> None:
    one, _, clock = timer("one")
    one.tick()
    clock.advance(BACK)
    for _ in range(int(LATE_COMMIT_SECONDS) + 2):
        one.tick()
        clock.advance(1)
    with store.reading() as tx:
        assert steps.last(tx) is None
    _something_is_due(store, clock, -BACK)
    assert one.tick() == 0, "a time that somebody chose after the step stays"


def test_a_timer_that_only_stands_by_brings_nothing_along(
    store: Store, timer: Callable[[str], tuple[Timer, Woken, ManualClock]]
) -> None:
    one, _, clock = timer("one")
    two, _, _ = timer("two")
    one.tick()
    clock.advance(BACK)
    one.tick()
    _something_is_due(store, clock, -BACK)
    assert two.tick() is None
    with store.reading() as tx:
        assert due(tx, clock.now()) == []


def test_what_was_due_in_seven_seconds_is_due_in_seven_seconds(
    store: Store, timer: Callable[[str], tuple[Timer, Woken, ManualClock]]
) -> None:
    one, _, clock = timer("one")
    _something_is_due(store, clock, 7)
    one.tick()
    clock.advance(BACK)
    one.tick()
    with store.reading() as tx:
        moments = [*tx.execute(select(cursors.c.due_at)).scalars(), *tx.execute(select(timers.c.due_at)).scalars()]
    assert [(moment - clock.now()).total_seconds() for moment in moments] == [7.0, 7.0]


def test_a_clock_that_goes_on_moves_nothing(
    store: Store, timer: Callable[[str], tuple[Timer, Woken, ManualClock]]
) -> None:
    one, _, clock = timer("one")
    _something_is_due(store, clock, 7)
    for seconds in (0.0, 1.0, -0.5, 1.0, 4.0):  # half a second is an adjustment of the clock, not a step
        clock.advance(seconds)
        one.tick()
    with store.reading() as tx:
        assert not due(tx, clock.now())
        assert len(due(tx, clock.now().replace(hour=clock.now().hour + 1))) == 2


def test_the_lease_of_a_timer_that_died_before_the_step_is_ended(
    store: Store, timer: Callable[[str], tuple[Timer, Woken, ManualClock]]
) -> None:
    one, _, clock = timer("one")
    two, woken, _ = timer("two")
    _something_is_due(store, clock, 0)
    one.tick()
    clock.advance(BACK)
    assert two.tick() == 1
    assert len(woken.names) == 1
    with store.reading() as tx:
        assert leases.holder(tx, LEASE, clock.now()) == "two"


def test_a_standing_timers_clock_that_is_a_little_behind_takes_no_lease(
    store: Store, timer: Callable[[str], tuple[Timer, Woken, ManualClock]]
) -> None:
    one, _, clock = timer("one")
    two, _, _ = timer("two")
    one.tick()
    clock.advance(-LEASE_SECONDS)
    assert two.tick() is None


def test_an_edit_after_the_step_is_newer_than_one_before_it(tmp_path: Path) -> None:
    hub = make_hub(f"sqlite:///{tmp_path}/t.db")
    clock = hub.clock
    assert isinstance(clock, ManualClock)
    incident = services.open_incident(hub, {"title": "A"}, actor="ada")["id"]
    clock.advance(BACK)
    with open_case(hub, incident) as case:
        assert case is not None
        assert case.incident.updated_at <= clock.now()
        assert all(p.until <= clock.now() for p in provenance_in(case.incident.provenance).values())
        case.edit({"title": "B"}, "hub", "bob")
    shown = services.show_incident(hub, incident)
    assert shown["fields"]["title"] == "B"
    assert shown["provenance"]["title"]["until"] == clock.now().isoformat()
    assert services.show_journal(hub, incident)["verified"]
    hub.store.close()
