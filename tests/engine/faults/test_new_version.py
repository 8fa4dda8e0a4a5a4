"""A rolling restart to a new version whose migration only adds: both versions run at the same time on the new tables."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.conftest import ROOT
from tests.engine.faults.conftest import Parts
from tests.engine.faults.processes import running
from tests.engine.faults.rig import Rig
from tests.engine.patience import until
from workers.supervisor import EmbeddedRedis, binary

End = Callable[[Rig], None]

COLUMN = 'Column("next_version", String(20)),\n    '
FIELD = "next_version: str | None = None\n    "
STEP = '''"""What the next version adds. Expand only: the version before goes on beside it."""

import sqlalchemy as sa
from alembic import op

revision = "{new}"
down_revision = "{old}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("incidents", sa.Column("next_version", sa.String(20), nullable=True))
'''


@pytest.fixture
def next_version(parts: Parts) -> Path:
    """A copy of the program with one further column, and the migration that adds it."""
    folder = parts.folder / "next"
    for name in ("hub", "adapters", "mappings", "workers"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "wsgi.py", folder)
    for file, mark, line in (("tables.py", 'Column("head_seq"', COLUMN), ("records.py", "head_seq: int", FIELD)):
        module = folder / "hub" / "store" / file
        before = module.read_text()
        assert mark in before
        module.write_text(before.replace(mark, line + mark, 1))
    versions = folder / "hub" / "store" / "migrations" / "versions"
    old = sorted(f.name.split("_")[0] for f in versions.glob("[0-9]*.py"))[-1]
    new = f"{int(old) + 1:04d}"
    (versions / f"{new}_next.py").write_text(STEP.format(new=new, old=old))
    return folder


def test_one_part_after_another_becomes_a_new_version_with_a_migration(
    parts: Parts, recovered: End, next_version: Path
) -> None:
    program = binary()
    assert program is not None
    redis = EmbeddedRedis(parts.folder / "redis-apart", program)  # belongs to neither version
    redis.start()
    begun: list[subprocess.Popen[bytes]] = []
    try:
        with parts.rig(more={"LOCKSTEP_REDIS_URL": redis.url}) as rig:
            environ = {**rig.deployment.environ, "PYTHONPATH": str(next_version)}

            def start(*words: str) -> subprocess.Popen[bytes]:
                log = (rig.deployment.folder / "next.log").open("ab")
                command = [sys.executable, "-m", "hub.cli", *words]
                begun.append(subprocess.Popen(command, env=environ, cwd=next_version, stdout=log, stderr=log))
                return begun[-1]

            rig.calm()
            assert start("migrate", "--check").wait(60) == 1, "the new version must have something to migrate"
            assert start("migrate").wait(60) == 0
            rig.more()  # the old version, on the new tables
            for words in (("worker",), ("worker",), ("timer",)):
                part = start(*words)
                rig.storm.edit()
                until(lambda part=part: part.poll() is None and running(part.pid), 10)
            old = rig.deployment.process
            assert old is not None
            workers = rig.deployment.parts("worker")
            assert len(workers) == 2, "the version before must still be at work beside the new one"
            rig.storm.edit()
            old.send_signal(signal.SIGTERM)
            old.wait(60)
            rig.deployment.process = start("up", "--port", str(rig.deployment.port), "--workers", "2")
            until(rig.ready, 60)
            rig.storm.edit()
            for part in begun[2:5]:
                part.terminate()
            recovered(rig)
            with rig.storm.hub.store.reading() as tx:
                tx.execute(text("SELECT next_version FROM incidents")).all()
            assert all(running(pid) for pid in rig.deployment.parts("worker"))
    finally:
        for part in begun:
            if part.poll() is None:
                part.terminate()
                part.wait(40)
        redis.stop()
