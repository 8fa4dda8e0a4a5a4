"""Wake-ups over Redis: RQ carries names and nothing else. All of it may be lost at any moment; the sweep finds the rows.

Choices, from measurements (RQ 3.0, two cores):

* `SimpleWorker`, which runs a job in its own process: 250 wake-ups a second instead of 64, and 1.7 ms from the wake-up to
  its start instead of 11 ms. What a process for each job would isolate is held otherwise: every vendor call has time-outs,
  and a worker that dies is started again while the leases in SQL bring its rows back.
* A job gives its name to one of the worker's threads (`workers.hands`): tasks wait for vendors nearly all of their time.
* A thread whose task is done takes over the names that wait behind it (`RqWake.then`), for a second. RQ's own care of a job
  (registries, heartbeats, executions), which costs more than most tasks do, is left out (`_Worker`).
* RQ's retries, scheduler and `unique` stay unused: its scheduler died with a Redis restart and stayed dead, `unique` held
  a name for as long as its result was kept. Due times, attempts and once-ness are rows in SQL.
* Wake-ups for the same (task, name) coalesce in one short-lived key, which goes when the job starts. A job that waited
  longer than that key lives is dropped by Redis, so a long queue cannot grow by repeats.
* `--maintenance-interval 15`, `--worker-ttl 30`: an idle worker looks around at least every 15 seconds (by default 405).
* Arguments are JSON, not pickle: who can write to Redis cannot run code here by a crafted job body.

Three queues, by what a task waits for: our own rows, a vendor's write or read, a vendor's polling. Every second worker
begins with the vendors, the others with the rows, so that neither waits behind the other; how many slots one connection
may hold is the budget's (`hub.sync.limits.budget`).
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import redis
from rq import Queue, SimpleWorker
from rq.exceptions import NoSuchJobError, StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.utils import import_attribute, utcformat

from hub.clock import SystemClock
from hub.ports import Clock

log = logging.getLogger(__name__)

CLOCK = SystemClock()

ROWS, VENDORS, POLLS = "lockstep-rows", "lockstep-vendors", "lockstep-polls"
QUEUE_OF: Mapping[str, str] = {
    "inbox": ROWS,
    "plan": ROWS,
    "refresh": VENDORS,
    "deliver": VENDORS,
    "adopt": VENDORS,
    "backlink": VENDORS,
    "duplicates": VENDORS,
    "poll": POLLS,
    "subscribe": POLLS,
}
"""task → queue. A task that is not named here is the vendors'."""

SWEPT: Mapping[str, str] = {**QUEUE_OF, "refresh": POLLS}
"""For what the sweep wakes: a look that nobody has woken before is mostly at what our own writes have left there, and waits behind
what people do."""

JOB = "workers.sync.run"
JOB_SECONDS = 120
"""What RQ is told that a job may take. Nothing interrupts a hand: each vendor call has time-outs (13 s)."""
COALESCE_SECONDS = 10
"""How long a lost wake-up can hold back the next one for the same name."""
DOING_SECONDS = 15
"""How long a worker that died can hold back the name that it was at. Above a vendor call's time-outs; two workers at one name
do no harm but read twice."""
DRAIN_SECONDS = 1.0
"""How long a thread goes on with the names that wait, before the worker looks after itself again (heartbeat, being told to
stop)."""
CARE_SECONDS = 10.0
"""How often a busy worker says that it is alive. It is taken for dead after 90 seconds."""
BLIND_SECONDS = 1.0
"""After a failure Redis is left alone this long, so that a webhook's answer does not wait for it again and again."""


WAKE = """
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) then return 0 end
redis.call('HSET', KEYS[2], unpack(ARGV, 4))
redis.call('EXPIRE', KEYS[2], ARGV[1])
redis.call('SADD', ARGV[2], KEYS[3])
redis.call('RPUSH', KEYS[3], ARGV[3])
return 1
"""
"""Puts a job into its queue as RQ would, unless its name waits there already: in one exchange. RQ's own `enqueue` takes
two, and twice as long as keeping the webhook that it is for."""

THEN = """
local came = tonumber(redis.call('GETDEL', KEYS[1]) or '') or 1
for n = 2, #KEYS do
  local id = redis.call('LPOP', KEYS[n])
  while id do
    if redis.call('DEL', ARGV[1] .. id) == 1 then
      local task, name = string.match(id, '^([^_]*)_(.*)_[^_]*$')
      if task then
        local doing = ARGV[3] .. task .. ':' .. name
        redis.call('DEL', ARGV[2] .. task .. ':' .. name)
        redis.call('SET', doing, 0, 'NX', 'EX', ARGV[4])
        if redis.call('INCR', doing) == 1 then return {came, task, name} end
      end
    end
    id = redis.call('LPOP', KEYS[n])
  end
end
return {came}
"""
"""Ends one name and begins the next, in one exchange: `end`, then the first job that is still there (what waited too long has
gone) and that nobody else is at, out of the first queue that has one, and `begin`. A job's id is made of its task and name."""

