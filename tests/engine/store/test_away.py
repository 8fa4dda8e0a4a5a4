"""While the database is down, full or restarting, senders get 503, nothing is half done, and afterwards work goes on."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event, func, select, text
from werkzeug.test import Client

from hub.store import migrate
from hub.store.tables import inbox
from hub.sync.hub import Hub
from hub.sync.setup import register
from hub.web.app import create_app
from tests.unit.web.hub import bearer, make_hub, signature


def webhook(client: Client, n: int, body: bytes = b"{}") -> int:
    headers = {"X-Signature": signature(body), "X-Delivery": str(n)}
    answer = client.post("/in/signed", data=body, headers=headers)
    assert answer.status_code == 202 or int(answer.headers["Retry-After"]) > 0
    return answer.status_code


def kept(hub: Hub) -> int:
    with hub.store.reading() as tx:
        return tx.scalar(select(func.count()).select_from(inbox)) or 0


def ready(url: str) -> Hub:
    migrate.upgrade(url)
    hub = make_hub(url, create=False)
    register(hub)
    return hub


def test_without_a_database_everything_is_503_and_nothing_else() -> None:
    hub = make_hub("postgresql://nobody@127.0.0.1:1/nothing", create=False)
    client = create_app(hub).test_client()
    assert webhook(client, 1) == 503
    assert client.post("/in/signed", data=b"{}").status_code == 503  # an invalid signature cannot be counted either
    answer = client.get("/api/v1/incidents", headers={"Authorization": "Bearer ls_x"})
    assert answer.status_code == 503
    assert answer.mimetype == "application/problem+json"
    assert client.get("/health/live").status_code == 200
    assert client.get("/health/ready").status_code == 503
    assert client.get("/metrics").status_code == 200


def test_a_full_disk_refuses_and_the_next_webhook_after_it_is_kept(tmp_path: Path) -> None:
    hub = ready(f"sqlite:///{tmp_path}/hub.db")
    client = create_app(hub).test_client()
    assert webhook(client, 1) == 202
    with hub.store.reading() as tx:
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar()

    def full(dbapi: object, *rest: object) -> None:
        dbapi.execute(f"PRAGMA max_page_count={pages}")  # type: ignore[attr-defined]

    hub.store.close()  # a connection that stays open is not checked out again
    event.listen(hub.store.writer, "checkout", full)
    large = b'"' + b"x" * 200_000 + b'"'
    assert webhook(client, 2, large) == 503
    assert kept(hub) == 1
    hub.store.close()
    event.remove(hub.store.writer, "checkout", full)
    event.listen(hub.store.writer, "checkout", lambda dbapi, *rest: dbapi.execute("PRAGMA max_page_count=1000000"))
    assert webhook(client, 2, large) == 202
    assert kept(hub) == 2


@pytest.mark.postgres
def test_connections_cut_by_the_server_cost_nothing_but_the_request_that_was_under_way(postgres_url: str) -> None:
    hub = ready(postgres_url)
    client, headers = create_app(hub).test_client(), bearer(hub)

    def cut() -> None:
        plain = postgres_url.replace("+psycopg", "")
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    assert webhook(client, 1) == 202
    cut()
    assert webhook(client, 2) == 202  # the pool notices between requests
    assert client.get("/api/v1/pause", headers=headers).status_code == 200

    def in_the_middle(*of_a_statement: object) -> None:
        cut()

    event.listen(hub.store.reader, "before_cursor_execute", in_the_middle)  # where a single statement is sent
    assert webhook(client, 3) == 503
    event.remove(hub.store.reader, "before_cursor_execute", in_the_middle)
    assert webhook(client, 3) == 202
    assert kept(hub) == 3
    with hub.store.unit() as tx:
        tx.execute(text("SELECT 1"))
    hub.store.close()
