"""Changes of many rows lock them in one order, so that there is no deadlock. On PostgreSQL only: SQLite has one writer at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Table, select

from hub.clock import ManualClock
from hub.store import cases
from hub.store.connections import deliver_now, plan_again
from hub.store.due import SOURCES, STORED, shift_back
from hub.store.links import hint_frozen
from hub.store.records import Connection, Incident, Link, Outbox, save
from hub.store.tables import incidents, links, outbox
from hub.store.unit import Store, Tx
from tests.engine.patience import somebody_waits, until

NOW = ManualClock().now()
LATER = NOW + timedelta(seconds=60)

CHANGES: dict[str, Callable[[Tx], object]] = {
    "hint_frozen": lambda tx: hint_frozen(tx, NOW),
    "plan_again": lambda tx: plan_again(tx, "jira", NOW),
    "deliver_now": lambda tx: deliver_now(tx, NOW),
    "shift_back": lambda tx: shift_back(tx, NOW, 300),
}


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    """Two incidents, each with a frozen link and an intention. Reading the tables in physical order, or by due time, yields
    "b" before "a"."""
    store = Store(postgres_url)
    store.create_all()
    with store.unit() as tx:
        save(tx, Connection("jira", "jira", "enabled", created_at=NOW))
        for number, (id, due) in enumerate({"b": LATER, "a": LATER + timedelta(seconds=1)}.items(), 1):
            save(
                tx,
                Incident(id=id, number=number, fields={}, provenance={}, created_at=due, updated_at=NOW, plan_due=due),
            )
            link = Link(
                id=id, incident_id=id, connection="jira", kind="incident", slot="primary", mark=id, created_at=due,
                state="frozen", remote_kind="incident", remote_id=id, refresh_due=due,
            )  # fmt: skip
            save(tx, link)
            row = Outbox(
                id=id, link_id=id, incident_id=id, connection="jira", op="update", changes={}, base_rev=0, created_at=NOW, state="due",
                due_at=due,
            )  # fmt: skip
            save(tx, row)
    yield store
    store.close()


class Changing:
    """Another transaction, in another thread."""

    def __init__(self, store: Store, change: Callable[[Tx], object]) -> None:
        self._store, self._change = store, change
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            with self._store.unit() as tx:
                self._change(tx)
        except BaseException as e:
            self.error = e

    def end(self) -> None:
        self._thread.join(20)
        assert self.error is None


def _lock(tx: Tx, table: Table, id: str) -> None:
    """Locks the row, or fails at once."""
    tx.execute(select(table.c.id).where(table.c.id == id).with_for_update(key_share=True, nowait=True))


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("hint_frozen", links),
        ("plan_again", incidents),
        ("plan_again", outbox),
        ("deliver_now", outbox),
        ("shift_back", incidents),
        ("shift_back", links),
        ("shift_back", outbox),
    ],
)
def test_who_waits_for_a_row_holds_none_that_comes_after_it(store: Store, change: str, table: Table) -> None:
    with store.unit() as tx:
        _lock(tx, table, "a")
        other = Changing(store, CHANGES[change])
        until(lambda: somebody_waits(store))
        _lock(tx, table, "b")
    other.end()


@pytest.mark.postgres
@pytest.mark.parametrize("change", ["plan_again", "shift_back"])
def test_who_waits_for_an_incident_holds_nothing_that_belongs_to_it(store: Store, change: str) -> None:
    with store.unit() as tx:
        _lock(tx, incidents, "a")
        other = Changing(store, CHANGES[change])
        until(lambda: somebody_waits(store))
        for id in ("a", "b"):
            for table in (links, outbox):
                _lock(tx, table, id)
        assert cases.gather(tx, "b")
    other.end()


@pytest.mark.postgres
def test_a_case_locks_its_intentions_in_that_order_too(store: Store) -> None:
    with store.unit() as tx:  # both belong to one incident
        tx.execute(links.update().values(incident_id="a", slot=links.c.id))
    with store.unit() as tx:
        _lock(tx, outbox, "a")
        other = Changing(store, lambda other: cases.gather(other, "a"))
        until(lambda: somebody_waits(store))
        _lock(tx, outbox, "b")
    other.end()


def test_every_time_at_which_something_is_due_is_brought_back() -> None:
    stored = {(table.name, name) for table, names in STORED for name in names}
    assert {(when.table.name, when.name) for _, _, when in SOURCES} < stored
