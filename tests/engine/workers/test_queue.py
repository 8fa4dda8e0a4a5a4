"""RQ carries a doorbell only: rings coalesce, they never raise, and losing them costs time alone."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import redis
from rq import Callback, Queue, SimpleWorker
from rq.serializers import DefaultSerializer, JSONSerializer

from hub.clock import ManualClock
from workers import queue
from workers.queue import DOWN, FAILURE_SECONDS, JOB, JOB_SECONDS, QUEUE, UP, Doorbell, DoorbellJob, NoWake, probe

pytestmark = pytest.mark.redis


def rq_queue(url: str, serializer: Any = JSONSerializer) -> Queue:
    return Queue(QUEUE, connection=redis.Redis.from_url(url), serializer=serializer)


def bell(url: str, clock: ManualClock | None = None) -> Doorbell:
    return Doorbell(url, clock or ManualClock())


def test_a_ring_is_one_job_of_rqs_that_says_nothing_but_that_there_is_work(redis_url: str) -> None:
    bell(redis_url).wake("deliver", "link1")
    (job,) = rq_queue(redis_url).jobs
    assert job.func_name == "workers.sync.run"
    assert (list(job.args), job.kwargs) == ([], {})
    assert (job.result_ttl, job.failure_ttl, job.timeout) == (0, FAILURE_SECONDS, JOB_SECONDS)


def test_rings_coalesce_until_the_job_starts(redis_url: str) -> None:
    one, two = bell(redis_url), bell(redis_url)
    for _ in range(5):
        one.wake("refresh", "link1")
        two.wake("plan", "incident1")
    assert rq_queue(redis_url).count == 1
    one.started()
    two.wake("refresh", "link1")
    two.wake("refresh", "link2")
    assert rq_queue(redis_url).count == 2


def test_keys_of_our_own_do_not_stay(redis_url: str) -> None:
    ring = bell(redis_url)
    ring.listen(lambda: None)
    ring.heard(True)
    ring.ring()
    ring.leave()
    ring.ring()
    client = redis.Redis.from_url(redis_url)
    ours = [key for key in client.scan_iter() if key.startswith(b"lockstep:")]
    assert len(ours) == 2
    assert all(0 < client.ttl(key) <= queue.RINGS_SECONDS for key in ours)


def test_a_lost_job_holds_the_next_one_back_for_seconds_only(redis_url: str) -> None:
    ring = bell(redis_url)
    ring.ring()
    client = redis.Redis.from_url(redis_url)
    assert 0 < client.ttl(queue.WAITING) <= queue.WAITING_SECONDS
    rq_queue(redis_url).empty()
    client.delete(queue.WAITING)  # as if its time had expired
    ring.ring()
    assert rq_queue(redis_url).count == 1


def test_a_drain_that_listens_hears_rings_and_they_need_no_job(redis_url: str) -> None:
    drain, web = bell(redis_url), bell(redis_url)
    drain.listen(lambda: None)
    assert not drain.heard(True)
    web.ring()
    assert rq_queue(redis_url).count == 0
    assert drain.heard(True)
    assert not drain.heard(True)
    web.ring()
    assert drain.leave(), "who rang just before the end is not lost"
    web.ring()
    assert rq_queue(redis_url).count == 1


def test_a_drain_without_free_threads_hears_rings_and_leaves_them_to_others_too(redis_url: str) -> None:
    drain, web = bell(redis_url), bell(redis_url)
    drain.listen(lambda: None)
    drain.heard(False)
    web.ring()
    assert rq_queue(redis_url).count == 1
    assert drain.heard(False)


def test_a_drain_that_can_take_no_more_tells_others_though_it_listens_itself(redis_url: str) -> None:
    drain = bell(redis_url)
    drain.listen(lambda: None)
    drain.heard(True)
    drain.pass_on()
    assert rq_queue(redis_url).count == 1


def test_what_is_woken_in_a_process_that_drains_is_heard_there_without_redis(redis_url: str) -> None:
    drain, heard = bell(redis_url), []
    drain.listen(lambda: heard.append(1))
    drain.wake("refresh", "link1")
    assert (heard, rq_queue(redis_url).count) == ([1], 0)
    drain.leave()
    drain.wake("refresh", "link1")
    assert (heard, rq_queue(redis_url).count) == ([1], 1)


def test_without_redis_a_ring_is_counted_logged_once_and_lost(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    clock = ManualClock()
    ring = bell(f"unix://{tmp_path}/none", clock)
    with caplog.at_level(logging.WARNING, "workers.queue"):
        for _ in range(3):
            ring.wake("refresh", "link1")
            clock.advance(2)
        ring.started()
        ring.listen(lambda: None)
        assert not ring.heard(True)
        assert not ring.leave()
    assert ring.lost == 3
    assert len(caplog.records) == 1


def test_after_a_failure_redis_is_left_alone_for_a_moment_then_used_again(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    ring = bell(redis_url, clock)
    with monkeypatch.context() as away:
        away.setattr(ring, "_ring", lambda *a, **k: (_ for _ in ()).throw(redis.ConnectionError()))
        ring.ring()
    ring.ring()
    assert (ring.lost, rq_queue(redis_url).count) == (2, 0)
    clock.advance(queue.BLIND_SECONDS)
    ring.ring()
    assert (ring.lost, rq_queue(redis_url).count) == (2, 1)


def test_the_doorbell_does_not_call_a_redis_that_refuses_writes(redis_url: str) -> None:
    ring = bell(redis_url)
    ring.deaf = True
    ring.ring()
    assert rq_queue(redis_url).count == 0
    ring.deaf = False
    ring.ring()
    assert rq_queue(redis_url).count == 1


def test_an_emptied_redis_takes_rings_as_before(redis_url: str) -> None:
    ring = bell(redis_url)
    ring.ring()
    redis.Redis.from_url(redis_url).flushdb()  # another test uses the neighbouring database
    ring.ring()
    assert rq_queue(redis_url).count == 1


def test_where_there_is_no_queue_nothing_is_sent() -> None:
    NoWake().wake("refresh", "link1")


def test_a_redis_that_does_not_answer_is_down(redis_url: str, tmp_path: Path) -> None:
    assert probe(redis_url) == UP
    assert probe(f"unix://{tmp_path}/none") == DOWN


class Trap:
    """An object whose pickle makes a folder when a process loads it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.mkdir, (str(self.folder),)


def test_a_crafted_job_runs_no_other_function(redis_url: str, tmp_path: Path) -> None:
    named = str(tmp_path / "named")
    rq_queue(redis_url, DefaultSerializer).enqueue_call("operator.neg", args=(Trap(tmp_path / "loaded"),))
    theirs = rq_queue(redis_url)
    theirs.enqueue_call("os.mkdir", args=(named,), failure_ttl=60)
    theirs.enqueue_call(JOB, args=(named,), failure_ttl=60, on_failure=Callback("os.mkdir"))
    client = redis.Redis.from_url(redis_url)
    SimpleWorker([QUEUE], connection=client, serializer=JSONSerializer, job_class=DoorbellJob).work(
        burst=True, logging_level="CRITICAL"
    )
    assert list(tmp_path.iterdir()) == []
    assert theirs.count == 0, "they were taken"
    assert len(theirs.failed_job_registry) >= 2
