"""The databases that are measured: a fresh SQLite file, and a fresh PostgreSQL database if a server is configured."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import insert, text

from hub.store.tables import incidents, links
from hub.store.unit import Store

SQLITE, POSTGRES = "SQLite", "PostgreSQL"
CHUNK = 2_000
LONG_AGO = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def kinds() -> list[str]:
    """PostgreSQL only if `LOCKSTEP_TEST_POSTGRES` names a server where databases may be created."""
    return [SQLITE, *([POSTGRES] if os.environ.get("LOCKSTEP_TEST_POSTGRES") else [])]


@contextlib.contextmanager
def fresh(kind: str) -> Iterator[str]:
    """The URL of an empty database, dropped afterwards."""
    if kind == SQLITE:
        with tempfile.TemporaryDirectory(prefix="lsbench") as folder:
            yield f"sqlite:///{Path(folder) / 'bench.db'}"
        return
    import psycopg

    admin = "postgresql://" + os.environ["LOCKSTEP_TEST_POSTGRES"].split("://", 1)[1]
    name = f"lockstep_bench_{secrets.token_hex(6)}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    parts = urlsplit(admin)
    query = f"?{parts.query}" if parts.query else ""
    try:
        yield f"postgresql+psycopg://{parts.netloc}/{name}{query}"
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def fill(store: Store, count: int, connection: str, start: int = 0) -> None:
    """Inserts `count` open incidents, each with one live link without due work; numbered and named from `start` on."""
    for first in range(start, start + count, CHUNK):
        numbers = range(first, min(first + CHUNK, start + count))
        with store.unit() as tx:
            tx.execute(insert(incidents), [_incident(n) for n in numbers])
            tx.execute(insert(links), [_link(n, connection) for n in numbers])
    if not store.is_sqlite:
        with store.unit() as tx:
            tx.execute(text("ANALYZE"))


def _incident(n: int) -> dict[str, Any]:
    at = LONG_AGO + timedelta(seconds=n)
    return {
        "id": f"i{n:09d}", "number": n + 1, "fields": {"title": f"Incident {n}", "status": "acknowledged"},
        "provenance": {}, "rev": 1, "open": True, "created_at": at, "updated_at": at,
    }  # fmt: skip


def _link(n: int, connection: str) -> dict[str, Any]:
    at = LONG_AGO + timedelta(seconds=n)
    return {
        "id": f"k{n:09d}", "incident_id": f"i{n:09d}", "connection": connection, "kind": "incident", "slot": "primary",
        "mark": f"m{n:09d}", "created_at": at, "state": "live", "remote_kind": "incident", "remote_id": f"r{n}",
        "remote_parent": "", "shadow": {"title": f"Incident {n}", "status": "acknowledged"}, "consequences": [],
        "held": {}, "frozen": {}, "refused": {}, "notes": {}, "rev": 1, "seen_at": at, "written_at": at,
    }  # fmt: skip
