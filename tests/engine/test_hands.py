"""A worker does several tasks at once, never more than it has hands for, and leaves none unfinished."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from hub.clock import SystemClock
from tests.engine.patience import until
from workers import sync
from workers.hands import HANDS, Hands


def test_as_many_tasks_as_there_are_hands_are_under_way_at_once() -> None:
    hands, together = Hands(3), threading.Barrier(4)
    for _ in range(3):
        hands.take(lambda: together.wait(15))  # type: ignore[arg-type,return-value]
    together.wait(15)  # breaks, and fails, if one of them had waited for another
    hands.finish()


def test_with_every_hand_full_the_next_task_is_not_taken() -> None:
    hands, go, took = Hands(1), threading.Event(), []
    hands.take(lambda: took.append(1) or go.wait(15))  # type: ignore[arg-type,func-returns-value,return-value]
    giver = threading.Thread(target=lambda: hands.take(lambda: took.append(2)))
    giver.start()
    giver.join(0.05)
    assert giver.is_alive()
    assert took == [1]
    go.set()
    giver.join(15)
    hands.finish()
    assert took == [1, 2]


def test_a_hand_whose_task_failed_is_free_again() -> None:
    hands, took = Hands(1), []

    def fails() -> None:
        raise RuntimeError("a task that raises")

    hands.take(fails)
    hands.take(lambda: took.append(1))
    hands.finish()
    assert took == [1]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was carried out, by a worker whose hub has nothing in it."""
    done: list[str] = []
    hub = SimpleNamespace(clock=SystemClock(), wake=None)
    monkeypatch.setattr(sync.bootstrap, "of_this_process", lambda: hub)
    monkeypatch.setattr("hub.sync.tasks.run", lambda hub, task, name: done.append(name))
    return done


def test_a_job_comes_back_at_once_and_the_end_waits_for_what_it_began(
    names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    monkeypatch.setattr("hub.sync.tasks.run", lambda hub, task, name: go.wait(15) and names.append(name))
    for n in range(HANDS):
        sync.run("refresh", f"link{n:02}")
    assert names == []
    go.set()
    sync.finish()
    assert sorted(names) == [f"link{n:02}" for n in range(HANDS)]


def test_a_hand_goes_on_with_the_names_behind_its_own(names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    behind = [("refresh", "b"), ("deliver", "c")]
    hub = sync.bootstrap.of_this_process()
    chain = SimpleNamespace(
        begin=lambda task, name: True,
        end=lambda task, name: None,
        then=lambda task, name, more: behind.pop(0) if behind else None,
    )
    monkeypatch.setattr(hub, "wake", chain)
    sync.run("refresh", "a")
    until(lambda: len(names) == 3)
    sync.finish()
    assert names == ["a", "b", "c"]


def test_a_task_that_fails_takes_nothing_with_it(names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def task(hub: object, task: str, name: str) -> None:
        if name == "b":
            raise RuntimeError("a task that raises")
        names.append(name)

    monkeypatch.setattr("hub.sync.tasks.run", task)
    for name in ("a", "b", "c"):
        sync.run("refresh", name)
    sync.finish()
    assert sorted(names) == ["a", "c"]