WOKEN, DOING = "lockstep:woken:", "lockstep:doing:"

PREFIXES = (Job.redis_job_namespace_prefix, WOKEN, DOING, DOING_SECONDS)

_stopping = threading.Event()
"""Set when this process's worker was asked to stop: it takes no further name."""


def connect(url: str) -> redis.Redis:
    """A client with short time-outs and no retries of its own."""
    return redis.Redis.from_url(url, socket_connect_timeout=1.0, socket_timeout=2.0)


def _key(task: str, name: str) -> str:
    return f"{WOKEN}{task}:{name}"


def _doing(task: str, name: str) -> str:
    return f"{DOING}{task}:{name}"


def _fields(task: str, name: str, queue: str, at: str) -> list[str | int]:
    """A job's hash in Redis: names and values, in turns."""
    call = json.dumps([JOB, None, [task, name], {}])
    return [
        "created_at", at, "enqueued_at", at, "status", "queued", "origin", queue, "description", task, "data", call,
        "timeout", JOB_SECONDS, "result_ttl", 0, "failure_ttl", 60,
    ]  # fmt: skip


class RqWake:
    """`hub.ports.Wake` over RQ. Never raises: a wake-up that Redis does not take is counted in `lost`, and said once."""

    def __init__(self, url: str, clock: Clock, queue_of: Mapping[str, str] = QUEUE_OF) -> None:
        self._redis = connect(url)
        self._queue_of = queue_of
        self._wake, self._then = (self._redis.register_script(script) for script in (WAKE, THEN))
        self._clock = clock
        self._blind_until: float | None = None
        self._said = False
        self.lost = 0

    def wake(self, task: str, name: str) -> None:
        if self._blind_until is not None and self._clock.monotonic() < self._blind_until:
            self.lost += 1
            return
        try:
            now = self._clock.now()
            job, queue = f"{task}_{name}_{round(now.timestamp() * 1e6):x}", self._queue_of.get(task, VENDORS)
            self._wake(
                keys=[_key(task, name), Job.key_for(job), Queue.redis_queue_namespace_prefix + queue],
                args=[COALESCE_SECONDS, Queue.redis_queues_keys, job, *_fields(task, name, queue, utcformat(now))],
            )
        except Exception as e:
            self._missed(e)
        else:
            if self._said:
                log.info("Redis takes wake-ups again", extra={"lost": self.lost})
            self._blind_until, self._said = None, False

    def _missed(self, error: Exception) -> None:
        self.lost += 1
        self._blind_until = self._clock.monotonic() + BLIND_SECONDS
        if not self._said:
            self._said = True
            log.warning("Redis takes no wake-ups (%s); the sweep finds the rows", type(error).__name__)

    def begin(self, task: str, name: str) -> bool:
        """The job for this name begins: what happens from now on needs a wake-up of its own. False if another worker is at
        it right now; it is told, and there will be another wake-up when it has ended."""
        try:
            pipe = self._redis.pipeline(transaction=False)
            pipe.delete(_key(task, name))
            pipe.set(_doing(task, name), 0, nx=True, ex=DOING_SECONDS)
            pipe.incr(_doing(task, name))
            return int(pipe.execute()[-1]) == 1
        except redis.RedisError as e:
            self._missed(e)
            return True

    def end(self, task: str, name: str) -> None:
        """The job for this name has ended. Wakes it again if anybody came for it meanwhile."""
        try:
            came = self._redis.getdel(_doing(task, name))
        except redis.RedisError as e:
            self._missed(e)
            return
        if came is not None and int(came) > 1:
            self.wake(task, name)

    def then(self, task: str, name: str, more: bool) -> tuple[str, str] | None:
        """Ends this name, as `end` does, and begins the next (task, name) that waits, our own rows first, taken out of its
        queue. None if there is none, or not `more`, or this worker is to stop. What is taken and then lost is found by the
        sweep."""
        if not more or _stopping.is_set():
            self.end(task, name)
            return None
        queues = [Queue.redis_queue_namespace_prefix + queue for queue in order(0)]
        try:
            came, *following = self._then(keys=[_doing(task, name), *queues], args=PREFIXES)
        except redis.RedisError as e:
            self._missed(e)
            return None
        if int(came) > 1:
            self.wake(task, name)
        return (following[0].decode(), following[1].decode()) if following else None


class NoWake:
    """`hub.ports.Wake` where there is no queue: rows wait for the next look of the poller."""

    def wake(self, task: str, name: str) -> None:
        return None


def words(job: str) -> tuple[str, str]:
    """(task, name), out of a job's id."""
    task, _, name = job.rpartition("_")[0].partition("_")
    return task, name


