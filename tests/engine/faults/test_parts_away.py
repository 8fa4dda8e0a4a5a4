"""The hub's infrastructure fails: Redis, the database, the disk, the clock."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from tests.conftest import absent
from tests.engine.faults.conftest import Parts
from tests.engine.faults.rig import Rig
from tests.engine.patience import until
from workers.demo.deployment import children
from workers.sockets import url
from workers.supervisor import EmbeddedRedis, binary

End = Callable[[Rig], None]

AWAY = 10.0
"""Duration of an outage, in seconds."""


@pytest.mark.quick_fault
def test_redis_is_emptied_again_and_again(parts: Parts, recovered: End) -> None:
    with parts.rig() as rig:
        rig.calm()
        rig.more()
        client = redis.Redis.from_url(parts.redis or url(parts.folder / "data"))
        for _ in range(20):
            client.flushdb()  # only this test's database, on a server that others use too
            threading.Event().wait(0.1)
        client.close()
        recovered(rig)


def test_redis_stops_for_ten_seconds_and_starts_empty(parts: Parts, recovered: End) -> None:
    program = binary()
    assert program is not None
    folder = parts.folder / "redis-apart"
    server = EmbeddedRedis(folder, program)
    server.start()
    try:
        with parts.rig(more={"LOCKSTEP_REDIS_URL": server.url}) as rig:
            rig.calm()
            rig.more()
            server.stop()
            threading.Event().wait(AWAY)
            assert rig.ready(), "the web must go on without Redis"
            for file in [f for f in (folder / "redis").rglob("appendonly*") if f.is_file()]:
                file.unlink()
            server.start()
            recovered(rig)
    finally:
        server.stop()


def test_postgresql_cuts_every_connection_and_refuses_new_ones(parts: Parts, recovered: End) -> None:
    if parts.database is None:
        pytest.skip("SQLite has no server")
    plain = parts.database.replace("+psycopg", "")
    name = plain.split("/")[-1].split("?")[0]
    admin = plain.replace(f"/{name}", "/postgres")
    with parts.rig() as rig:
        rig.calm()
        rig.more()
        rig.storm.hub.store.close()
        restart = os.environ.get("LOCKSTEP_TEST_RESTART_POSTGRES")
        if restart:
            subprocess.run(restart, shell=True, check=True, timeout=60)
        else:
            with psycopg.connect(admin, autocommit=True) as connection:
                connection.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false')
                try:
                    for _ in range(5):
                        connection.execute(
                            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
                        )
                        threading.Event().wait(1.0)
                    rig.vendors.jira.people_comment(rig.storm.told[0].remote["jira"], "while nothing can be kept")
                    rig.storm.told[0].edits.append(("text", "while nothing can be kept"))
                    until(lambda: 503 in rig.postman.refused, 10)
                finally:
                    connection.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true')
        recovered(rig)


@contextlib.contextmanager
def no_room(pids: list[int]) -> Iterator[None]:
    """Keeps these processes from making any file longer, as if the disk or their quota were full."""
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    for pid, (_, most) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, most))
    try:
        yield
    finally:
        for pid, limits in before.items():
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


def test_the_disk_is_full_while_webhooks_come(parts: Parts, recovered: End) -> None:
    if parts.database is not None:
        pytest.skip("a server's disk is the server's: its refusal is the fault above")
    with parts.rig() as rig:
        rig.calm()
        (main,) = rig.deployment.parts("web")
        web = [pid for pid, _ in children(main)]
        everybody = [*web, *rig.deployment.parts("worker"), *rig.deployment.parts("timer")]
        with no_room(everybody):
            rig.more_outside()
            until(lambda: len(rig.postman.refused) > 3, 30)
            assert set(rig.postman.refused) == {503}
            threading.Event().wait(3)
        recovered(rig)


SHIM = Path(__file__).with_name("clock_shift.c")
MINUTES = 5


@pytest.fixture
def shift(parts: Parts) -> tuple[dict[str, str], Callable[[float], None]]:
    """(environment that gives every process of the hub a shiftable clock, function that shifts it by so many seconds)"""
    library, offset = parts.folder / "clock_shift.so", parts.folder / "offset"
    parts.folder.mkdir(parents=True, exist_ok=True)
    offset.write_bytes((0).to_bytes(8, "little", signed=True))
    try:
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(SHIM)], check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        absent("there is no C compiler to make a clock that can be shifted")

    def by(seconds: float) -> None:
        with offset.open("r+b") as file:
            file.write(int(seconds).to_bytes(8, "little", signed=True))

    return {"LD_PRELOAD": str(library), "CLOCK_SHIFT_FILE": str(offset)}, by


def test_the_clock_steps_back_by_five_minutes(
    parts: Parts, recovered: End, shift: tuple[dict[str, str], Callable[[float], None]]
) -> None:
    more, by = shift
    with parts.rig(more=more) as rig:
        rig.calm()
        rig.more()
        by(-60 * MINUTES)
        recovered(rig)
        assert rig.seconds < 60 * MINUTES / 2, "it waited until the clock had caught up"
