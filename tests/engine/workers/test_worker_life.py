"""A worker stops on request after its current tasks, and survives the loss of its Redis; a hub without Redis polls."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from hub.clock import SystemClock
from hub.store import timers
from hub.store.unit import Store
from hub.sync import tasks
from tests.bench.noop import noop_hub
from tests.engine.patience import until
from tests.engine.workers.filework import TASK, FileWorker
from tests.engine.workers.servers import OwnRedis, own_redis
from workers import worker as worker_module
from workers.queue import count
from workers.worker import LocalBell, work_alone


@pytest.fixture
def server() -> Iterator[OwnRedis]:
    with own_redis() as server:
        yield server


@pytest.fixture
def worker(redis_url: str, tmp_path: Path) -> Iterator[FileWorker]:
    made = FileWorker(tmp_path, redis_url)
    yield made
    made.end()


@pytest.fixture
def own(server: OwnRedis, tmp_path: Path) -> Iterator[FileWorker]:
    """A worker on a Redis that the test may break."""
    made = FileWorker(tmp_path, server.url)
    yield made
    made.end()


@pytest.mark.redis
def test_asked_to_stop_a_worker_finishes_the_task_in_hand_and_takes_no_other(worker: FileWorker) -> None:
    worker.start().due("wait-a")
    until(lambda: worker.rings("wait-a") or worker.began("wait-a"))
    worker.signal(signal.SIGTERM)
    until(lambda: "warm shut down" in worker.log() or worker.process.poll() is None)  # type: ignore[union-attr]
    threading.Event().wait(0.5)
    worker.due("b")
    worker.doorbell.ring()
    threading.Event().wait(1.5)
    worker.go("wait-a")
    assert worker.wait(30) == 0
    assert worker.done("wait-a")
    assert not worker.began("b")


@pytest.mark.redis
def test_an_idle_worker_stops_at_once(worker: FileWorker) -> None:
    worker.start()
    worker.signal(signal.SIGTERM)
    assert worker.wait(20) == 0


@pytest.mark.redis
def test_a_worker_that_is_asked_while_it_starts_never_misses_it(worker: FileWorker) -> None:
    """The worker is visible before RQ's own signal handlers are in place."""
    worker.start()
    worker.signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    client = redis.Redis.from_url(worker.redis)
    for _ in range(2):
        worker.begin()
        until(lambda: count(client) > 0, seconds=60)  # it has just registered
        worker.signal(signal.SIGTERM)
        assert worker.wait(30) == 0


@pytest.mark.redis
def test_a_second_signal_ends_a_worker_at_once(worker: FileWorker) -> None:
    worker.start().due("wait-a")
    until(lambda: worker.rings("wait-a") or worker.began("wait-a"))
    worker.signal(signal.SIGTERM)
    threading.Event().wait(0.5)
    worker.signal(signal.SIGTERM)
    assert worker.wait(5) == 128 + signal.SIGTERM
    assert not worker.done("wait-a")


@pytest.mark.redis
def test_a_worker_goes_on_after_redis_was_emptied_in_the_middle_of_a_job(worker: FileWorker) -> None:
    worker.start().due("wait-a")
    until(lambda: worker.rings("wait-a") or worker.began("wait-a"))
    redis.Redis.from_url(worker.redis).flushdb()  # another test uses the neighbouring database
    worker.go("wait-a")
    until(lambda: worker.done("wait-a"))
    worker.due("b")
    until(lambda: worker.rings("b"))
    assert worker.alive


@pytest.mark.redis
def test_a_worker_outlives_a_redis_that_was_killed_and_works_meanwhile(server: OwnRedis, own: FileWorker) -> None:
    own.start().due("wait-a")
    until(lambda: own.rings("wait-a") or own.began("wait-a"))
    server.kill()
    own.go("wait-a")
    until(lambda: own.done("wait-a"))
    own.due("b")
    until(lambda: own.done("b"), seconds=30)
    server.start()
    own.due("c")
    until(lambda: own.rings("c"), seconds=40)
    assert own.alive


@pytest.mark.redis
def test_asked_to_stop_while_redis_is_away_a_worker_still_finishes_its_task(server: OwnRedis, own: FileWorker) -> None:
    own.start().due("wait-a")
    until(lambda: own.rings("wait-a") or own.began("wait-a"))
    server.kill()
    own.signal(signal.SIGTERM)
    threading.Event().wait(0.5)
    own.go("wait-a")
    assert own.wait(30) == 0
    assert own.done("wait-a")


@pytest.mark.redis
@pytest.mark.parametrize(
    ("breaks", "mends"),
    [("replica_of_nobody", "primary"), ("full", "roomy"), ("locked", "unlocked"), ("pause", "resume")],
)
def test_while_redis_takes_no_writes_a_worker_polls_the_database_and_then_comes_back(
    server: OwnRedis, own: FileWorker, breaks: str, mends: str
) -> None:
    own.start()
    getattr(server, breaks)()
    until(lambda: "polled until it takes writes again" in own.log(), seconds=30)
    for key in ("a", "b"):
        own.due(key)
        until(lambda key=key: own.done(key), seconds=30)  # without a ring
    getattr(server, mends)()
    until(lambda: "work comes by RQ" in own.log().split("polled until it takes writes again")[-1], seconds=30)

    own.due("c")
    until(lambda: own.rings("c"), seconds=40)
    own.signal(signal.SIGTERM)
    assert own.wait(30) == 0


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, LocalBell, list[str]]]:
    store, bell, done = Store(f"sqlite:///{tmp_path}/t.db"), LocalBell(), []
    store.create_all()
    hub = noop_hub(store, bell)

    def task(hub: Any, key: str) -> None:
        began = hub.clock.now()
        done.append(key)
        if key == "b":
            due(hub, "c")
        with hub.store.unit() as tx:
            timers.done(tx, TASK, key, began)

    monkeypatch.setitem(tasks.TASKS, TASK, task)  # type: ignore[arg-type]
    yield hub, bell, done
    store.close()


def due(hub: Any, *keys: str) -> None:
    with hub.store.unit() as tx:
        for key in keys:
            timers.set_timer(tx, TASK, key, SystemClock().now(), {})


def test_without_redis_a_worker_polls_and_sweeps_until_it_is_asked_to_stop(alone: Any) -> None:
    hub, bell, done = alone
    stop = threading.Event()
    thread = threading.Thread(target=work_alone, args=(hub, bell, stop))
    thread.start()
    due(hub, "a")
    until(lambda: done == ["a"])
    due(hub, "b")
    until(lambda: done == ["a", "b", "c"])
    stop.set()
    thread.join(20)
    assert not thread.is_alive()


def test_a_burst_without_redis_ends_when_nothing_is_due(alone: Any) -> None:
    hub, bell, done = alone
    due(hub, "a", "b")
    work_alone(hub, bell, threading.Event(), burst=True)
    assert sorted(done) == ["a", "b", "c"]


@pytest.mark.parametrize("installed", [True, False])
def test_a_worker_without_redis_logs_how_to_use_one(
    alone: Any, installed: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hub, bell, _ = alone
    monkeypatch.setattr(worker_module, "binary", lambda: object() if installed else None)
    work_alone(hub, bell, threading.Event(), burst=True)
    assert "unset LOCKSTEP_REDIS_URL" in caplog.text
    assert ("install redis-server" in caplog.text) is not installed
