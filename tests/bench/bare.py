"""The floor of the intake: a bare Flask application that checks an HMAC and commits one INSERT, on the same database engine
with the same durability as the hub's store. Nothing else: no deduplication, no check of the request, no wake-up."""

from __future__ import annotations

import hashlib
import hmac
import os
import sqlite3
from typing import Any

from flask import Flask, Response, abort, request
from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, create_engine, event, insert

SECRET = os.environ.get("BENCH_SECRET", "").encode()
engine = create_engine(os.environ.get("BENCH_DATABASE", "sqlite:///bare.db"), pool_size=8, max_overflow=8)
received = Table(
    "bare", MetaData(), Column("id", Integer, primary_key=True), Column("body", LargeBinary, nullable=False)
)

if engine.dialect.name == "sqlite":

    @event.listens_for(engine, "connect")
    def _durable(dbapi: sqlite3.Connection, record: Any) -> None:
        dbapi.isolation_level = None
        for pragma in ("busy_timeout=4000", "journal_mode=WAL", "synchronous=FULL"):
            dbapi.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _immediate(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def prepare(url: str) -> None:
    """Makes the table before several processes start, so that none waits for another to change SQLite's journal mode."""
    made = create_engine(url)
    with made.connect() as connection:
        if made.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        received.metadata.create_all(connection)
        connection.commit()
    made.dispose()


app = Flask(__name__)


@app.post("/in")
def take() -> Response:
    body = request.get_data()
    expected = "v1=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, request.headers.get("x-pagerduty-signature", "")):
        abort(401)
    with engine.begin() as tx:
        tx.execute(insert(received), {"body": body})
    return Response(status=202)
