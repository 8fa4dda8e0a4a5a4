"""RQ carries wake-ups only: they coalesce, they never raise, and losing them costs time alone."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
import redis
from rq import Queue
from rq.serializers import DefaultSerializer, JSONSerializer

from hub.clock import ManualClock
from tests.engine.patience import until
from workers import queue, sync
from workers.queue import COALESCE_SECONDS, POLLS, ROWS, VENDORS, NoWake, RqWake, alive, order

pytestmark = pytest.mark.redis


def waiting(url: str, name: str) -> list[list[str]]:
    jobs = Queue(name, connection=redis.Redis.from_url(url), serializer=JSONSerializer).jobs
    return [list(job.args) for job in jobs]


def test_a_wake_up_is_a_task_and_a_name_and_nothing_more(redis_url: str) -> None:
    RqWake(redis_url, ManualClock()).wake("deliver", "link1")
    (job,) = Queue(VENDORS, connection=redis.Redis.from_url(redis_url), serializer=JSONSerializer).jobs
    assert job.func_name == "workers.sync.run"
    assert (list(job.args), job.kwargs) == (["deliver", "link1"], {})
    assert job.result_ttl == 0


def test_wake_ups_for_one_name_coalesce_until_its_job_starts(redis_url: str) -> None:
    wake = RqWake(redis_url, ManualClock())
    for _ in range(5):
        wake.wake("refresh", "link1")
    wake.wake("refresh", "link2")
    assert waiting(redis_url, VENDORS) == [["refresh", "link1"], ["refresh", "link2"]]
    assert wake.begin("refresh", "link1")
    wake.wake("refresh", "link1")
    assert waiting(redis_url, VENDORS) == [["refresh", "link1"], ["refresh", "link2"], ["refresh", "link1"]]


def test_two_workers_are_never_at_one_name_and_who_came_in_vain_is_made_up_for(redis_url: str) -> None:
    first, second = RqWake(redis_url, ManualClock()), RqWake(redis_url, ManualClock())
    assert first.begin("refresh", "link1")
    assert second.begin("refresh", "link2")
    assert second.begin("deliver", "link1")
    assert not second.begin("refresh", "link1")
    second.end("refresh", "link2")
    assert waiting(redis_url, VENDORS) == []
    first.end("refresh", "link1")
    assert waiting(redis_url, VENDORS) == [["refresh", "link1"]]
    assert second.begin("refresh", "link1")


def test_a_worker_that_died_holds_its_name_back_for_seconds_only(redis_url: str) -> None:
    wake, client = RqWake(redis_url, ManualClock()), redis.Redis.from_url(redis_url)
    assert wake.begin("refresh", "link1")
    client.expire("lockstep:doing:look:link1", 5)
    assert not wake.begin("refresh", "link1")
    assert 0 < client.ttl("lockstep:doing:look:link1") <= 5  # who comes in vain does not make it longer
    client.delete("lockstep:doing:look:link1")
    assert wake.begin("refresh", "link1")


def test_a_job_does_not_outlive_the_key_that_holds_back_its_repeats(redis_url: str) -> None:
    RqWake(redis_url, ManualClock()).wake("refresh", "link1")
    client = redis.Redis.from_url(redis_url)
    (job,) = Queue(VENDORS, connection=client, serializer=JSONSerializer).job_ids
    assert 0 < client.ttl(f"rq:job:{job}") <= COALESCE_SECONDS
    assert 0 < client.ttl("lockstep:woken:look:link1") <= COALESCE_SECONDS


def test_each_class_of_task_has_a_queue_of_its_own(redis_url: str) -> None:
    wake = RqWake(redis_url, ManualClock())
    for task in queue.QUEUE_OF:
        wake.wake(task, "x")
    assert {d for d, _ in waiting(redis_url, ROWS)} == {"inbox", "plan"}
    assert {d for d, _ in waiting(redis_url, VENDORS)} == {"refresh", "deliver", "adopt", "backlink", "duplicates"}
    assert {d for d, _ in waiting(redis_url, POLLS)} == {"poll", "subscribe"}


def test_a_refresh_that_only_the_sweep_has_found_waits_behind_what_people_do(redis_url: str) -> None:
    """It is mostly at what our own writes left there. A write that is due waits behind nothing."""
    swept, wake = RqWake(redis_url, ManualClock(), queue.SWEPT), RqWake(redis_url, ManualClock())
    swept.wake("refresh", "link1")
    swept.wake("deliver", "link2")
    wake.wake("refresh", "link3")
    assert wake.begin("refresh", "link0")
    taken = [wake.then("refresh", "link0", more=True)]
    while taken[-1] is not None:
        taken.append(wake.then(*taken[-1], more=True))
    assert taken == [("deliver", "link2"), ("refresh", "link3"), ("refresh", "link1"), None]


def test_every_task_of_the_engine_has_a_queue() -> None:
    from hub.sync.tasks import TASKS

    assert set(queue.QUEUE_OF) == set(TASKS)


def test_two_workers_begin_with_different_queues() -> None:
    assert order(0)[0] != order(1)[0]
    assert set(order(0)) == set(order(1)) == {ROWS, VENDORS, POLLS}


def test_without_redis_a_wake_up_is_counted_said_once_and_lost(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    clock = ManualClock()
    wake = RqWake(f"unix://{tmp_path}/none", clock)
    with caplog.at_level(logging.WARNING, "workers.queue"):
        for _ in range(3):
            wake.wake("refresh", "link1")
            clock.advance(2)
    assert wake.lost == 3
    assert len(caplog.records) == 1


def test_after_a_failure_redis_is_left_alone_for_a_moment_then_used_again(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    wake = RqWake(redis_url, clock)
    with monkeypatch.context() as away:
        away.setattr(wake, "_wake", lambda *a, **k: (_ for _ in ()).throw(redis.ConnectionError()))
        wake.wake("refresh", "link1")
    wake.wake("refresh", "link1")
    assert (wake.lost, waiting(redis_url, VENDORS)) == (2, [])
    clock.advance(queue.BLIND_SECONDS)
    wake.wake("refresh", "link1")
    assert (wake.lost, waiting(redis_url, VENDORS)) == (2, [["refresh", "link1"]])


def test_an_emptied_redis_takes_wake_ups_as_before(redis_url: str) -> None:
    wake = RqWake(redis_url, ManualClock())
    wake.wake("refresh", "link1")
    redis.Redis.from_url(redis_url).flushdb()  # another test has the database beside it
    wake.wake("refresh", "link1")
    assert waiting(redis_url, VENDORS) == [["refresh", "link1"]]


def test_a_job_takes_over_the_names_that_wait_each_once_and_our_own_rows_first(redis_url: str) -> None:
    wake = RqWake(redis_url, ManualClock())
    sent = [("poll", "pagerduty-emea"), ("refresh", "link1"), ("plan", "incident1"), ("deliver", "link1")]
    for task, name in sent:
        wake.wake(task, name)
    assert wake.begin("refresh", "link0")
    taken = [wake.then("refresh", "link0", more=True)]
    while taken[-1] is not None:
        taken.append(wake.then(*taken[-1], more=True))
    assert taken == [
        ("plan", "incident1"),
        ("refresh", "link1"),
        ("deliver", "link1"),
        ("poll", "pagerduty-emea"),
        None,
    ]
    assert not redis.Redis.from_url(redis_url).keys("lockstep:*"), "every name has ended, and may be woken again"
    assert waiting(redis_url, ROWS) == waiting(redis_url, VENDORS) == []


def test_a_job_that_has_waited_too_long_is_passed_over(redis_url: str) -> None:
    wake, client = RqWake(redis_url, ManualClock()), redis.Redis.from_url(redis_url)
    wake.wake("refresh", "link1")
    (job,) = Queue(VENDORS, connection=client, serializer=JSONSerializer).job_ids
    client.delete(f"rq:job:{job}")
    wake.wake("refresh", "link2")
    assert wake.then("refresh", "link0", more=True) == ("refresh", "link2")


def test_a_job_passes_over_the_name_that_another_worker_is_at_and_tells_it(redis_url: str) -> None:
    wake, other = RqWake(redis_url, ManualClock()), RqWake(redis_url, ManualClock())
    assert other.begin("refresh", "under_way")
    for name in ("under_way", "link2"):
        wake.wake("refresh", name)
    assert wake.then("refresh", "link0", more=True) == ("refresh", "link2")
    assert not other.begin("refresh", "link2"), "what is taken is begun"
    other.end("refresh", "under_way")
    assert wake.then("refresh", "link2", more=True) == ("refresh", "under_way")


def test_a_name_for_which_somebody_came_is_woken_again_when_the_next_begins(redis_url: str) -> None:
    wake = RqWake(redis_url, ManualClock())
    assert wake.begin("refresh", "link1")
    assert not wake.begin("refresh", "link1")
    assert wake.then("refresh", "link1", more=True) is None
    assert waiting(redis_url, VENDORS) == [["refresh", "link1"]]


def test_a_worker_that_is_to_stop_takes_no_further_name(redis_url: str) -> None:
    wake = RqWake(redis_url, ManualClock())
    wake.wake("refresh", "link1")
    queue._stopping.set()
    try:
        assert wake.then("refresh", "link0", more=True) is None
    finally:
        queue._stopping.clear()
    assert wake.then("refresh", "link0", more=True) == ("refresh", "link1")


def test_where_there_is_no_queue_nothing_is_sent() -> None:
    NoWake().wake("refresh", "link1")


def test_a_redis_that_does_not_answer_is_not_alive(redis_url: str, tmp_path: Path) -> None:
    assert alive(redis_url)
    assert not alive(f"unix://{tmp_path}/none")


# ---------------------------------------------------------------- a worker in a process of its own


def test_of_a_job_redis_hears_nothing_but_that_it_was_taken(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """RQ's own care (states, registries, executions, heartbeats at every job) costs more than most tasks do."""
    monkeypatch.setattr(queue, "JOB", "operator.add")  # something that takes two words
    wake, client = RqWake(redis_url, ManualClock()), redis.Redis.from_url(redis_url)

    def commands(jobs: int) -> int:
        for n in range(jobs):
            wake.wake("refresh", f"{jobs}-{n}")
        before = client.info("stats")["total_commands_processed"]
        queue.work(redis_url, burst=True)
        return int(client.info("stats")["total_commands_processed"]) - before

    few, many = commands(10), commands(110)
    assert (many - few) / 100 < 4, "it is popped and read; who does it begins and ends its name"
    assert waiting(redis_url, VENDORS) == []
    assert not client.keys("rq:*registry*"), "nothing has to be tidied up after it"


