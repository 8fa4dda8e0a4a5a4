"""A commit that fails spoils nothing but itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

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
    """As when the disk is full: what was wrong is known at the commit only."""
    for _ in range(2):
        with pytest.raises(Collision), store.unit() as tx:
            tx.execute(text("INSERT INTO part VALUES (1)"))
    with store.unit() as tx:
        tx.execute(text("INSERT INTO whole VALUES (1)"))
        tx.execute(text("INSERT INTO part VALUES (1)"))
    with store.reading() as tx:
        assert tx.execute(text("SELECT count(*) FROM part")).scalar_one() == 1
    store.close()