class _Name(Job):
    """A job as our worker takes it. Its id says all that there is to know, so nothing else of it is read."""

    @classmethod
    def fetch(cls, id: str, connection: redis.Redis | None = None, serializer: Any = None) -> Job:
        """Takes the job out of Redis. Raises NoSuchJobError where it has waited too long."""
        if connection is None or not connection.delete(cls.key_for(id)):
            raise NoSuchJobError(id)
        return cls(id, connection, serializer)


class _Worker(SimpleWorker):
    """An RQ worker that finishes the job in hand when it is asked to stop, and never misses being asked.

    RQ's own handlers are in place only after the worker can be seen, write to Redis inside the handler (with Redis away
    that would break the vendor call that is under way), and raise wherever the worker happens to be.

    A job is over when it has been given to a hand: it has no result, no retry and no registry, so nothing is written to Redis
    for it. What RQ writes for each job, some twenty times, cost twice what our own tasks do.
    """

    waiting = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._next: dict[str, float] = {}
        super().__init__(*args, **kwargs)

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Gives the name to a hand."""
        try:
            import_attribute(JOB)(*words(job.id))
        except Exception:
            log.exception("a job of %s could not be begun; the sweep brings its row again", queue.name)

    def _due(self, care: str) -> bool:
        """Whether RQ's care of itself, which it takes at every job, is due again."""
        now = CLOCK.monotonic()
        if now < self._next.get(care, now):
            return False
        self._next[care] = now + CARE_SECONDS
        return True

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """That this worker is alive."""
        if timeout is not None or pipeline is not None or self._due("heartbeat"):
            super().heartbeat(timeout, pipeline)

    def check_for_suspension(self, burst: bool) -> None:
        """Whether `rq suspend` was said."""
        if self._due("suspension"):
            super().check_for_suspension(burst)

    def set_state(self, state: str, pipeline: Any = None) -> None:
        """What `rq info` shows of it."""
        if pipeline is not None or state != self._state or self._due("state"):
            super().set_state(state, pipeline)

    def _install_signal_handlers(self) -> None:
        """Not here: `work` has done it."""

    def ask_to_stop(self) -> None:
        """In a signal handler: a worker that waits for a job stops at once, any other one after what it has in hand."""
        self._stop_requested = True
        if self.waiting:
            raise StopRequested

    def dequeue_job_and_maintain_ttl(self, *args: Any, **kwargs: Any) -> Any:
        self.waiting = True
        try:
            if self._stop_requested:
                raise StopRequested
            return super().dequeue_job_and_maintain_ttl(*args, **kwargs)
        finally:
            self.waiting = False


def order(number: int) -> Sequence[str]:
    """The queues of worker `number` (from 0), most urgent first."""
    return (ROWS, VENDORS, POLLS) if number % 2 == 0 else (VENDORS, ROWS, POLLS)


def work(
    url: str, number: int = 0, *, burst: bool = False, stop: threading.Event | None = None,
    finish: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Works until SIGTERM or SIGINT (the tasks in hand are finished first). A second signal stops at once.

    Comes back after every loss of Redis. burst: until the queues are empty, for tests. stop: ends the wait for Redis.
    finish: waits for what the jobs have begun; called last.
    """
    stop = stop or threading.Event()
    _stopping.clear()
    worker: _Worker | None = None

    def ask(signum: int, _frame: object) -> None:
        if _stopping.is_set():
            os._exit(128 + signum)  # whatever the threads are doing: their leases run out, and the rows come back
        _stopping.set()
        stop.set()
        if worker is not None:
            worker.ask_to_stop()

    if threading.current_thread() is threading.main_thread():
        for number_of_signal in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number_of_signal, ask)
    try:
        while not stop.is_set():
            client = redis.Redis.from_url(url, socket_connect_timeout=2.0)
            try:
                worker = _worker(client, number)
                if not stop.is_set():
                    worker.work(burst=burst, logging_level="WARNING")
            except redis.RedisError as e:
                log.warning("the worker lost Redis (%s); once more in a second", type(e).__name__)
            finally:
                worker = None
                client.close()
            if burst:
                return
            stop.wait(1.0)
    finally:
        finish()


def _worker(client: redis.Redis, number: int) -> _Worker:
    queues = [Queue(name, connection=client, serializer=JSONSerializer) for name in order(number)]
    options: dict[str, Any] = {
        "maintenance_interval": 15, "worker_ttl": 30, "log_job_description": False, "job_class": _Name,
    }  # fmt: skip
    return _Worker(queues, connection=client, serializer=JSONSerializer, **options)


def alive(url: str) -> bool:
    """Whether Redis answers now."""
    client = connect(url)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def count(client: redis.Redis) -> int:
    """How many workers listen. Raises redis.RedisError."""
    return int(SimpleWorker.count(connection=client))
