"""Idle connections that the server has ended are noticed before they are used, without asking the server each time."""

from __future__ import annotations

import contextlib

import psycopg
import pytest
from sqlalchemy import text

from hub.store.unit import KEPT, Store

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


def test_more_connections_than_are_kept_cost_no_transaction_either_when_the_server_ends_them(postgres_url: str) -> None:
    store = Store(postgres_url)
    for _ in range(2):
        with contextlib.ExitStack() as many:
            for _ in range(KEPT + 2):
                tx = many.enter_context(store.unit())
                assert tx.execute(text("select 1")).scalar_one() == 1
        with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as admin:
            admin.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
    store.close()
