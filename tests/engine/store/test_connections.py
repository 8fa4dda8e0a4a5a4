"""The connections of a process: never more than its share, none shared with a child process, and an idle one that the server has
ended is detected before it is used, without a query each time."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from hub.store import engines
from hub.store.engines import MOST
from hub.store.unit import Store, StoreUnavailable

BACKENDS = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"


@pytest.mark.postgres
def test_connections_that_the_server_ended_while_idle_cost_no_transaction(postgres_url: str) -> None:
    """Neither a write nor a read fails, however often it happens, for every connection of the pool."""
    store = Store(postgres_url)
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as admin:
        for _ in range(2):
            with contextlib.ExitStack() as many:  # opens all of them
                for _ in range(MOST):
                    many.enter_context(store.writer.connect())
            assert len(admin.execute(f"select pg_terminate_backend(pid, 5000) {BACKENDS}").fetchall()) == MOST
            for transaction in (store.unit, store.reading) * MOST:
                with transaction() as tx:
                    assert tx.scalar(text("select 1")) == 1
                admin.execute(f"select pg_terminate_backend(pid, 5000) {BACKENDS}")
    store.close()


@pytest.mark.postgres
def test_noticing_that_costs_no_exchange_with_the_server(postgres_url: str) -> None:
    store = Store(postgres_url)
    with store.reading() as tx:
        pid = tx.scalar(text("select pg_backend_pid()"))
    with store.writer.connect():
        pass  # checked out, and tested
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as admin:
        last = admin.execute("select query from pg_stat_activity where pid = %s", (pid,)).fetchone()
    assert last == ("select pg_backend_pid()",)
    store.close()


@pytest.mark.postgres
def test_more_threads_than_connections_all_get_their_turn_and_the_server_sees_no_more_of_them(
    postgres_url: str,
) -> None:
    """Half of the threads write, half read; connections are used for both in turn."""
    store, threads = Store(postgres_url), 3 * MOST
    store.create_all()
    together, done, errors = threading.Barrier(threads), list[int](), list[BaseException]()

    def work(number: int) -> None:
        together.wait(20)
        try:
            for turn in range(6):
                with store.unit() if (number + turn) % 2 else store.reading() as tx:
                    tx.execute(text("select pg_sleep(0.005)"))
            done.append(number)
        except BaseException as e:
            errors.append(e)

    working = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join(30)
    assert not errors
    assert sorted(done) == list(range(threads))
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as admin:
        assert admin.execute(f"select count(*) {BACKENDS}").fetchone() == (MOST,)
        assert admin.execute(f"select count(*) {BACKENDS} and state <> 'idle'").fetchone() == (0,)
    store.close()


@pytest.mark.postgres
def test_a_reader_after_a_writer_commits_nothing_and_leaves_nothing_open(postgres_url: str) -> None:
    """Each statement of a reader is its own transaction, on a connection that a writer used before."""
    store = Store(postgres_url)
    with store.unit() as tx:
        tx.execute(text("create table seen (n int)"))
    with store.reading() as tx, psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as other:
        assert tx.execute(text("select count(*) from seen")).scalar_one() == 0
        other.execute("insert into seen values (1)")
        assert tx.execute(text("select count(*) from seen")).scalar_one() == 1, "the latest state"
        assert other.execute(f"select state {BACKENDS}").fetchall() == [("idle",)]

    def breaks_off() -> None:
        with store.unit() as tx:
            tx.execute(text("insert into seen values (2)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        breaks_off()
    with store.reading() as tx:
        assert tx.execute(text("select count(*) from seen")).scalar_one() == 1, "a writer after a reader rolls back"
    store.close()


def test_who_finds_every_connection_in_use_for_too_long_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(engines.POOL, "pool_timeout", 0.01)
    store = Store(f"sqlite:///{tmp_path}/hub.db")
    with contextlib.ExitStack() as many:
        for _ in range(MOST):
            many.enter_context(store.reader.connect())
        with pytest.raises(StoreUnavailable, match="every database connection of this process stays in use"):
            store.reading().__enter__()
    for _ in range(MOST + 1):  # neither an ended nor a refused one uses up a place
        with pytest.raises(ZeroDivisionError), store.reading():
            raise ZeroDivisionError
    store.close()


def test_nobody_waits_for_a_connection_longer_than_the_sender_of_a_webhook_waits_for_its_answer() -> None:
    """PagerDuty waits 5 s for the answer to a webhook."""
    assert engines.POOL["pool_timeout"] <= 4


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_a_child_process_makes_connections_of_its_own_and_leaves_its_parent_s_alone(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    store = Store(f"sqlite:///{tmp_path}/hub.db" if kind == "sqlite" else request.getfixturevalue("postgres_url"))
    with store.unit() as tx:
        tx.execute(text("create table seen (n int)"))
    child = os.fork()
    if not child:
        try:
            with store.unit() as tx:
                tx.execute(text("insert into seen values (1)"))
            with store.reading() as tx:
                os._exit(0 if tx.scalar(text("select count(*) from seen")) == 1 else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    with store.unit() as tx:
        tx.execute(text("insert into seen values (2)"))
    with store.reading() as tx:
        assert tx.scalar(text("select count(*) from seen")) == 2
    store.close()


def test_connections_that_cannot_be_made_are_not_missed_later() -> None:
    store = Store("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    for _ in range(MOST + 1):
        with pytest.raises(StoreUnavailable, match="connection failed"):
            store.reading().__enter__()


def test_a_hub_of_eighteen_processes_fits_into_a_postgres_as_it_is_delivered() -> None:
    """PostgreSQL's default is 100 connections, three of them reserved for its administrator. (More for each process would not
    help: measured with `make bench`, eight were not faster than five.)"""
    assert 18 * MOST <= 100 - 3
