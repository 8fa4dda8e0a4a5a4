"""Connections, their polling cursors, and the switches that stand above all of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, bindparam, delete, func, insert, select, text, update

from hub.domain.values import Json
from hub.store import records
from hub.store.locking import lock
from hub.store.records import Connection
from hub.store.tables import connections, cursors, incidents, links, notebook, outbox, switches
from hub.store.unit import Store, Tx

_NAME: BindParameter[str] = bindparam("name")
GET = select(connections).where(connections.c.name == _NAME)
EVERY = select(connections).order_by(connections.c.name)
PAUSED = select(switches.c.value).where(text("switches.name = 'paused'")).scalar_subquery().label("paused")
EVERY_PAUSED = EVERY.add_columns(PAUSED)
SWITCH = select(switches.c.value).where(switches.c.name == _NAME)
CURSOR = select(cursors).where(cursors.c.connection == _NAME)
MOVE_CURSOR = update(cursors).where(cursors.c.connection == _NAME)
_AT: BindParameter[datetime] = bindparam("at")
POLL_AT = (
    update(cursors)
    .where(cursors.c.connection == _NAME, (cursors.c.due_at.is_(None)) | (cursors.c.due_at > _AT))
    .values({cursors.c.due_at: _AT})
)
HAS_OPEN = (
    select(links.c.id)
    .join(incidents, incidents.c.id == links.c.incident_id)
    .where(incidents.c.open, links.c.connection == _NAME, text("links.kind = 'incident'"))
    .limit(1)
)


def get(tx: Tx, name: str) -> Connection | None:
    return records.one(tx, Connection, GET, name=name)


def every(tx: Tx) -> dict[str, Connection]:
    return {row.name: row for row in records.every(tx, Connection, EVERY)}


def every_and_pause(tx: Tx) -> tuple[dict[str, Connection], bool]:
    """(every connection by its name, whether the global pause is on), in one statement."""
    rows = records.rows(tx, EVERY_PAUSED)
    pauses = [bool(columns.pop("paused")) for columns in rows]
    return {columns["name"]: records.loaded(Connection, columns) for columns in rows}, any(pauses)


def count_invalid_signature(tx: Tx, name: str) -> None:
    tx.execute(
        update(connections)
        .where(connections.c.name == name)
        .values(invalid_signatures=connections.c.invalid_signatures + 1)
    )


def cursor(tx: Tx, name: str) -> dict[str, Any] | None:
    """{"cursor", "polled_at", "due_at"}"""
    return next(iter(records.rows(tx, CURSOR, name=name)), None)


def move_cursor(tx: Tx, name: str, value: Json, polled_at: datetime | None, due_at: datetime | None) -> None:
    """Stores the cursor after a poll. polled_at: when the poll began."""
    values = {"cursor": value, "polled_at": polled_at, "due_at": due_at}
    if tx.execute(MOVE_CURSOR, {"name": name, **values}).rowcount == 0:
        tx.execute(insert(cursors), {"connection": name, **values})


def poll_at(tx: Tx, name: str, due_at: datetime) -> None:
    """Makes the next poll due at `due_at`, if it was due later or never."""
    tx.execute(POLL_AT, {"name": name, "at": due_at})


def has_open(tx: Tx, name: str) -> bool:
    """Whether an open incident has a link here."""
    return tx.execute(HAS_OPEN, {"name": name}).first() is not None


def paused(tx: Tx) -> bool:
    """The global pause: nothing is written anywhere."""
    return bool(switch(tx, "paused"))


def switch(tx: Tx, name: str) -> Json:
    """The value of a switch; None if it was never set."""
    return tx.scalar(SWITCH, {"name": name})


def set_switch(tx: Tx, name: str, value: Json) -> None:
    tx.execute(delete(switches).where(switches.c.name == name))
    tx.execute(insert(switches), [{"name": name, "value": value}])


def link_counts(tx: Tx, name: str) -> list[tuple[str, int]]:
    """(state, how many) of a connection's incident links."""
    query = (
        select(links.c.state, func.count())
        .where(links.c.connection == name, links.c.kind == "incident")
        .group_by(links.c.state)
        .order_by(links.c.state)
    )
    return [(row[0], int(row[1])) for row in tx.execute(query)]


def plan_again(tx: Tx, name: str, now: datetime) -> None:
    """After a connection was enabled: makes a plan due for every open incident, and the connection's waiting writes
    due."""
    lock(tx, incidents, incidents.c.open)
    tx.execute(update(incidents).where(incidents.c.open).values(plan_due=now))
    _due(tx, now, outbox.c.connection == name)


def deliver_now(tx: Tx, now: datetime) -> None:
    """Makes every waiting write due, at the end of a pause."""
    _due(tx, now)


def _due(tx: Tx, now: datetime, *which: ColumnElement[bool]) -> None:
    """Makes waiting writes due now. which: further conditions."""
    waiting = (outbox.c.state == "due", outbox.c.due_at > now, *which)
    lock(tx, outbox, *waiting)
    tx.execute(update(outbox).where(*waiting).values(due_at=now))


def note_switch(tx: Tx, name: str, state: str, actor: str, now: datetime) -> None:
    """Records who changed a connection's state, the pause or an unmatched object; the last 100 entries are kept."""
    history = list(switch(tx, "history") or [])
    entry = {"connection": name, "state": state, "actor": actor, "at": now.isoformat()}
    set_switch(tx, "history", [*history, entry][-100:])


class StoreNotebook:
    """`hub.ports.Notebook` in the database. Read once, then kept in memory; a write goes through at once."""

    def __init__(self, store: Store, connection: str) -> None:
        self.store = store
        self.connection = connection
        self._pages: dict[str, Json] = {}

    def read(self, name: str) -> Json | None:
        if name not in self._pages:
            with self.store.reading() as tx:
                query = select(notebook.c.value).where(
                    notebook.c.connection == self.connection, notebook.c.name == name
                )
                self._pages[name] = tx.execute(query).scalar()
        return self._pages[name]

    def write(self, name: str, value: Json) -> None:
        if self.read(name) == value:
            return
        with self.store.unit() as tx:
            tx.execute(delete(notebook).where(notebook.c.connection == self.connection, notebook.c.name == name))
            tx.execute(insert(notebook), [{"connection": self.connection, "name": name, "value": value}])
        self._pages[name] = value
