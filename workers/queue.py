"""The doorbell: an RQ job that means "something is due". What is due stands in SQL, and the woken worker claims it there. Any ring
may be lost; the timer finds the rows and rings again.

A ring enqueues one RQ job, `workers.sync.run` without arguments, by `Queue.enqueue_call`. Three short-lived keys coalesce rings:

| key | meaning |
|---|---|
| `lockstep:bell:waiting` | a job waits; removed when it starts. So at most one waits |
| `lockstep:bell:rings` | counts the rings, for the drains that are at work |
| `lockstep:bell:listening` | a drain with free threads watches that count: the ring needs no job |

One queue is enough: the claim decides which due row comes first (`hub.store.claims.BEHIND`), and a job that waits for a vendor
goes on claiming for its free threads (`workers.drain`).

RQ's retries, scheduler and `unique` are unused: the scheduler did not survive a Redis restart, and `unique` held a name as long as
a result was kept. Due times and attempts are columns in SQL. Jobs are JSON, not pickle, and our worker runs this one function
(`DoorbellJob`): write access to Redis does not give code execution here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import redis
from rq import Queue, Worker
from rq.job import Job
from rq.serializers import JSONSerializer

from hub.ports import Clock

log = logging.getLogger(__name__)

QUEUE = "lockstep"
JOB = "workers.sync.run"
JOB_SECONDS = 600
"""RQ's job time-out, above the longest drain (`workers.drain.LONGEST_SECONDS`) plus a task that was claimed at its end."""
FAILURE_SECONDS = 3600
"""How long RQ keeps a job that raised."""
WAITING_SECONDS = 5
"""How long a lost job can delay the next one. RQ drops a job that waits longer, so they do not pile up."""
RINGS_SECONDS = 600
LISTENING_MILLISECONDS = 250
"""Above the time between two reads by a drain (`workers.drain.LISTEN_SECONDS`)."""
BLIND_SECONDS = 1.0
"""How long Redis is not called after a failure, so that not every webhook's answer waits for it."""

WAITING, RINGS, LISTENING, PROBE = (
    f"lockstep:{name}" for name in ("bell:waiting", "bell:rings", "bell:listening", "probe")
)

RING = """
redis.call('INCR', KEYS[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
if ARGV[3] == '1' then redis.call('DEL', KEYS[3]) end
if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
return redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) and 1 or 0
"""
"""Counts a ring in one exchange; 1 if it needs a job. ARGV[3]: "1" = from a drain that has no free thread."""

UP, REFUSES, DOWN = "up", "refuses writes", "down"


def connect(url: str) -> redis.Redis:
    """A client with short time-outs and no retries of its own."""
    return redis.Redis.from_url(url, socket_connect_timeout=1.0, socket_timeout=2.0)


class DoorbellJob(Job):
    """An RQ job that runs one function only. For a stock worker: `rq worker --job-class workers.queue.DoorbellJob`."""

    success_callback = failure_callback = stopped_callback = property(lambda self: None)

    def perform(self) -> Any:
        """Raises ValueError if the job names any other function."""
        if (self.func_name, self.instance, list(self.args), self.kwargs) != (JOB, None, [], {}):
            raise ValueError(f"unknown job; this worker runs only {JOB}")
        return super().perform()


class Doorbell:
    """`hub.ports.Wake` over RQ, and `workers.drain.Bell`. Never raises: a ring that Redis does not take is counted in `lost` and
    logged once. deaf: set while a worker knows that Redis takes no writes; then Redis is not called."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._redis = connect(url)
        self._ring = self._redis.register_script(RING)
        self._queue = Queue(QUEUE, connection=self._redis, serializer=JSONSerializer)
        self._clock = clock
        self._rung: Callable[[], None] | None = None
        self._rings: bytes | None = None
        self._blind_until: float | None = None
        self._logged = False
        self.deaf = False
        self.lost = 0

    def wake(self, task: str, key: str) -> None:
        rung = self._rung
        if rung is not None:
            rung()
        else:
            self.ring()

    def ring(self, *, for_others: bool = False) -> None:
        """Wakes the workers. for_others: called by a drain that has no free thread."""
        if self._silent():
            self.lost += 1
            return
        try:
            if self._ring(keys=[WAITING, RINGS, LISTENING], args=[WAITING_SECONDS, RINGS_SECONDS, int(for_others)]):
                self._queue.enqueue_call(
                    JOB, timeout=JOB_SECONDS, result_ttl=0, failure_ttl=FAILURE_SECONDS, ttl=WAITING_SECONDS
                )
        except redis.RedisError as e:
            self.lost += 1
            self._missed(e)
        else:
            if self._logged:
                log.info("Redis takes wake-ups again", extra={"lost": self.lost})
            self._blind_until, self._logged = None, False

    def _silent(self) -> bool:
        return self.deaf or (self._blind_until is not None and self._clock.monotonic() < self._blind_until)

    def _missed(self, error: Exception) -> None:
        self._blind_until = self._clock.monotonic() + BLIND_SECONDS
        if not self._logged:
            self._logged = True
            log.warning("Redis takes no wake-ups (%s); workers poll the database", type(error).__name__)

    def started(self) -> None:
        """A job has started: the next ring needs a job of its own."""
        self._changed(lambda pipe: pipe.delete(WAITING))

    # --- workers.drain.Bell -------------------------------------------------------------------------------------

    def listen(self, rung: Callable[[], None]) -> None:
        self._rung = rung
        self._changed(lambda pipe: None)

    def pass_on(self) -> None:
        self.ring(for_others=True)

    def heard(self, free: bool) -> bool:
        return self._changed(lambda pipe: free and pipe.set(LISTENING, "1", px=LISTENING_MILLISECONDS))

    def leave(self) -> bool:
        self._rung = None
        return self._changed(lambda pipe: pipe.delete(LISTENING))

    def _changed(self, first: Callable[[redis.client.Pipeline], object]) -> bool:
        """Runs `first`, then reads the count of rings. Returns whether it has changed since the last read."""
        if self._silent():
            return False
        try:
            pipe = self._redis.pipeline(transaction=False)
            first(pipe)
            pipe.get(RINGS)
            before, self._rings = self._rings, pipe.execute()[-1]
        except redis.RedisError as e:
            self._missed(e)
            return False
        return self._rings != before


class NoWake:
    """`hub.ports.Wake` that does nothing: rows wait for the next query."""

    def wake(self, task: str, key: str) -> None:
        return None


def probe(url: str) -> str:
    """UP if Redis takes writes now, REFUSES if it answers and takes none (a replica, memory full, wrong password, loading),
    else DOWN."""
    client = connect(url)
    try:
        return probed(client)
    finally:
        client.close()


def probed(client: redis.Redis) -> str:
    """As `probe`, with this client."""
    try:
        client.set(PROBE, "1", ex=5)
    except (redis.ResponseError, redis.AuthenticationError, redis.BusyLoadingError):
        return REFUSES
    except redis.RedisError:
        return DOWN
    return UP


def count(client: redis.Redis) -> int:
    """How many workers are registered. Raises redis.RedisError."""
    return int(Worker.count(connection=client))
