"""The vault, tokens and figures behave on both databases as their unit tests show in memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import func, select

from hub.clock import ManualClock, SystemIds
from hub.store import figures, migrate, tokens
from hub.store.tables import vault as rows
from hub.store.unit import Store
from hub.store.vault import Vault

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path}/hub.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    migrate.upgrade(url)
    store = Store(url)
    yield store
    store.close()


def test_secrets_come_back_as_they_were_put_and_rotate(store: Store) -> None:
    clock, old, new = ManualClock(), Fernet.generate_key(), Fernet.generate_key()
    vault = Vault(store, clock, SystemIds(), old)
    for value in ("a\x00b", "é\U0001f525", ""):
        vault.put("jira-payments", "token", value)
        clock.advance(1)
    assert vault.all("jira-payments", "token") == ("", "é\U0001f525")
    assert Vault(store, clock, SystemIds(), new + b"," + old).rotate() == 2
    assert Vault(store, clock, SystemIds(), new).all("jira-payments", "token") == ("", "é\U0001f525")


def test_many_may_put_a_secret_at_once(store: Store) -> None:
    clock, key = ManualClock(), Fernet.generate_key()
    vaults = [Vault(store, clock, SystemIds(), key) for _ in range(8)]
    threads = [threading.Thread(target=v.put, args=("a", "x", str(n))) for n, v in enumerate(vaults)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    vaults[0].put("a", "x", "last")
    with store.reading() as tx:
        assert (tx.scalar(select(func.count()).select_from(rows)) or 0) <= 3
    assert len(vaults[0].all("a", "x")) == 2


def test_tokens_are_made_checked_listed_and_revoked(store: Store) -> None:
    clock, ids = ManualClock(), SystemIds()
    id, token = tokens.create(store, clock, ids, "console", ["write", "read"])
    grant = tokens.check(store, clock, token)
    assert grant is not None
    assert grant.allows("write")
    assert not grant.allows("admin")
    (listed,) = tokens.listed(store)
    assert listed["expires_at"] - listed["created_at"] == tokens.LIFETIME
    assert tokens.revoke(store, clock, id) == 1
    assert tokens.check(store, clock, token) is None


def test_the_figures_of_an_empty_hub_are_nothing(store: Store) -> None:
    seen = figures.read(store, ManualClock().now())
    assert seen["incidents_open"] == {(): 0}
    assert seen["paused"] == {(): 0}
    assert {name for name, figure in seen.items() if figure} == {"incidents_open", "paused"}


COUNTING = """
import sys
from hub.web.metrics import WEBHOOKS
WEBHOOKS.labels("signed", "202").inc()
"""
READING = """
from hub.clock import ManualClock
from hub.store.unit import Store
from hub.web import metrics
print(metrics.render(Store("sqlite://"), ManualClock()).decode())
"""


def test_the_counts_of_several_web_processes_are_added_up(tmp_path: Path) -> None:
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for _ in range(3):
        subprocess.run([sys.executable, "-c", COUNTING], cwd=ROOT, env=environ, check=True)
    page = subprocess.run(
        [sys.executable, "-c", READING], cwd=ROOT, env=environ, check=True, capture_output=True, text=True
    ).stdout
    assert 'lockstep_webhooks_total{connection="signed",status="202"} 3.0' in page
    assert "lockstep_database_up 0.0" in page
