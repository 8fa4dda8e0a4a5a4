"""A drain does the due tasks, several at once, each once; it ends, and a task that hangs delays no other."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from hub.clock import SystemClock
from hub.store import timers
from hub.store.tables import claims
from hub.store.unit import Store, StoreUnavailable
from hub.sync import tasks
from tests.engine.patience import until
from workers import drain as drains
from workers.drain import SECONDS, Drain
from workers.worker import LocalBell

TASK = "duplicates"


class Place:
    """A hub with one kind of task, whose due rows are timers. act: called with the task's key; afterwards the row is done."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.clock, self.bell, self.stop = store, SystemClock(), LocalBell(), threading.Event()
        self.done: list[str] = []
        self.act: Callable[[str], None] = lambda key: None
        self.hub: Any = SimpleNamespace(store=store, clock=self.clock, owner="me", wake=self.bell)
        monkeypatch.setitem(tasks.TASKS, TASK, self._task)  # type: ignore[arg-type]
        self.drain = self.another("me")

    def another(self, owner: str, **more: Any) -> Drain:
        hub: Any = SimpleNamespace(**{**vars(self.hub), "owner": owner})
        return Drain(hub, self.bell, self.stop, **more)

    def due(self, *keys: str, wake: bool = False) -> None:
        with self.store.unit() as tx:
            for key in keys:
                timers.set_timer(tx, TASK, key, self.clock.now(), {})
        if wake:
            self.bell.wake(TASK, keys[0])

    def _task(self, hub: Any, key: str) -> None:
        began = self.clock.now()
        self.act(key)
        self.done.append(key)
        with self.store.unit() as tx:
            timers.done(tx, TASK, key, began)

    def claimed(self) -> list[str]:
        with self.store.reading() as tx:
            return list(tx.scalars(select(claims.c.key)))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    store = Store(f"sqlite:///{tmp_path}/t.db")
    store.create_all()
    made = Place(store, monkeypatch)
    yield made
    made.drain.close()
    store.close()


def test_everything_due_is_done_once_and_nothing_stays_claimed(place: Place) -> None:
    keys = [f"k{n:03}" for n in range(50)]
    place.due(*keys)
    assert place.drain.run() == 50
    assert sorted(place.done) == keys
    assert place.claimed() == []
    assert place.drain.run() == 0


def test_as_many_tasks_as_there_are_threads_are_under_way_at_once_and_no_more(place: Place) -> None:
    together, most, now = threading.Barrier(3), Counter[str](), Counter[str]()

    def act(key: str) -> None:
        now["now"] += 1
        most["most"] = max(most["most"], now["now"])
        together.wait(30)  # the barrier breaks and fails the task if one of them waited for another
        now["now"] -= 1

    place.act = act
    drain = place.another("me", threads=3)
    place.due(*"abcdef")
    assert drain.run() == 6
    assert sorted(place.done) == list("abcdef")
    assert most["most"] == 3


def test_what_a_task_wakes_is_done_by_the_same_drain(place: Place) -> None:
    place.act = lambda key: place.due("b", wake=True) if key == "a" else None
    place.due("a")
    assert place.drain.run() == 2
    assert place.done == ["a", "b"]


def test_a_row_that_falls_due_again_during_its_task_is_done_again(place: Place) -> None:
    """The end of the task must not clear a hint that arrived during it, and the claim must not hide it."""
    place.act = lambda key: place.due("a", wake=True) if len(place.done) == 0 else None
    place.due("a")
    assert place.drain.run() == 2
    assert place.done == ["a", "a"]


