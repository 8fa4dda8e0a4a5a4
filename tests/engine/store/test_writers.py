"""Several processes write one SQLite file, one at a time. Another process is played by a connection of its own."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from hub.store.engines import BUSY_SECONDS, LONGEST_PAUSE
from hub.store.unit import Store, StoreUnavailable


def test_a_writer_goes_on_as_soon_as_another_process_has_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite has one writer at a time; its own pauses between two attempts would grow to 100 ms."""
    store = Store(f"sqlite:///{tmp_path}/hub.db")
    with store.unit() as tx:
        tx.exec_driver_sql("CREATE TABLE t (n INTEGER)")
    other = sqlite3.connect(tmp_path / "hub.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 12:
            other.execute("COMMIT")

    monkeypatch.setattr("hub.store.engines.nap", pause)
    with store.unit() as tx:
        tx.exec_driver_sql("INSERT INTO t VALUES (1)")
    assert len(pauses) == 12
    assert max(pauses) <= LONGEST_PAUSE


def test_a_writer_that_is_never_let_in_is_refused_after_some_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(f"sqlite:///{tmp_path}/hub.db")
    with store.unit():
        pass
    other = sqlite3.connect(tmp_path / "hub.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    pauses: list[float] = []
    monkeypatch.setattr("hub.store.engines.nap", pauses.append)
    with pytest.raises(StoreUnavailable, match="locked"), store.unit():
        pass
    assert sum(pauses) == pytest.approx(BUSY_SECONDS, abs=LONGEST_PAUSE)
    other.execute("COMMIT")
    with store.unit():  # the next writer is served
        pass
