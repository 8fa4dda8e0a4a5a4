"""Processes whose parent was killed end by themselves within seconds and free the port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import absent
from tests.engine.patience import until
from tests.engine.workers.test_up import Hub, children, running
from workers.demo.deployment import children as direct
from workers.parent import CHECK_SECONDS, GRACE_SECONDS, die_with_parent

SOON = CHECK_SECONDS + GRACE_SECONDS + 5.0
"""Most seconds until they end, with a margin for a busy machine."""

HALF = b"POST /in/jira-payments HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{"


@pytest.fixture(autouse=True)
def _processes_can_be_seen() -> None:
    if not Path("/proc/self/stat").exists():
        absent("the processes of this system cannot be listed")


@pytest.fixture
def hub(data_dir: Path) -> Iterator[Hub]:
    """A hub without Redis: its parts are a web and a worker."""
    hub = Hub(data_dir, LOCKSTEP_REDIS_URL="none")
    yield hub
    hub.end()


class Web:
    """A `lockstep web` without `lockstep up`."""

    def __init__(self, hub: Hub) -> None:
        self.port = hub.port
        line = [sys.executable, "-m", "hub.cli", "web", "--port", str(hub.port)]
        self.process = subprocess.Popen(line, env=hub.environ, stderr=subprocess.DEVNULL)
        self.family: list[int] = []

    def grown(self) -> bool:
        self.family = list(children(self.process.pid))
        return len(self.family) == 2

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def gone(self) -> bool:
        return not any(running(pid) for pid in self.family)

    def end(self) -> None:
        self.kill()
        for pid in filter(running, self.family):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def web(hub: Hub) -> Iterator[Web]:
    """A web on the database of a hub that has just been stopped."""
    until(hub.ready, 60)
    hub.end()
    web = Web(hub)
    yield web
    web.end()


def test_the_processes_of_a_killed_web_end_although_a_request_never_does_and_the_next_web_has_the_port(
    hub: Hub,
) -> None:
    until(hub.ready, 60)
    main = next(pid for pid, command in direct(hub.process.pid) if b"web" in command)
    family = list(children(main))
    assert len(family) == 2
    with socket.create_connection(("127.0.0.1", hub.port)) as never_ends:
        never_ends.sendall(HALF)
        os.kill(main, signal.SIGKILL)
        until(lambda: not any(running(pid) for pid in family), SOON)
    until(hub.ready, 60)
    assert main not in hub.part(" web ")


def test_a_request_in_hand_is_answered_before_a_web_without_its_parent_ends(hub: Hub, web: Web) -> None:
    until(lambda: hub.get("/health/live") and web.grown(), 60)
    with socket.create_connection(("127.0.0.1", web.port)) as sender:
        sender.settimeout(20)
        sender.sendall(HALF)
        until(lambda: _read(sender), 5)
        web.kill()
        sender.sendall(b"}")
        assert sender.recv(4096).startswith(b"HTTP/1.1 401")
    until(web.gone, SOON)


def _read(sender: socket.socket) -> bool:
    """Whether the peer has read everything that was sent to it."""
    here = f"{sender.getsockname()[1]:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[2].endswith(f":{here}"):  # the server's end of the connection
            return words[4].endswith(":00000000") and words[3] == "01"
    return False


def test_a_web_that_is_killed_while_its_processes_start_leaves_none(web: Web) -> None:
    until(web.grown, 60)
    web.kill()
    until(web.gone, SOON)


def test_a_child_whose_parent_died_before_it_could_ask_to_be_told_ends_at_once() -> None:
    if sys.platform != "linux":
        absent("children end with their parent on Linux only")
    line = [sys.executable, "-c", ""]
    assert subprocess.run(line, preexec_fn=partial(die_with_parent, os.getpid())).returncode == 0
    assert subprocess.run(line, preexec_fn=partial(die_with_parent, os.getpid() + 1)).returncode == 1
