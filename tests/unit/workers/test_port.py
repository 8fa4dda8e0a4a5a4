"""The web listens only on a free port, and otherwise reports why it cannot."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.cli import cli
from workers.demo.deployment import Deployment, NotUp
from workers.demo.vendors import Vendors
from workers.port import Taken, place


@contextlib.contextmanager
def listener(*, shares: bool) -> Iterator[tuple[int, socket.socket]]:
    """(port, socket) of another program. shares: as a web's processes do."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers commonly do
        if shares:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1], other


@pytest.mark.parametrize("shares", [False, True], ids=["an ordinary server", "another hub"])
def test_a_port_in_use_is_taken(shares: bool) -> None:
    with listener(shares=shares) as (port, _), pytest.raises(Taken, match=f"port {port} is taken .* --port"):
        place("127.0.0.1", port, patience=0.2)


def test_a_web_may_share_the_port_with_another_of_its_hub_but_not_with_another_program() -> None:
    with listener(shares=True) as (port, _):
        assert place("localhost", port, shared=True) == "127.0.0.1"
    with listener(shares=False) as (port, _), pytest.raises(Taken):
        place("localhost", port, shared=True)


def test_processes_of_a_web_that_are_about_to_end_are_waited_for() -> None:
    with listener(shares=True) as (port, other):
        ends = threading.Timer(0.3, other.close)
        ends.start()
        assert place("127.0.0.1", port, patience=20) == "127.0.0.1"
        ends.join()


def test_a_connection_that_has_just_ended_takes_no_port() -> None:
    with listener(shares=False) as (port, other), socket.create_connection(("127.0.0.1", port)) as caller:
        taken, _ = other.accept()
        taken.close()  # closed first, so that this side keeps the TIME_WAIT state
        assert caller.recv(1) == b""
    assert place("127.0.0.1", port, patience=0) == "127.0.0.1"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub's configuration at the place where the commands read it."""
    (tmp_path / "lockstep.toml").write_text('[hub]\nredis = "none"\n')
    monkeypatch.setenv("LOCKSTEP_CONFIG", str(tmp_path / "lockstep.toml"))
    monkeypatch.setenv("LOCKSTEP_DATA", str(tmp_path / "data"))
    return tmp_path


@pytest.mark.parametrize("command", ["up", "web"])
@pytest.mark.parametrize("host", ["", "a..b", "203.0.113.7", "x" * 300])
def test_a_host_that_is_not_of_this_machine_is_said_to_be(here: Path, host: str, command: str) -> None:
    """Runs in another process: in the test's own the network guard refuses such names."""
    line = [sys.executable, "-m", "hub.cli", command, "--host", host]
    ended = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"--host {host}: ")
    assert (ended.stderr.count("this machine"), len(ended.stderr.splitlines())) == (1, 1)


@pytest.mark.parametrize("command", ["up", "web"])
@pytest.mark.parametrize(
    ("words", "code"),
    [("--port {port}", 4), ("--port 99999", 2), ("--port -1", 2), ("--port 0", 2)],
)
def test_a_place_that_cannot_be_is_refused_in_a_line_and_nothing_starts(
    here: Path, monkeypatch: pytest.MonkeyPatch, command: str, words: str, code: int
) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    with listener(shares=False) as (port, _):
        result = CliRunner().invoke(cli, [command, *words.format(port=port).split()])
    assert result.exit_code == code, result.output
    assert "--port" in result.stderr.splitlines()[-1]
    assert not (here / "data" / "vault.key").exists()


def test_a_demo_whose_hub_does_not_come_up_says_what_the_hub_said(tmp_path: Path) -> None:
    with listener(shares=False) as (port, _):
        deployment = Deployment(Vendors(), tmp_path, port)
        deployment.prepare()
        with pytest.raises(NotUp, match=f"port {port} is taken by another program"), deployment.up():
            pass
