"""Which faults are tested, on which databases, and how many incidents the storm has.

| variable | meaning |
|---|---|
| `LOCKSTEP_FAULTS` | `all`: every fault, on SQLite with the embedded Redis and on PostgreSQL with Redis; else the quick ones |
| `LOCKSTEP_FAULTS_KEEP` | `1`: configuration, database and log of each hub are left in the temporary folder |
| `STORM` | incidents of the storm; default 6 (quick ones: 3); `make faults STORM=200` is the full size |
| `LOCKSTEP_TEST_RESTART_POSTGRES` | a shell command that restarts the test's PostgreSQL: then it is really restarted |
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import absent
from tests.engine.faults.rig import Rig, rig
from workers.supervisor import binary

EVERYTHING = os.environ.get("LOCKSTEP_FAULTS") == "all"
KEEP = os.environ.get("LOCKSTEP_FAULTS_KEEP") == "1"
SIZE = int(os.environ.get("STORM") or (6 if EVERYTHING else 3))
SECONDS = "recovery_seconds"
"""The property of a test's report that holds them."""


@dataclass
class Parts:
    """The infrastructure of a test's hub. more: its environment. database, redis: addresses; None: the embedded ones."""

    folder: Path
    more: dict[str, str]
    database: str | None = None
    redis: str | None = None

    def rig(self, **options: Any) -> AbstractContextManager[Rig]:
        more = {**self.more, **options.pop("more", {})}
        return rig(self.folder, SIZE, more, **options)


@pytest.fixture(params=["sqlite", "postgres"])
def parts(request: pytest.FixtureRequest) -> Iterator[Parts]:
    """SQLite with the embedded Redis; or PostgreSQL, with LOCKSTEP_TEST_REDIS if that is set."""
    quick = request.node.get_closest_marker("quick_fault") is not None
    if not EVERYTHING and not (quick and request.param == "sqlite"):
        pytest.skip("takes minutes: `make faults` or LOCKSTEP_FAULTS=all runs it")
    if not Path("/proc/self/stat").exists() or binary() is None:
        absent("real faults need /proc and a Redis server")
    folder = Path(tempfile.mkdtemp(prefix="lsf"))
    made = Parts(folder, {})
    if request.param == "postgres":
        made.database = request.getfixturevalue("postgres_url")
        made.more["LOCKSTEP_DATABASE_URL"] = made.database
        if os.environ.get("LOCKSTEP_TEST_REDIS"):
            made.redis = request.getfixturevalue("redis_url")
            made.more["LOCKSTEP_REDIS_URL"] = made.redis
    try:
        yield made
    finally:
        if not KEEP:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def recovered(request: pytest.FixtureRequest) -> Callable[[Rig], None]:
    """Ends a fault: waits until all systems are in step, checks everything, and records the seconds."""

    def end(over: Rig) -> None:
        try:
            seconds = over.recover()
        except BaseException:
            log = (over.deployment.folder / "hub.log").read_text(errors="replace").splitlines()
            print("\n".join(log[-60:]))
            raise
        request.node.user_properties.append((SECONDS, seconds))

    return end


@pytest.hookimpl
def pytest_terminal_summary(terminalreporter: Any) -> None:
    ended = [r for r in terminalreporter.stats.get("passed", []) if r.when == "call"]
    times = [
        (r.nodeid.split("::")[-1], dict(r.user_properties)[SECONDS])
        for r in ended
        if SECONDS in dict(r.user_properties)
    ]
    if times:
        terminalreporter.section("seconds from the end of each fault until all systems were in step")
        for name, seconds in times:
            terminalreporter.line(f"{seconds:8.1f} s  {name}")
