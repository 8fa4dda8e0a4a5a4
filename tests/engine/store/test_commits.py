"""A failed commit affects no other transaction; a transaction is never opened inside another."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from hub.store.faults import TransactionOpen
from hub.store.unit import Collision, Store


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    url = f"sqlite:///{tmp_path}/hub.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    store = Store(url)
    with store.unit() as tx:
        tx.execute(text("CREATE TABLE whole (n INTEGER PRIMARY KEY)"))
        tx.execute(text("CREATE TABLE part (n INTEGER REFERENCES whole DEFERRABLE INITIALLY DEFERRED)"))
    return store


def test_after_a_commit_that_failed_its_connection_serves_the_next_transaction(store: Store) -> None:
    """As when the disk is full: the error appears only at the commit."""
    for _ in range(2):
        with pytest.raises(Collision), store.unit() as tx:
            tx.execute(text("INSERT INTO part VALUES (1)"))
    with store.unit() as tx:
        tx.execute(text("INSERT INTO whole VALUES (1)"))
        tx.execute(text("INSERT INTO part VALUES (1)"))
    with store.reading() as tx:
        assert tx.execute(text("SELECT count(*) FROM part")).scalar_one() == 1
    store.close()


@pytest.mark.parametrize("outer", ["unit", "reading", "at_once"])
@pytest.mark.parametrize("inner", ["unit", "reading", "at_once"])
def test_a_transaction_within_a_transaction_of_the_same_thread_is_refused(store: Store, outer: str, inner: str) -> None:
    """It would wait for its own connection, or see another state than the outer one; the outer one is not affected."""
    with getattr(store, outer)() as tx:
        with (
            pytest.raises(TransactionOpen, match="this thread already has an open transaction"),
            getattr(store, inner)(),
        ):
            pass
        assert tx.scalar(text("SELECT count(*) FROM whole")) == 0
    assert not store.in_transaction
    with store.unit() as tx:
        tx.execute(text("INSERT INTO whole VALUES (1)"))
    store.close()


def test_a_transaction_beside_one_of_another_thread_is_not(store: Store) -> None:
    read: list[int] = []

    def look() -> None:
        with store.reading() as tx:
            read.append(tx.scalar(text("SELECT count(*) FROM whole")))

    with store.unit() as tx:
        tx.execute(text("INSERT INTO whole VALUES (1)"))
        beside = threading.Thread(target=look)
        beside.start()
        beside.join(20)
    assert read == [0]
    store.close()
