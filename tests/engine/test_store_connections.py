"""Idle connections that the server has ended are noticed before they are used, without asking the server each time."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import text

from hub.store.unit import Store

pytestmark = pytest.mark.postgres


def test_connections_that_the_server_ended_while_idle_cost_no_transaction(postgres_url: str) -> None:
    store = Store(postgres_url)
    with store.unit() as tx, store.reading() as other:
        mine = [c.execute(text("select pg_backend_pid()")).scalar_one() for c in (tx, other)]
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as admin:
        for pid in mine:
            assert admin.execute("select pg_terminate_backend(%s, 5000)", (pid,)).fetchone() == (True,)
    for _ in mine:
        with store.unit() as tx, store.reading() as other:
            assert [c.execute(text("select 1")).scalar_one() for c in (tx, other)] == [1, 1]
    store.close()
