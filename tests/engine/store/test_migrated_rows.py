"""Rows that an earlier version left in flight are found by this version after the upgrade, and restored by the downgrade."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import create_engine, inspect

from hub import services
from hub.clock import SystemIds
from hub.domain.values import Ref
from hub.store import due, figures, inbox, journal, links, migrate, outbox, timers
from hub.store.records import Incident, Outbox, save
from hub.store.tables import Doc, Utc
from hub.store.unit import Store
from hub.sync.hub import Hub
from hub.sync.inbound.unmatched import PERHAPS_OURS
from hub.sync.outbound.deliver import deliver
from hub.sync.tasks import TASKS
from tests.unit.web.hub import make_hub

BEFORE = "0002"
AFTER = "0003"
INCIDENT = "incident-1"
Dump = dict[str, list[str]]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database at the previous revision."""
    url = f"sqlite:///{tmp_path}/hub.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    migrate.upgrade(url, BEFORE)
    return str(url)


@pytest.fixture
def hub(url: str) -> Iterator[Hub]:
    """A hub of this version on that database, with the previous version's rows in flight."""
    hub = make_hub(url, create=False)
    leave_in_flight(hub.store, hub.clock.now())
    yield hub
    hub.store.close()


def insert(to: sa.Connection, into: str, /, **values: Any) -> None:
    """Plain SQL, without this version's tables."""
    kinds: dict[type, Any] = {datetime: Utc(), dict: Doc, list: Doc}
    columns = [sa.column(name, kinds.get(type(value))) for name, value in values.items()]
    to.execute(sa.insert(sa.table(into, *columns)).values(values))


def leave_in_flight(store: Store, now: datetime) -> None:
    """Inserts every kind of row whose table, column or stored word the step renames, and some that it must not touch."""
    ago = now - timedelta(seconds=20)
    incident = Incident(INCIDENT, 1, {"title": "down"}, {}, ago, ago)
    lines = [
        journal.Line("opened", "hub", {"number": 1}),
        journal.Line("changed", "signed", {"cell": "title", "value": "down", "was": None}),
        journal.Line("double", "signed", {"link": "link-1", "twin": "link-twin", "id": "R-2"}),
        journal.Line("possible_double", "signed", {"link": "link-1", "unknowns": 2}),
    ]
    with store.unit() as tx:
        journal.append(tx, incident, ago, lines, SystemIds())
    engine = create_engine(store.url)
    with engine.begin() as connection:
        _insert_rows(connection, incident, now, ago)
    engine.dispose()


