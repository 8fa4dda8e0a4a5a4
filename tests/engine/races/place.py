"""The setting of the races: a PostgreSQL database, four model vendors in memory, and two workers.

A pair's start is made once and kept as rows; before every race the database, the vendors and the clock are reset to it. The
vendors are the simulation's, without faults: whatever goes wrong here is a defect of the hub.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import event, func, select, union_all

from hub.clock import ManualClock, SeededIds
from hub.domain.policy import Config, ConnectionConfig, LinkRule, Policy
from hub.domain.values import INCIDENT, Desired, Mark, Ref, Update
from hub.store import due as due_rows
from hub.store.connections import move_cursor
from hub.store.records import Connection, save
from hub.store.tables import incidents, links, metadata, timers
from hub.store.unit import Store
from hub.sync import tasks
from hub.sync.hub import Hub
from hub.sync.limits.budget import Budget
from tests.contract.world import MemorySecrets
from tests.engine.races.order import LockOrder
from tests.engine.races.schedule import point
from tests.simulation.company import CONNECTIONS, PREFIX
from tests.simulation.faults import CALM
from tests.simulation.server import Server
from tests.simulation.styles import PEOPLE, SERVICES, STYLES
from tests.simulation.vendor import ModelVendor, client

QUIET = ("poll", "subscribe")
"""Tasks that recur for ever. They are left out, so that a lost hint stays lost and is noticed."""

CONFIG = Config(
    connections={
        name: ConnectionConfig(name, vendor, "enabled", order)
        for order, (name, vendor) in enumerate(CONNECTIONS.items())
    },
    policy=Policy(
        links=(
            LinkRule("pd", severity_at_least="SEV4"),
            LinkRule("jira", severity_at_least="SEV3"),
            LinkRule("page", services=frozenset({"checkout"}), hold=True),
        ),
        opens=frozenset({"pd", "jira"}),
        creates_per_minute=40,
    ),
    services={s: s.title() for s in SERVICES},
    people={p: {"name": p.title(), "accounts": {c: f"{x}-{p}" for c, x in PREFIX.items()}} for p in PEOPLE},
)


_MOMENTS = [when for task, _, when in due_rows.SOURCES if task not in QUIET] + [timers.c.due_at]
LATER = select(func.min(union_all(*(select(func.min(when).label("at")) for when in _MOMENTS)).subquery().c.at))
"""When the next row is due."""


BEGINNING = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)

AUDIT = """
CREATE TABLE race_audit (n serial, who text, was text, owner text, becomes text);
CREATE FUNCTION race_audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO race_audit (who, was, owner, becomes)
  VALUES (current_setting('application_name'), OLD.state, OLD.owner, NEW.state);
  RETURN NULL;
END $$;
CREATE TRIGGER race_audit AFTER UPDATE ON outbox FOR EACH ROW EXECUTE FUNCTION race_audit();
"""
"""Records which worker changed an intention's state, and which worker had claimed it."""


class NoWake:
    """Loses every wake-up: the due rows alone must suffice."""

    def wake(self, task: str, name: str) -> None:
        return None


class Wrong(AssertionError):
    """A model vendor observed what must never happen."""


@dataclass
class Sent:
    """What was sent to the vendors. creates: mark → how often; updates: (object, changes), in order."""

    creates: dict[str, int] = field(default_factory=dict)
    updates: list[tuple[str, str]] = field(default_factory=list)
    writer_knows: int = 0
    agreed: set[tuple[str, int]] = field(default_factory=set)

    def shown(self, seen: object) -> None: ...

    def create_sent(self, vendor: ModelVendor, desired: Desired, mark: Mark) -> None: ...

    def update_sent(self, vendor: ModelVendor, ref: Ref, update: Update) -> None:
        self.updates.append((ref.id, repr(sorted(update.changes.items()))))

    def created(self, vendor: ModelVendor, thing: object, mark: Mark) -> None:
        self.creates[mark.key] = self.creates.get(mark.key, 0) + 1

    def updated(self, vendor: ModelVendor, thing: object, update: Update, changed: bool) -> None: ...


class Looked:
    """The part of the simulation's invariants that the model vendors call."""

    def found(self, mark: Mark, began: datetime) -> None: ...

    def not_created(self, mark: Mark) -> None: ...


