"""A worker process: RQ's `SimpleWorker`, which runs jobs in its own process (1.7 ms from the doorbell to the job's start; 11 with a
fork). Instead of a process for each job, every vendor call has time-outs, and a dead worker's claims expire.

While Redis takes no writes (down, a replica after a fail-over, memory full) the process drains SQL on a clock. Without any Redis it
does only that, and runs the timer's sweep too. Claims keep the workers apart in every mode.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import redis
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer

from hub.store.unit import StoreUnavailable
from hub.sync.hub import Hub
from workers import sync
from workers.drain import Drain
from workers.queue import QUEUE, UP, Doorbell, DoorbellJob, probe
from workers.supervisor import binary
from workers.timer import Timer

log = logging.getLogger(__name__)

CLOCK_SECONDS = 0.25
"""Between two drains without Redis."""
PROBE_SECONDS = 1.0
HEARTBEAT_SECONDS = 10.0
WORKER_SECONDS = 30
"""RQ's `worker_ttl`: the heartbeat of an idle worker. RQ counts it as dead a minute after that."""
LONGEST_WAIT = 5.0
"""Seconds between two attempts to reach Redis."""


class LockstepWorker(SimpleWorker):
    """`SimpleWorker` that also stops its drain. A second signal ends the process at once."""

    max_connection_wait_time = LONGEST_WAIT

    def handle_warm_shutdown_request(self) -> None:
        """RQ's hook for the first signal, called in the signal handler."""
        _stop()
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]


def _stop() -> None:
    sync.stopping.set()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end_at_once)


def _end_at_once(number: int, _frame: object) -> None:
    os._exit(128 + number)  # whatever the threads do: their claims and leases expire, and the rows are due again


class _Signals:
    """SIGTERM and SIGINT while RQ's handlers are not installed. raising: RQ's worker is starting, so the handler raises."""

    def __init__(self) -> None:
        self.raising = False

    def install(self) -> None:
        if threading.current_thread() is threading.main_thread() and not sync.stopping.is_set():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._asked)

    def _asked(self, _number: int, _frame: object) -> None:
        _stop()
        if self.raising:
            raise StopRequested


def work(url: str, *, burst: bool = False) -> None:
    """Works until SIGTERM or SIGINT; running tasks are finished first, a second signal ends the process at once. Reconnects after
    every loss of Redis. burst: until nothing is due and no job waits. Raises SettingsError."""
    sync.stopping.clear()
    signals = _Signals()
    signals.install()
    drain, doorbell = sync.of_this_process()
    watch = Watch(url, drain, doorbell)
    if burst:
        drain.linger = 0.0
        doorbell.ring()
    try:
        with watch:
            while not sync.stopping.is_set():
                if burst and not watch.up:
                    while drained(watch.drain):
                        pass
                    return
                watch.wait_for_redis()
                _serve(url, watch, signals, burst)
                signals.install()
                if burst:
                    return
                sync.stopping.wait(PROBE_SECONDS)
    except StopRequested:
        return
    finally:
        sync.finish()


def _serve(url: str, watch: Watch, signals: _Signals, burst: bool) -> None:
    """Runs RQ's worker until it is asked to stop or loses Redis."""
    client = redis.Redis.from_url(url, socket_connect_timeout=2.0)
    signals.raising = True
    try:
        if sync.stopping.is_set():
            return
        queue = Queue(QUEUE, connection=client, serializer=JSONSerializer, job_class=DoorbellJob)
        watch.worker = LockstepWorker(
            [queue], connection=client, serializer=JSONSerializer, maintenance_interval=15, worker_ttl=WORKER_SECONDS,
            log_job_description=False, job_class=DoorbellJob,
        )  # fmt: skip
        watch.worker.work(burst=burst, logging_level="WARNING")
    except redis.RedisError as e:
        log.warning("the worker lost Redis (%s); reconnecting", type(e).__name__)
    finally:
        worker, watch.worker, signals.raising = watch.worker, None, False
        if worker is not None:
            watch.bury(worker)
        client.close()


