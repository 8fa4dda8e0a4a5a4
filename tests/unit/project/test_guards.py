"""The guards of `tests/conftest.py` work, and the databases that its fixtures give are empty."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import requests

from tests.conftest import LeftTheMachine


def test_a_test_cannot_reach_another_machine() -> None:
    with pytest.raises(LeftTheMachine):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with pytest.raises(LeftTheMachine):
        requests.get("http://vendor.example.com/", timeout=1)


def test_the_shared_folder_has_the_vendors_documents(contracts: Path) -> None:
    assert list(contracts.glob("*.json"))


@pytest.mark.redis
def test_the_redis_of_a_test_is_empty(redis_url: str) -> None:
    import redis

    client = redis.Redis.from_url(redis_url)
    assert client.dbsize() == 0
    client.set("left", "behind")


@pytest.mark.redis
def test_the_redis_of_the_next_test_is_empty_again(redis_url: str) -> None:
    import redis

    assert redis.Redis.from_url(redis_url).dbsize() == 0


@pytest.mark.postgres
def test_the_postgresql_of_a_test_is_its_own(postgres_url: str) -> None:
    from sqlalchemy import create_engine, text

    engine = create_engine(postgres_url)
    with engine.connect() as connection:
        assert str(connection.scalar(text("select current_database()"))).startswith("lockstep_test_")
    engine.dispose()