def _insert_rows(connection: sa.Connection, incident: Incident, now: datetime, ago: datetime) -> None:
    insert(
        connection, "incidents", id=INCIDENT, number=1, fields={"title": "down"}, open=True, rev=4, created_at=ago,
        provenance={"title": {"source": "signed", "after": ago.isoformat(), "until": ago.isoformat(), "rank": 1, "actor": None}},
        updated_at=ago, plan_due=ago, head_seq=incident.head_seq, head_hash=incident.head_hash,
    )  # fmt: skip
    for name, forged in (("signed", 7), ("greeting", 0)):
        insert(connection, "connections", name=name, vendor=name, state="enabled", created_at=ago, forged=forged)
    empty: dict[str, Any] = {"consequences": [], "held": {}, "frozen": {}, "refused": {}, "notes": {}}
    link = {**empty, "incident_id": INCIDENT, "kind": "incident", "remote_kind": "incident", "created_at": ago}
    insert(
        connection, "links", id="link-1", connection="signed", slot="primary", state="live", remote_id="R-1", mark="m1",
        shadow={"title": "dead"}, rev=3, look_due=ago, look_whole=False, **{**link, "refused": {"status": "twins"}},
    )  # fmt: skip
    insert(
        connection, "links", id="link-twin", connection="signed", slot="twin-1", state="live", remote_id="R-2", mark="m2",
        shadow={"title": "down"}, look_due=now + timedelta(hours=1), look_whole=True, **link,
    )  # fmt: skip
    insert(
        connection, "links", id="link-held", connection="greeting", slot="primary", state="held", mark="m3", shadow={},
        plan={"hash": "h", "fields": {"title": "down"}}, **link,
    )  # fmt: skip
    write = {"link_id": "link-1", "incident_id": INCIDENT, "connection": "signed", "op": "update", "base_rev": 3}
    insert(
        connection, "outbox", id="out-claimed", state="claimed", changes={"title": "down"}, fence=3, owner="gone",
        due_at=ago, lease_until=ago, last_sent_at=ago, created_at=ago, **write,
    )  # fmt: skip
    insert(
        connection, "outbox", id="out-dead", state="dead", changes={"status": "dead"}, error="refused",
        error_class="Refused", created_at=ago, settled_at=ago, **write,
    )  # fmt: skip
    for id, state, due_at in (("in-dead", "dead", None), ("in-new", "new", ago)):
        insert(
            connection, "inbox", id=id, connection="signed", delivery_id=id, received_at=ago, method="POST", path="/in",
            query={}, headers={}, body=b"\x00dead", state=state, due_at=due_at,
        )  # fmt: skip
    for kind in ("twins", "backlink"):
        insert(connection, "timers", kind=kind, key="link-1", due_at=ago, data={})
    stranger = {"connection": "signed", "remote_kind": "incident", "first_seen": ago}
    insert(
        connection, "strangers", id="z-waiting", remote_id="R-7", state="waiting", reason=PERHAPS_OURS, candidates=[],
        due_at=ago, attempts=2, **stranger,
    )  # fmt: skip
    insert(
        connection, "strangers", id="a-proposed", remote_id="R-8", remote_parent="P", state="proposed",
        candidates=[INCIDENT], **stranger,
    )  # fmt: skip
    insert(connection, "switches", name="history", value=[{"connection": "signed", "state": "dead"}])


def dump(url: str) -> Dump:
    """table → its rows as the driver returns them, with the names of the columns."""
    engine = create_engine(url)
    with engine.connect() as connection:
        tables = {
            name: sorted(
                repr(sorted(row._mapping.items())) for row in connection.exec_driver_sql(f"SELECT * FROM {name}")
            )
            for name in inspect(connection).get_table_names()
        }
    engine.dispose()
    return tables


def definitions(url: str) -> Mapping[str, str]:
    """Name → definition of every index and constraint, as the database describes it."""
    engine = create_engine(url)
    queries = (
        ["SELECT name, coalesce(sql, '') FROM sqlite_master"]
        if engine.dialect.name == "sqlite"
        else [
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
        ]
    )
    with engine.connect() as connection:
        found = {str(row[0]): str(row[1]) for query in queries for row in connection.exec_driver_sql(query)}
    engine.dispose()
    return found


def test_what_was_in_flight_is_found_by_the_queries_of_this_version(url: str, hub: Hub) -> None:
    migrate.upgrade(url)
    now = hub.clock.now()
    with hub.store.reading() as tx:
        waiting = due.due(tx, now)
        assert {
            ("refresh", "link-1"), ("deliver", "link-1"), ("adopt", "z-waiting"), ("duplicates", "link-1"),
            ("inbox", "signed"), ("plan", INCIDENT), ("backlink", "link-1"),
        } == set(waiting)  # fmt: skip
        assert {task for task, _ in waiting} <= set(TASKS), "something is due that nothing carries out"
        assert timers.is_due(tx, "duplicates", "link-1", now)
        assert [row.id for row in outbox.failed(tx, 10)] == ["out-dead"]
        assert [row.id for row in inbox.page(tx, state="failed", limit=10, before=None)] == ["in-dead"]
        unmatched = links.unmatched(tx, "signed", Ref("incident", "R-7"))
        assert unmatched is not None
        assert (unmatched.reason, unmatched.attempts) == (PERHAPS_OURS, 2)
        link, extra = links.get(tx, "link-1"), links.get(tx, "link-twin")
        assert link is not None
        assert extra is not None
        assert (link.duplicate, link.refresh_whole) == (False, False)
        assert (extra.duplicate, extra.slot, extra.refresh_whole) == (True, "duplicate-1", True)
        assert figures.undecided(tx) == (1, 1)
    seen = figures.read(hub.store, now)
    assert seen["outbox_failed"] == {("signed",): 1}
    assert seen["inbox_failed"] == {("signed",): 1}
    assert seen["invalid_signatures"] == {("signed",): 7, ("greeting",): 0}
    assert [row["id"] for row in services.list_failed_writes(hub)["items"]] == ["out-dead"]


