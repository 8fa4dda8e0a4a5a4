"""Origin of the figures: machine, versions, commit."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("sqlalchemy", "psycopg", "rq", "redis", "flask", "granian", "requests", "jira", "pypd", "msgraph-sdk")


def lines() -> list[str]:
    """The lines below the table."""
    import sqlite3

    return [
        f"machine: {_processor()}, {os.cpu_count()} cores, {_memory():.0f} GiB, {platform.system()} {platform.release()}",
        f"load when the run ended: {os.getloadavg()[0]:.1f}",
        f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}, {_postgres()}, {_redis()}",
        ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        f"commit: {_commit()}",
    ]


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _postgres() -> str:
    url = os.environ.get("LOCKSTEP_TEST_POSTGRES")
    if not url:
        return "no PostgreSQL"
    import psycopg

    with psycopg.connect("postgresql://" + url.split("://", 1)[1]) as connection:
        row = connection.execute("SHOW server_version").fetchone()
        return f"PostgreSQL {str(row[0]).split()[0] if row else '?'}"


def _redis() -> str:
    from tests.conftest import redis_binary

    binary = redis_binary()
    if binary is None:
        return "no Redis"
    words = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout.split()
    return "Redis " + next((w.removeprefix("v=") for w in words if w.startswith("v=")), "?")


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = " with uncommitted changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return (git("rev-parse", "--short", "HEAD") or "unknown") + changed