def test_a_task_that_hangs_holds_up_nothing_else(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it waits, the drain exceeds its second and goes on claiming for the free threads."""
    monkeypatch.setattr(drains, "SLOW_SECONDS", 0.1)
    monkeypatch.setattr(drains, "SECONDS", 0.1)
    go = threading.Event()
    place.act = lambda key: go.wait(30) and None if key == "hangs" else None
    place.due("hangs")
    running = threading.Thread(target=place.drain.run)
    running.start()
    try:
        threading.Event().wait(0.5)
        place.due("told", wake=True)
        until(lambda: place.done == ["told"])
        place.due("untold")  # without a ring: the drain finds it in SQL
        until(lambda: place.done == ["told", "untold"])
        assert running.is_alive()
        assert place.claimed().count("hangs") == 1
    finally:
        go.set()
        running.join(30)
    assert place.done == ["told", "untold", "hangs"]
    assert place.claimed() == []


def test_under_steady_work_a_drain_ends(place: Place) -> None:
    """Each task leaves another due: the drain claims for its second, and the next drain continues."""
    number = iter(range(100_000))
    place.act = lambda key: place.due(f"k{next(number)}", wake=True)
    place.due("first")
    began = place.clock.monotonic()
    running = threading.Thread(target=place.drain.run)
    running.start()
    running.join(60)
    assert not running.is_alive()
    assert place.clock.monotonic() - began >= SECONDS
    assert place.bell.event.is_set(), "somebody must go on"
    done = len(place.done)
    place.stop.set()
    assert done > 1


def test_asked_to_stop_a_drain_finishes_what_it_has_in_hand_and_claims_nothing_new(place: Place) -> None:
    began, go = threading.Event(), threading.Event()

    def act(key: str) -> None:
        began.set()
        go.wait(30)

    place.act = act
    place.due("a")
    running = threading.Thread(target=place.drain.run)
    running.start()
    began.wait(30)
    place.stop.set()
    place.due("b", wake=True)
    threading.Event().wait(0.2)
    go.set()
    running.join(30)
    assert place.done == ["a"]
    assert place.claimed() == []


def test_a_task_that_raises_takes_nothing_with_it_and_is_not_done_in_a_loop(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[str] = []

    def act(key: str) -> None:
        if key == "b":
            tries.append(key)
            raise RuntimeError("planted")

    place.act = act
    place.due("a", "b", "c")
    assert place.drain.run() == 3
    assert sorted(place.done) == ["a", "c"]
    assert len(tries) == 1
    assert place.claimed() == ["b"], "nobody takes it up before its pause is over"
    assert [r.getMessage() for r in caplog.records] == ["task duplicates of b failed; it is done again after a pause"]


def test_a_task_that_leaves_its_row_as_due_as_it_was_is_not_done_in_a_loop(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[str] = []
    monkeypatch.setitem(tasks.TASKS, TASK, lambda hub, key: runs.append(key))  # type: ignore[arg-type]
    place.due("a")
    place.drain.run()
    assert len(runs) == 1
    until(lambda: place.drain.run() == 1)
    assert len(runs) == 2


def test_two_workers_share_the_rows_and_none_is_done_twice(place: Place) -> None:
    keys = [f"k{n:03}" for n in range(100)]
    place.due(*keys)
    workers = [threading.Thread(target=place.another(f"w{n}").run) for n in range(2)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join(60)
    assert sorted(place.done) == keys


def test_a_second_drain_of_the_process_does_nothing_and_the_first_is_told(place: Place) -> None:
    go = threading.Event()
    place.act = lambda key: go.wait(30) and None if key == "a" else None
    place.due("a")
    running = threading.Thread(target=place.drain.run)
    running.start()
    until(lambda: place.claimed() == ["a"])
    place.due("b")
    assert place.drain.run() == 0
    until(lambda: place.done == ["b"], seconds=10)
    go.set()
    running.join(30)


def _interrupt(*_: Any) -> None:
    raise TimeoutError("the job takes too long")


def test_what_a_signal_handler_raises_beside_a_drain_ends_it_when_its_tasks_have_ended(place: Place) -> None:
    """As RQ raises a job's time-out in the main thread."""
    go = threading.Event()
    place.act = lambda key: go.wait(30) and None
    place.due("a")
    before = signal.signal(signal.SIGALRM, _interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        threading.Timer(0.8, go.set).start()
        with pytest.raises(TimeoutError):
            place.drain.run()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert place.done == ["a"]
    assert place.claimed() == []


def test_what_is_raised_while_the_thread_of_a_drain_starts_ends_it_when_its_tasks_have_ended(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    place.act = lambda key: go.wait(30) and None
    place.due("a")

    class Interrupted(threading.Thread):
        def start(self) -> None:
            super().start()
            if self.name == "drain":
                until(lambda: place.claimed() == ["a"])
                threading.Timer(0.3, go.set).start()
                _interrupt()

    monkeypatch.setattr(drains.threading, "Thread", Interrupted)
    with pytest.raises(TimeoutError):
        place.drain.run()
    assert place.done == ["a"]
    assert place.claimed() == []


def test_a_database_that_is_away_ends_an_idle_drain_with_an_error(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> Any:
        raise StoreUnavailable("gone")

    place.due("a")
    with monkeypatch.context() as gone:
        gone.setattr(drains.claims, "take", away)
        with pytest.raises(StoreUnavailable):
            place.drain.run()
    assert place.drain.run() == 1


def test_claims_of_long_tasks_are_renewed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drains, "RENEW_SECONDS", 0.1)
    go = threading.Event()
    place.act = lambda key: go.wait(30) and None
    place.due("a")
    running = threading.Thread(target=place.drain.run)
    running.start()

    def ends() -> Any:
        with place.store.reading() as tx:
            return tx.scalars(select(claims.c.claimed_until)).first()

    until(lambda: ends() is not None)
    first = ends()
    until(lambda: ends() > first + timedelta(seconds=0.2))
    go.set()
    running.join(30)


def test_while_the_database_is_away_no_claim_is_renewed_and_afterwards_due_rows_are_claimed_beside_a_task_that_hangs(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drains, "RENEW_SECONDS", 0.2)
    monkeypatch.setattr(drains, "SLOW_SECONDS", 0.1)
    monkeypatch.setattr(drains, "SECONDS", 0.3)
    go, tried = threading.Event(), threading.Event()
    place.act = lambda key: None if key != "hangs" else (go.wait(30), None)[1]

    def away(*_: Any) -> None:
        tried.set()
        raise StoreUnavailable("away")

    place.due("hangs")
    thread = threading.Thread(target=place.drain.run)
    thread.start()
    until(lambda: place.claimed() == ["hangs"])
    with monkeypatch.context() as patch:
        patch.setattr("hub.store.claims.renew", away)
        assert tried.wait(10)
    place.due("other", wake=True)
    until(lambda: place.done == ["other"])
    go.set()
    thread.join()
    assert sorted(place.done) == ["hangs", "other"]
    assert place.claimed() == []


def test_a_task_that_ends_its_thread_is_logged_and_waits_like_one_that_raises(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    def act(key: str) -> None:
        raise SystemExit(key)

    place.act = act
    place.due("a")
    place.drain.run()
    assert "task duplicates of a failed" in caplog.text
    assert place.claimed() == ["a"]