class Calm:
    """The world as the model vendors need it: no faults, and a scheduling point before and after every call."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.ledger = Sent()
        self.invariants = Looked()
        self.faults = CALM
        self.hidden: dict[Ref, datetime] = {}
        self.people = None

    def boundary(self, moment: str, *about: Any) -> None:
        point(f"{moment} {about[0]} {about[1]}")

    def pause(self, *about: Any) -> None: ...

    def weather(self, *about: Any) -> None: ...

    def half(self) -> bool:
        return False

    def chance(self, probability: float) -> bool:
        return False

    def lag(self, limit: float) -> float:
        return 0.0

    def last_seen(self, owner: str, ref: Ref) -> int:
        return 0

    def violated(self, name: str, words: str) -> None:
        raise Wrong(f"{name}: {words}")


@dataclass
class Kept:
    """A saved state. again: the SQL that restores its rows."""

    again: str
    vendors: Mapping[str, tuple[Any, int]]
    now: datetime


class Place:
    """url: an empty PostgreSQL database for this test alone."""

    def __init__(self, url: str) -> None:
        plain = url.replace("+psycopg", "")
        self.monitor = psycopg.connect(plain, autocommit=True)
        name = self.monitor.info.dbname
        for setting in ("synchronous_commit = off", "deadlock_timeout = '20ms'", "jit = off"):
            self.monitor.execute(f'ALTER DATABASE "{name}" SET {setting}')
        self.admin = psycopg.connect(plain, autocommit=True)
        self.admin.execute("SET session_replication_role = replica")  # rows are restored in any order
        self.clock = ManualClock()
        self.world = Calm(self.clock)
        self.servers = {n: Server(n, STYLES[v](), self.clock) for n, v in CONNECTIONS.items()}
        self.backends: dict[str, int] = {}
        self.orders = {name: LockOrder() for name in ("one", "two")}
        self.stores = {name: self._store(url, name) for name in ("one", "two", "rest")}
        self.stores["rest"].create_all()
        for store in self.stores.values():  # connected before the first race, as running workers are
            for transaction in (store.unit(), store.reading()):
                with transaction as tx:
                    tx.execute(select(incidents.c.id))
        self.admin.execute(AUDIT)
        self.kept: Kept | None = None
        self.races = 0
        self.hubs = self._hubs()

    def _store(self, url: str, name: str) -> Store:
        store = Store(url, watch=point)

        @event.listens_for(store.writer, "connect")
        def connected(dbapi: Any, record: Any) -> None:
            self.backends[name] = dbapi.info.backend_pid
            dbapi.execute(f"SET application_name = '{name}'")
            dbapi.commit()

        @event.listens_for(store.writer, "before_cursor_execute")  # the reader shares its events
        def statement(connection: Any, cursor: Any, sql: str, *rest: Any) -> None:
            point(" ".join(sql.split()[:3]) + (" …FOR UPDATE" if sql.endswith("UPDATE") else ""))

        if name in self.orders:
            event.listen(store.writer, "before_cursor_execute", self.orders[name].statement)
        return store

    def _forget_disorder(self) -> None:
        for order in self.orders.values():
            order.disorder.clear()

    def disorder(self) -> list[str]:
        """Locks that one of the two took out of order in this race."""
        return [f"{name}: {words}" for name, order in self.orders.items() for words in order.disorder]

    def empty(self) -> None:
        """Resets everything to the empty state, for the next pair."""
        kept = ["race_audit", *(t.name for t in metadata.sorted_tables)]
        self.admin.execute(f"TRUNCATE {', '.join(kept)}")
        self.clock.set(BEGINNING)
        self._forget_disorder()
        for server in self.servers.values():
            server.things, server.log, server._ids = {}, [], 0
        self.world.ledger, self.hubs = Sent(), self._hubs()
        began = self.clock.now() - timedelta(hours=1)
        with self.stores["rest"].unit() as tx:
            for name, vendor in CONNECTIONS.items():
                save(tx, Connection(name, vendor, "enabled", created_at=began, activated_at=began))
                move_cursor(tx, name, None, None, self.clock.now())

    def _hubs(self) -> dict[str, Hub]:
        return {
            name: Hub(
                store=store, clock=self.clock, ids=SeededIds(name), wake=NoWake(),
                adapters={n: client(s, self.world, name) for n, s in self.servers.items()}, config=CONFIG,
                budget=Budget(self.clock, enforce=False, workers=lambda: 8), secrets=lambda c: MemorySecrets(), owner=name,
            )
            for name, store in self.stores.items()
        }  # fmt: skip

    @property
    def rest(self) -> Hub:
        return self.hubs["rest"]

    def close(self) -> None:
        for store in self.stores.values():
            store.close()
        self.monitor.close()
        self.admin.close()

    # --- saving and restoring the state -------------------------------------------------------------------------

    def keep(self) -> None:
        """Saves the current state as the start of every race of the pair."""
        again = ["BEGIN", "DELETE FROM race_audit"]
        for table in (t.name for t in metadata.sorted_tables):
            self.admin.execute(f"DROP TABLE IF EXISTS kept_{table}; CREATE TABLE kept_{table} AS TABLE {table}")
            again += [f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM kept_{table}"]
        vendors = {n: (copy.deepcopy(s.things), s.next_id()) for n, s in self.servers.items()}
        self.kept = Kept("; ".join([*again, "COMMIT"]), vendors, self.clock.now())

    def back(self) -> None:
        """Restores the saved state."""
        assert self.kept is not None
        self.races += 1
        if self.races % 300 == 0:
            self.admin.execute("VACUUM")  # thousands of dead versions of the same rows would slow every query
        self.admin.execute(self.kept.again)
        self.clock.set(self.kept.now)
        for name, (things, last) in self.kept.vendors.items():
            server = self.servers[name]
            server.things, server._ids, server.log = copy.deepcopy(things), last, []
        self.world.ledger = Sent()
        self._forget_disorder()
        self.hubs = self._hubs()

    def picture(self) -> str:
        """The whole state as text: two races that leave the same picture have the same end."""
        rows = " UNION ALL ".join(
            f"SELECT '{t.name}' || t::text AS line FROM {t.name} t" for t in metadata.sorted_tables
        )
        moved = "SELECT concat_ws(' ', who, was, owner, becomes) FROM race_audit"
        found = self.admin.execute(f"SELECT md5(string_agg(line, '|' ORDER BY line)) FROM ({rows} UNION ALL {moved}) l")
        things = {n: sorted(map(repr, s.things.values())) for n, s in self.servers.items()}
        return repr((found.fetchone(), things, self.world.ledger, self.clock.now()))

    # --- settling -----------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """One worker alone does whatever is due until nothing is; the clock moves as needed."""
        hub = self.rest
        for _ in range(200):
            with hub.store.reading() as tx:
                found = [d for d in due_rows.due(tx, self.clock.now()) if d[0] not in QUIET]
                later = None if found else tx.execute(LATER).scalar()
            for task, name in found:
                tasks.run(hub, task, name)
            if not found:
                if later is None:
                    return
                self.clock.set(max(later, self.clock.now()))
        raise AssertionError("it never comes to rest")

    # --- look-ups -----------------------------------------------------------------------------------------------

    def link(self, connection: str, kind: str = INCIDENT) -> str:
        """The id of the newest link in the connection."""
        with self.rest.store.reading() as tx:
            query = select(links.c.id).where(links.c.connection == connection, links.c.kind == kind)
            return str(tx.execute(query.order_by(links.c.id.desc()).limit(1)).scalar_one())

    def incident(self) -> str:
        """The id of the newest incident."""
        with self.rest.store.reading() as tx:
            return str(tx.execute(select(incidents.c.id).order_by(incidents.c.number.desc()).limit(1)).scalar_one())

    def thing(self, connection: str, kind: str = INCIDENT) -> Any:
        """The newest object at a vendor."""
        return self.servers[connection].of_kind(kind)[-1]

    def hint(self, connection: str) -> None:
        """Leaves the hint of a webhook about the newest object in the connection."""
        from hub.store.links import hint

        link = self.link(connection)
        with self.rest.store.unit() as tx:
            hint(tx, link, self.clock.now())