class Watch:
    """A thread beside RQ's loop, which may hang as long as Redis does. Probes whether Redis takes writes, drains on a clock while it
    does not, and sends the worker's heartbeat during long jobs."""

    def __init__(self, url: str, drain: Drain, doorbell: Doorbell) -> None:
        self.drain, self._doorbell = drain, doorbell
        self.worker: SimpleWorker | None = None
        self._url = url
        self._dead: list[SimpleWorker] = []
        self._up = threading.Event()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="redis-watch", daemon=True)

    def __enter__(self) -> Watch:
        self._probe()
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._done.set()
        self._thread.join()

    @property
    def up(self) -> bool:
        """Whether Redis takes writes."""
        return self._up.is_set()

    def wait_for_redis(self) -> None:
        """Waits until Redis takes writes or the worker is asked to stop."""
        while not self._up.wait(CLOCK_SECONDS) and not sync.stopping.is_set():
            pass

    def _probe(self) -> None:
        state = probe(self._url)  # over a new connection: open ones may still be served
        up = state == UP
        if up == self._up.is_set() and self._doorbell.deaf != up:
            return
        self._doorbell.deaf = not up
        if up:
            self._up.set()
            self._register_deaths()
            log.info("Redis takes writes: work comes by RQ")
        else:
            self._up.clear()
            log.warning("Redis: %s; the database is polled until it takes writes again", state)

    def _run(self) -> None:
        now = self.drain.hub.clock.monotonic
        probed_at, beat_at = now(), now()
        while not self._done.wait(CLOCK_SECONDS if not self._up.is_set() else PROBE_SECONDS):
            try:
                if now() - probed_at >= PROBE_SECONDS:
                    probed_at = now()
                    self._probe()
                if not self._up.is_set():
                    if not sync.stopping.is_set():
                        drained(self.drain)
                elif now() - beat_at >= HEARTBEAT_SECONDS:
                    beat_at = now()
                    self._heartbeat()
            except Exception:  # without this thread nothing is worked while Redis takes no writes
                log.exception("the watch over Redis failed; it goes on")

    def bury(self, worker: SimpleWorker) -> None:
        """Ends what RQ leaves when Redis fails during its teardown: the thread that listens for commands, and the registration."""
        thread = worker.pubsub_thread
        if thread is not None and thread.is_alive():
            thread.stop()
            with contextlib.suppress(redis.RedisError, OSError):
                worker.unsubscribe()
        self._dead.append(worker)
        self._register_deaths()

    def _register_deaths(self) -> None:
        """Of the workers that this process has ended; again later if Redis takes no writes now."""
        with contextlib.suppress(redis.RedisError):
            while self._dead:
                self._dead[-1].register_death()  # type: ignore[no-untyped-call]
                self._dead.pop()

    def _heartbeat(self) -> None:
        worker = self.worker
        if worker is not None:
            try:
                worker.heartbeat(WORKER_SECONDS + 60)
                if worker.key not in SimpleWorker.all_keys(connection=worker.connection):  # Redis was emptied
                    worker.register_death()  # type: ignore[no-untyped-call]
                    worker.register_birth()  # type: ignore[no-untyped-call]
                    worker.set_state(worker.get_state())
            except redis.RedisError as e:
                log.info("the heartbeat was not sent (%s)", type(e).__name__)


def drained(drain: Drain) -> int:
    """One drain on the clock; 0 if it failed, which is logged."""
    try:
        return drain.run()
    except StoreUnavailable as e:
        log.warning("due rows could not be worked: %s", e)
    except Exception:
        log.exception("due rows could not be worked")
    return 0


class LocalBell:
    """The doorbell of a process that works without Redis. `event`: set by a wake-up while no drain runs."""

    def __init__(self) -> None:
        self._rung: Callable[[], None] | None = None
        self.event = threading.Event()

    def wake(self, task: str, key: str) -> None:
        (self._rung or self.event.set)()

    def pass_on(self) -> None:
        self.event.set()

    def listen(self, rung: Callable[[], None]) -> None:
        self.event.clear()
        self._rung = rung

    def heard(self, free: bool) -> bool:
        return False

    def leave(self) -> bool:
        self._rung = None
        return False


def _how_to_use_redis() -> str:
    """`lockstep up` switches Redis off for its parts where no server is installed."""
    unset = 'unset LOCKSTEP_REDIS_URL (or [hub].redis, where it is "none") or set an address'
    return unset if binary() else f"install redis-server, and {unset}"


def work_alone(hub: Hub, bell: LocalBell, stop: threading.Event, *, burst: bool = False) -> None:
    """Without Redis: drains SQL on a clock, beside the timer's sweep, until `stop` is set; running tasks are finished. `hub.wake` must
    be `bell`. burst: until nothing is due."""
    log.warning("no Redis is used: polling the database instead; for shorter delays %s", _how_to_use_redis())
    drain, timer = Drain(hub, bell, stop), Timer(hub)
    thread = threading.Thread(target=timer.run, args=(stop,), name="timer")
    try:
        if burst:
            while drained(drain) or timer.tick():
                pass
            timer.leave()
            return
        thread.start()
        while not stop.is_set():
            drained(drain)
            bell.event.wait(CLOCK_SECONDS)
    finally:
        if thread.is_alive():
            thread.join()
        drain.close()
