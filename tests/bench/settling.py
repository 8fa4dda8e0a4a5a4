"""Outbox rows settled per second by one worker, through an adapter that does nothing, against RQ's SimpleWorker and jobs
that do nothing. A settled row is: claimed by the worker (a commit for many), claimed for the write (commit), written, settled with
journal, shadow and next plan (commit)."""

from __future__ import annotations

import json
import sys
import time
from statistics import median

from sqlalchemy import func, insert, select, update

from hub.clock import SystemClock
from hub.store.tables import incidents, links, outbox
from hub.store.unit import Store
from tests.bench.databases import LONG_AGO, POSTGRES, SQLITE, fill, fresh, kinds
from tests.bench.machine import ROOT
from tests.bench.noop import NAME, noop_hub
from tests.bench.rows import Plan, Row, in_turns, ratio_at_least
from tests.bench.servers import redis_server
from workers.queue import QUEUE, Doorbell, connect

AT_LEAST = {SQLITE: 1.0, POSTGRES: 0.7}


def measure(plan: Plan) -> list[Row]:
    count, rounds = plan.of((1_000, 5), (300, 3), (10, 1))
    rows = []
    with redis_server() as redis:
        for kind in kinds():
            with fresh(kind) as url:
                store = Store(url)
                store.create_all()
                noop_hub(store)
                fill(store, count, NAME)
                ours, floor = in_turns(
                    rounds, lambda s=store: _settled(s, redis, count), lambda: _nothing(redis, count)
                )  # fmt: skip
                store.close()
            name = f"outbox rows settled by one worker, no-op adapter, {kind}"
            rows.append(ratio_at_least(name, median(ours), "rows/s", median(floor), AT_LEAST[kind]))
    return rows


def _settled(store: Store, redis: str, count: int) -> float:
    """Rows per second: every link gets an intention and a wake-up, then a worker starts."""
    hub = noop_hub(store, Doorbell(redis, SystemClock()))
    now = hub.clock.now()
    title = f"title of {hub.ids.new()}"
    with store.unit() as tx:
        found = tx.execute(select(links.c.id, links.c.incident_id)).all()
        tx.execute(update(links).values(written_at=LONG_AGO))
        tx.execute(update(incidents).values(fields={"title": title, "status": "acknowledged"}))
        tx.execute(
            insert(outbox),
            [
                {
                    "id": hub.ids.new(), "link_id": link, "incident_id": incident, "connection": NAME, "op": "update",
                    "state": "due", "changes": {"title": title}, "base_rev": 1, "created_at": now, "due_at": now,
                }
                for link, incident in found
            ],
        )  # fmt: skip
    connect(redis).flushdb()
    seconds = _worker("hub", redis, store.writer.url.render_as_string(hide_password=False))
    with store.reading() as tx:
        done = tx.execute(select(func.count()).where(outbox.c.changes["title"].as_string() == title, outbox.c.state == "done")).scalar()  # fmt: skip
    assert done == count, f"{done} of {count} rows were settled"
    return count / seconds


def _nothing(redis: str, count: int) -> float:
    """Jobs per second of RQ alone."""
    from rq import Queue
    from rq.serializers import JSONSerializer

    connect(redis).flushdb()
    queue = Queue(QUEUE, connection=connect(redis), serializer=JSONSerializer)
    for _ in range(count):
        queue.enqueue_call("tests.bench.settling.nothing", result_ttl=0)
    return count / _worker("rq", redis, "")


def nothing() -> None:
    """The job that is run to measure the floor."""


def _worker(what: str, redis: str, url: str) -> float:
    """Seconds that a new worker process takes until the queues are empty, not counting its start."""
    import subprocess

    words = [sys.executable, "-m", "tests.bench.settling", what, redis, url]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return float(json.loads(done.stdout))


def _work(what: str, redis: str, url: str) -> None:
    """Runs in the worker process."""
    import os

    from workers import bootstrap
    from workers.worker import work

    if what == "hub":
        bootstrap._hubs[os.getpid()] = noop_hub(Store(url), Doorbell(redis, SystemClock()), redis)
    began = time.perf_counter()
    if what == "hub":
        work(redis, burst=True)
    else:
        _rq(redis)
    print(json.dumps(time.perf_counter() - began))


def _rq(redis: str) -> None:
    """Runs RQ's own worker, with all that it does for a job."""
    from rq import Queue, SimpleWorker
    from rq.serializers import JSONSerializer

    client = connect(redis)
    queue = Queue(QUEUE, connection=client, serializer=JSONSerializer)
    SimpleWorker([queue], connection=client, serializer=JSONSerializer).work(burst=True, logging_level="WARNING")


if __name__ == "__main__":
    _work(*sys.argv[1:4])
