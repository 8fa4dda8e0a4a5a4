"""`lockstep up`: a whole hub from one command. This process starts the parts, restarts those that die, and stops them in order: the
web first, then workers and timer after their running tasks, Redis last.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from hub.clock import SystemClock
from hub.ports import Clock, Ids
from hub.settings.load import Settings
from workers.bootstrap import migrated
from workers.parent import die_with_parent
from workers.port import place
from workers.supervisor import EmbeddedRedis, binary

log = logging.getLogger(__name__)

CHECK_SECONDS = 0.25
SHORTEST_REST, LONGEST_REST = 0.2, 10.0
"""Seconds before a part that died is restarted; doubled at each death, reset after a minute of life."""
WEB_SECONDS = 10.0
"""How long the other parts wait at the start for the web: a vendor that is asked for webhooks calls it at once."""
GRACE_SECONDS = 30.0
"""How long a part has to finish its running tasks."""


class AlreadyUp(RuntimeError):
    """Another `lockstep up` uses this data folder."""


class NoFolder(RuntimeError):
    """The data folder cannot be made or written to; the message says why."""


def lock(data_dir: Path) -> IO[str]:
    """Makes the data folder and locks it while the returned file is open. Raises AlreadyUp, NoFolder."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (data_dir / "up.lock").open("a")
    except OSError as e:
        raise NoFolder(f"the data folder {data_dir} cannot be used: {e.strerror}; set LOCKSTEP_DATA") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise AlreadyUp(f"a hub is already running on {data_dir}; stop it, or set LOCKSTEP_DATA") from None
    return file


def make_vault_key(data_dir: Path, ids: Ids) -> Path:
    """A key for secrets that arrive at run time, made once, readable by this account alone."""
    path = data_dir / "vault.key"
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(ids.token(32) + "=\n")  # 32 random bytes in URL-safe base64, as Fernet takes them
        log.info("made %s: without it the secrets in the vault cannot be read; keep a copy", path)
    return path


@dataclass
class Part:
    """One process of the hub."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    rest: float = SHORTEST_REST
    started: float = 0.0
    due: float = 0.0
    starts: int = 0

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass
class Supervisor:
    """Keeps the parts running until `stop` is set. redis: the embedded server, if there is one."""

    parts: Sequence[Part]
    environ: dict[str, str]
    redis: EmbeddedRedis | None = None
    clock: Clock = field(default_factory=SystemClock)
    stop: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Starts each part that is not running and whose rest is over."""
        if self.redis is not None:
            self.redis.keep()
        now = self.clock.monotonic()
        for part in self.parts:
            if part.alive:
                if now - part.started > 60:
                    part.rest = SHORTEST_REST
                continue
            if part.process is not None:
                log.warning(
                    "%s ended (status %s); restarting it in %.1f s", part.name, part.process.returncode, part.rest
                )
                part.process, part.due = None, now + part.rest
                part.rest = min(part.rest * 2, LONGEST_REST)
            if now >= part.due:
                self._start(part)

    def _start(self, part: Part) -> None:
        part.started, part.starts = self.clock.monotonic(), part.starts + 1
        part.process = subprocess.Popen(  # noqa: S603 - the hub's own commands
            part.command,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches only this process, which stops the parts in order
            preexec_fn=partial(die_with_parent, os.getpid()),
        )

    def run(self, answers: Callable[[], bool], ready: Callable[[], None]) -> None:
        """Starts the first part and, once it `answers`, the others; then calls `ready`. Keeps them running until `stop` is set, then
        stops them in order."""
        is_ready = False
        for part in self.parts[1:]:
            part.due = self.clock.monotonic() + WEB_SECONDS
        try:
            self.check()
            while not self.stop.wait(CHECK_SECONDS):
                if not is_ready and answers():
                    is_ready = True
                    for part in self.parts[1:]:
                        part.due = 0.0
                    self.check()
                    ready()
                self.check()
        finally:
            self.end()

    def end(self) -> None:
        """Stops the parts in the order of the list; each finishes its running tasks."""
        for part in self.parts:
            if part.alive and part.process is not None:
                part.process.terminate()
        deadline = self.clock.monotonic() + GRACE_SECONDS
        for part in self.parts:
            if part.process is None:
                continue
            try:
                part.process.wait(max(0.1, deadline - self.clock.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("%s did not stop within %.0f s; killing it", part.name, GRACE_SECONDS)
                part.process.kill()
                part.process.wait()
        if self.redis is not None:
            self.redis.stop()


def plan(host: str, port: int, workers: int, with_queue: bool) -> list[Part]:
    """The parts of a hub: web, timer and workers; without Redis, web and one worker that polls and sweeps."""
    lockstep = (sys.executable, "-m", "hub.cli")
    # --share-port: a restarted web may find the port held by the last processes of the dead one; `up` has checked the port
    parts = [Part("web", (*lockstep, "web", "--host", host, "--port", str(port), "--share-port"))]
    if not with_queue:
        return [*parts, Part("worker-0", (*lockstep, "worker"))]
    parts.append(Part("timer", (*lockstep, "timer")))
    parts += [Part(f"worker-{n}", (*lockstep, "worker")) for n in range(workers)]
    return parts


def listens(host: str, port: int) -> bool:
    """Whether something accepts connections there."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    try:
        with socket.create_connection((here, port), timeout=0.5):
            return True
    except OSError:
        return False


def prepare(settings: Settings, ids: Ids) -> tuple[dict[str, str], EmbeddedRedis | None]:
    """Makes what the parts need: vault key, tables, Redis. Returns the parts' environment."""
    environ = {**settings.environ, "LOCKSTEP_CONFIG": str(settings.path), "LOCKSTEP_DATA": str(settings.data_dir)}
    if settings.vault_key is None:
        environ["LOCKSTEP_VAULT_KEY_FILE"] = str(make_vault_key(settings.data_dir, ids))
    migrated(settings)
    if settings.redis_url is not None:
        return environ, None
    program = binary()
    if program is None:
        return {**environ, "LOCKSTEP_REDIS_URL": "none"}, None
    server = EmbeddedRedis(settings.data_dir, program)
    server.start()
    return {**environ, "LOCKSTEP_REDIS_URL": server.url}, server


def stop_on_signals(stop: threading.Event) -> None:
    """SIGTERM and SIGINT set `stop`."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())


def up(settings: Settings, ids: Ids, *, host: str, port: int, workers: int, ready: Callable[[], None]) -> None:
    """Runs a whole hub until SIGTERM or SIGINT. Raises AlreadyUp, CannotListen, and what the preparations raise."""
    with lock(settings.data_dir):
        place(host, port)
        stop = threading.Event()
        stop_on_signals(stop)
        environ, redis = prepare(settings, ids)
        with_queue = environ.get("LOCKSTEP_REDIS_URL") != "none" and settings.redis_url != ""
        supervisor = Supervisor(plan(host, port, max(2, workers), with_queue), environ, redis, stop=stop)
        supervisor.run(lambda: listens(host, port), ready)
