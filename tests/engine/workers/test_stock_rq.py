"""RQ's own tools work: a stock forking `rq worker` does the same work, `rq info` shows it, failures are in RQ's registry."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import text

from hub.clock import SystemClock
from hub.store import migrate
from hub.store.records import Inbox, save
from hub.store.unit import Store
from tests.engine.patience import until
from tests.engine.workers.filework import FileWorker
from workers.queue import QUEUE, Doorbell

pytestmark = pytest.mark.redis

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
SECRET = "hunter2-hunter2-hunter2"
CONFIG = """
[connections.pagerduty]
vendor = "pagerduty"
state = "disabled"
from_email = "lockstep@example.com"
"""


class Hub:
    """A configured hub with one unprocessed webhook."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.config, self.redis = folder / "lockstep.toml", redis_url
        self.config.write_text(CONFIG)
        self.database = f"sqlite:///{folder}/hub.db"
        self.environ = {
            **os.environ, "LOCKSTEP_CONFIG": str(self.config), "LOCKSTEP_DATA": str(folder), "LOCKSTEP_REDIS_URL": redis_url,
            "LOCKSTEP_DATABASE_URL": self.database, "LOCKSTEP_PAGERDUTY_API_TOKEN": SECRET, "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        migrate.upgrade(self.database)
        self.store = Store(self.database)
        now = SystemClock().now()
        with self.store.unit() as tx:
            tx.execute(
                text(
                    "INSERT INTO connections (name, vendor, state, created_at) VALUES ('pagerduty', 'pagerduty', 'disabled', 0)"
                )
            )
            save(tx, Inbox("i1", "pagerduty", "d1", now, "POST", "/in/pagerduty", {}, {}, b"{}", "new", due_at=now))

    def state(self) -> str:
        with self.store.reading() as tx:
            return str(tx.scalar(text("SELECT state FROM inbox")))

    def ring(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("workers.queue.WAITING_SECONDS", 300)  # the worker that takes the job is started later
        Doorbell(self.redis, SystemClock()).ring()

    def rq(self, *words: str) -> subprocess.CompletedProcess[str]:
        line = [str(BIN / "rq"), *words, "--url", self.redis]
        return subprocess.run(line, env=self.environ, capture_output=True, text=True, timeout=120, check=False)

    def work(self) -> str:
        """Runs a stock worker until the queue is empty; returns its output."""
        done = self.rq("worker", QUEUE, "--serializer", "rq.serializers.JSONSerializer", "--burst")
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def hub(tmp_path: Path, redis_url: str) -> Iterator[Hub]:
    made = Hub(tmp_path, redis_url)
    yield made
    made.store.close()


def queue(url: str) -> Queue:
    return Queue(QUEUE, connection=redis.Redis.from_url(url), serializer=JSONSerializer)


def test_a_stock_worker_works_what_is_due(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.ring(monkeypatch)
    hub.work()
    assert hub.state() != "new"
    assert queue(hub.redis).count == 0
    assert len(queue(hub.redis).failed_job_registry) == 0
    with hub.store.reading() as tx:
        assert tx.scalar(text("SELECT count(*) FROM claims")) == 0


def test_a_job_that_raises_is_in_rqs_failed_registry_and_in_our_log_without_a_secret(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.config.write_text(CONFIG.replace('"pagerduty"', f'"{SECRET}"'))
    hub.ring(monkeypatch)
    words = hub.work()
    failed = queue(hub.redis).failed_job_registry
    (job,) = failed.get_job_ids()
    result = queue(hub.redis).fetch_job(job).latest_result()  # type: ignore[union-attr]
    assert result is not None
    assert "NotWorked: SettingsError" in str(result.exc_string)
    assert "due rows could not be worked" in words
    client = redis.Redis.from_url(hub.redis)
    kept = b"".join(client.dump(key) or b"" for key in client.scan_iter())
    assert SECRET.encode() not in kept
    assert hub.state() == "new", "and nothing is lost"


def test_rq_info_shows_queue_worker_and_what_it_is_at(redis_url: str, tmp_path: Path) -> None:
    worker = FileWorker(tmp_path, redis_url)

    def info() -> str:
        line = [str(BIN / "rq"), "info", QUEUE, "--url", redis_url, "--raw"]
        return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False).stdout

    try:
        worker.start()
        until(lambda: f" idle {QUEUE}" in info(), seconds=60)
        worker.due("wait-a")
        until(lambda: worker.rings("wait-a") or worker.began("wait-a"))
        until(lambda: f" busy {QUEUE}" in info(), seconds=60)
        worker.go("wait-a")
        until(lambda: f" idle {QUEUE}" in info(), seconds=60)
        redis.Redis.from_url(redis_url).flushdb()
        assert f" idle {QUEUE}" not in info()
        until(lambda: f" idle {QUEUE}" in info(), seconds=60)
    finally:
        worker.end()
