"""A worker process whose tasks touch files. Its due rows are timers; a task whose key begins with "wait" waits for `go-<key>`.

python -m tests.engine.workers.filework DATABASE REDIS FOLDER
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from hub.clock import SystemClock
from hub.store import timers
from hub.store.unit import Store
from hub.sync import tasks
from hub.sync.hub import Hub
from tests.engine.patience import until
from workers.queue import Doorbell

TASK = "duplicates"
ROOT = Path(__file__).resolve().parents[3]


class FileWorker:
    """The worker's process; `begin` or `start` starts it. redis: its URL."""

    def __init__(self, folder: Path, redis: str) -> None:
        self.folder, self.redis = folder, redis
        self.url = f"sqlite:///{folder}/work.db"
        self.store = Store(self.url)
        self.store.create_all()
        self.doorbell = Doorbell(redis, SystemClock())
        self.process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Starts the process."""
        with (self.folder / "log").open("ab") as log:
            words = [sys.executable, "-m", "tests.engine.workers.filework", self.url, self.redis, str(self.folder)]
            self.process = subprocess.Popen(words, cwd=ROOT, env=dict(os.environ), stderr=log)

    def start(self) -> FileWorker:
        """Starts the process; returns when it has done a task."""
        self.begin()
        self.due("warm")
        until(lambda: self.rings("warm"), seconds=60)
        return self

    def due(self, key: str) -> None:
        with self.store.unit() as tx:
            timers.set_timer(tx, TASK, key, SystemClock().now(), {})

    def rings(self, key: str) -> bool:
        """Rings, as the timer does repeatedly, until the task is done."""
        self.doorbell.ring()
        return self.done(key)

    def began(self, key: str) -> bool:
        return (self.folder / f"began-{key}").exists()

    def done(self, key: str) -> bool:
        return (self.folder / f"done-{key}").exists()

    def go(self, key: str) -> None:
        (self.folder / f"go-{key}").touch()

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, seconds: float) -> int:
        assert self.process is not None
        return self.process.wait(seconds)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def end(self) -> None:
        if self.process is not None and self.alive:
            self.process.kill()
            self.process.wait()
        self.store.close()


def _work(url: str, redis: str, folder: Path) -> None:
    import logging

    from tests.bench.noop import noop_hub
    from workers import bootstrap
    from workers.worker import work

    logging.basicConfig(level=logging.INFO)
    pause = threading.Event()

    def task(hub: Hub, key: str) -> None:
        began = hub.clock.now()
        (folder / f"began-{key}").touch()
        while key.startswith("wait") and not (folder / f"go-{key}").exists():
            pause.wait(0.02)
        with hub.store.unit() as tx:
            timers.done(tx, TASK, key, began)
        (folder / f"done-{key}").touch()

    tasks.TASKS = {TASK: task, "poll": lambda hub, key: None, "subscribe": lambda hub, key: None}
    store = Store(url)
    hub = noop_hub(store, Doorbell(redis, SystemClock()))
    with hub.store.unit() as tx:
        tx.exec_driver_sql("UPDATE cursors SET due_at = NULL")
        tx.exec_driver_sql("UPDATE connections SET subscription_due = NULL")
    bootstrap._hubs[os.getpid()] = hub
    work(redis)


if __name__ == "__main__":
    _work(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