def test_a_write_that_a_worker_of_the_version_before_had_claimed_is_taken_over(url: str, hub: Hub) -> None:
    migrate.upgrade(url)
    deliver(hub, "link-1")  # it may just have been sent: the outcome is unknown until the vendor's time limit is over
    with hub.store.reading() as tx:
        row = outbox.get(tx, "out-claimed")
    assert row is not None
    assert (row.state, row.unknowns, row.owner) == ("unknown", 1, None)
    assert row.due_at is not None
    assert row.due_at > hub.clock.now()


def test_old_journal_lines_stay_as_they_are_and_are_read_in_the_words_of_this_version(url: str, hub: Hub) -> None:
    stored = dump(url)["journal"]
    migrate.upgrade(url)
    assert dump(url)["journal"] == stored
    with hub.store.reading() as tx:
        assert journal.verify(tx, INCIDENT) is None
    shown = services.show_journal(hub, "INC-1")
    assert shown["verified"]
    assert [line["kind"] for line in shown["items"]] == ["opened", "changed", "duplicate", "possible_duplicate"]
    assert shown["items"][1]["data"] == {"field": "title", "value": "down", "was": None}
    assert shown["items"][2]["data"] == {"link": "link-1", "duplicate": "link-twin", "id": "R-2"}


def test_the_way_back_restores_every_row_and_the_way_forth_may_be_gone_again(url: str, hub: Hub) -> None:
    before, tables = dump(url), definitions(url)
    assert {len(rows) for name, rows in before.items() if name in ("strangers", "outbox", "inbox", "timers")} == {2}
    migrate.upgrade(url, AFTER)
    after = dump(url)
    assert {name: len(rows) for name, rows in after.items()} == {
        {"strangers": "unmatched_objects"}.get(name, name): len(rows) for name, rows in before.items()
    }
    migrate.downgrade(url, BEFORE)
    assert dump(url) == before
    assert definitions(url) == tables
    migrate.upgrade(url, AFTER)
    assert dump(url) == after


def test_what_this_version_wrote_gets_the_old_words_on_the_way_back(url: str, hub: Hub) -> None:
    migrate.upgrade(url)
    now = hub.clock.now()
    with hub.store.unit() as tx:
        save(tx, Outbox("out-new", "link-1", INCIDENT, "signed", "update", {}, 3, now, state="failed"))
        timers.set_timer(tx, "duplicates", "link-twin", now, {})
    migrate.downgrade(url, BEFORE)
    rows = dump(url)
    assert len([row for row in rows["outbox"] if "('state', 'dead')" in row]) == 2
    assert len([row for row in rows["timers"] if "('kind', 'twins')" in row]) == 2
    assert "failed" not in str(rows["outbox"])
    assert "duplicate" not in str(rows["timers"] + rows["links"])


@pytest.mark.parametrize(
    ("revision", "slot"), [(BEFORE, "duplicate-status-page"), (BEFORE, "twin-cities"), (AFTER, "twin-cities")]
)
def test_a_slot_of_a_users_own_that_would_be_taken_for_a_duplicates_is_refused(
    url: str, hub: Hub, revision: str, slot: str
) -> None:
    migrate.upgrade(url, revision)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE links SET slot = :slot WHERE id = 'link-held'"), {"slot": slot})
    engine.dispose()
    before, step = dump(url), migrate.upgrade if revision == BEFORE else migrate.downgrade
    with pytest.raises(migrate.NotMigratable, match=f"connection greeting has the slot '{slot}'"):
        step(url, AFTER if revision == BEFORE else BEFORE)
    assert dump(url) == before
