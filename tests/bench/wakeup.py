"""A wake-up through RQ: from the commit that makes a row due until its task's function starts in a worker process. The hub is idle:
each wake-up comes after the previous drain has ended, so each needs its own RQ job."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median
from typing import IO

from sqlalchemy import insert, update

from hub.clock import SystemClock
from hub.store.tables import incidents, links, outbox
from hub.store.unit import Store
from hub.sync.hub import Hub
from tests.bench.databases import LONG_AGO, fill, fresh, kinds
from tests.bench.machine import ROOT
from tests.bench.noop import NAME, noop_hub
from tests.bench.rows import Plan, Row, at_most, quantile, reported
from tests.bench.servers import NotUp, redis_server
from tests.bench.town import until
from workers.queue import Doorbell, connect
from workers.queue import count as workers_at

PAUSE = 0.5
"""Seconds between two wake-ups, and up to a fifth more: longer than a drain stays after its last task (`workers.drain.LINGER_SECONDS`)
and than it is taken to listen (`workers.queue.LISTENING_MILLISECONDS`)."""
LONGEST = 15.0


def measure(plan: Plan) -> list[Row]:
    count = plan.of(100, 30, 3)
    rows = []
    with redis_server() as redis:
        for kind in kinds():
            with fresh(kind) as url:
                store = Store(url)
                store.create_all()
                hub = noop_hub(store, Doorbell(redis, SystemClock()))
                fill(store, count + 1, NAME)
                with _worker(redis, url) as starts:
                    _woken(hub, 0, starts)  # warms up
                    taken = [_woken(hub, n, starts) * 1000 for n in range(1, count + 1)]
                store.close()
            name = f"wake-up through RQ, commit to the task's start, idle hub, {kind}"
            rows.append(at_most(f"{name}: p50", median(taken), "ms", 20.0))
            rows.append(reported(f"{name}: p99", quantile(taken, 0.99), "ms"))
    return rows


def _woken(hub: Hub, number: int, starts: IO[bytes]) -> float:
    """Seconds from the commit of a write's row to the start of the task `deliver` of its link."""
    time.sleep(PAUSE + number % 10 / 100)
    link, incident, now = f"k{number:09d}", f"i{number:09d}", hub.clock.now()
    with hub.store.unit() as tx:
        tx.execute(update(links).where(links.c.id == link).values(written_at=LONG_AGO))
        tx.execute(
            update(incidents)
            .where(incidents.c.id == incident)
            .values(fields={"title": "new", "status": "acknowledged"})
        )
        tx.execute(
            insert(outbox).values(
                id=hub.ids.new(), link_id=link, incident_id=incident, connection=NAME, op="update", state="due",
                changes={"title": "new"}, base_rev=1, created_at=now, due_at=now,
            )
        )  # fmt: skip
    committed = time.monotonic()
    hub.wake.wake("deliver", link)
    while select.select([starts], [], [], LONGEST)[0]:
        key, _, at = starts.readline().decode().partition(" ")
        if key == link:
            return float(at) - committed
        if not key:
            break
    raise NotUp(f"the worker did not start the task of {link} within {LONGEST:.0f} s")


@contextlib.contextmanager
def _worker(redis: str, url: str) -> Iterator[IO[bytes]]:
    """Runs a worker process; yields a stream with a line for each start of a task: its key and the monotonic time."""
    client = connect(redis)
    client.flushdb()
    command = [sys.executable, "-m", "tests.bench.wakeup", redis, url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, bufsize=0) as child:
        try:
            until(lambda: child.poll() is not None or workers_at(client) > 0, 30, "the worker")
            assert child.stdout is not None
            yield child.stdout
        finally:
            child.terminate()
            client.close()


def _work(redis: str, url: str) -> None:
    """Runs in the worker process. CLOCK_MONOTONIC is the same for all processes of a machine."""
    from hub.sync import tasks
    from workers import bootstrap
    from workers.worker import work

    deliver = tasks.TASKS["deliver"]

    def noted(hub: Hub, link: str) -> None:
        at = time.monotonic()
        os.write(1, f"{link} {at}\n".encode())
        deliver(hub, link)

    tasks.TASKS = {**tasks.TASKS, "deliver": noted}
    bootstrap._hubs[os.getpid()] = noop_hub(Store(url), Doorbell(redis, SystemClock()), redis)
    work(redis)


if __name__ == "__main__":
    _work(*sys.argv[1:3])