def test_a_job_that_cannot_even_begin_is_said_and_the_worker_goes_on(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wake = RqWake(redis_url, ManualClock())
    monkeypatch.setattr(queue, "JOB", "operator.truediv")  # not of two words
    wake.wake("refresh", "link1")
    wake.wake("refresh", "link2")
    queue.work(redis_url, burst=True)
    assert [r.getMessage() for r in caplog.records if r.name == "workers.queue"] == [
        "a job of lockstep-vendors could not be begun; the sweep brings its row again"
    ] * 2
    assert waiting(redis_url, VENDORS) == []


class Trap:
    """Its pickle makes a folder in whoever loads it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("body", ["json", "pickle"])
def test_a_job_that_somebody_else_made_runs_nothing_of_theirs(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    """Whatever its body says, it is at most a wake-up of the name that stands in its id."""
    begun = mock.Mock()
    monkeypatch.setattr(sync, "run", begun)
    serializer = JSONSerializer if body == "json" else DefaultSerializer
    crafted = Queue(VENDORS, connection=redis.Redis.from_url(redis_url), serializer=serializer)
    named = str(tmp_path / "named")
    crafted.enqueue_call("os.mkdir", args=(named,))
    crafted.enqueue_call("os.mkdir", args=(named,), job_id="look_link1_1")
    if body == "pickle":
        crafted.enqueue_call("os.mkdir", args=(Trap(tmp_path / "loaded"),), job_id="look_link2_1")
    queue.work(redis_url, burst=True)
    assert list(tmp_path.iterdir()) == []
    assert crafted.job_ids == []
    assert mock.call("refresh", "link1") in begun.call_args_list, "it was taken"


WORKER = """
import sys, threading
sys.path.insert(0, {folder!r})
from workers import queue
queue.JOB = "task.run"
queue.work({url!r}, 1)
"""

TASK = """
import pathlib, threading
folder = pathlib.Path(__file__).parent
def run(task, name):
    (folder / f"began-{name}").touch()
    if task == "look":
        for _ in range(500):
            if (folder / f"go-{name}").exists():
                break
            threading.Event().wait(0.02)
    (folder / f"done-{name}").touch()
"""


class Worker:
    """A worker process whose tasks touch files: `look` waits for `go-<name>`."""

    def __init__(self, folder: Path, url: str) -> None:
        (folder / "task.py").write_text(TASK)
        self.folder, self.url = folder, url
        code = WORKER.format(folder=str(folder), url=url)
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.getcwd()}, stderr=subprocess.DEVNULL
        )
        client = redis.Redis.from_url(url)
        until(lambda: queue.count(client) == 1)

    def wake(self, task: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(queue, "JOB", "task.run")
        RqWake(self.url, ManualClock()).wake(task, name)

    def has(self, file: str) -> bool:
        return (self.folder / file).exists()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def test_asked_to_stop_a_worker_finishes_the_job_in_hand(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(tmp_path, redis_url)
    try:
        worker.wake("refresh", "a", monkeypatch)
        until(lambda: worker.has("began-a"))
        worker.process.send_signal(signal.SIGTERM)
        worker.wake("plan", "b", monkeypatch)
        (tmp_path / "go-a").touch()
        assert worker.process.wait(15) == 0
        assert worker.has("done-a")
        assert not worker.has("began-b")
    finally:
        worker.end()


def test_an_idle_worker_stops_at_once(redis_url: str, tmp_path: Path) -> None:
    worker = Worker(tmp_path, redis_url)
    try:
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(10) == 0
    finally:
        worker.end()


def test_a_worker_goes_on_after_redis_was_emptied_in_the_middle_of_a_job(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(tmp_path, redis_url)
    try:
        worker.wake("refresh", "a", monkeypatch)
        until(lambda: worker.has("began-a"))
        redis.Redis.from_url(redis_url).flushdb()  # another test has the database beside it
        (tmp_path / "go-a").touch()
        until(lambda: worker.has("done-a"))
        worker.wake("plan", "b", monkeypatch)
        until(lambda: worker.has("done-b"))
        assert worker.process.poll() is None
    finally:
        worker.end()
