"""A share of the seeds runs through the real client libraries against the vendors' stand-ins: the same hub, crashes, faults and
two workers, but every exchange is HTTP. What is visible from outside is checked: all systems agree in the end, nothing was
created twice, nothing changes at rest, and no transaction is open while a vendor is called."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from adapters.sandboxing import Fault
from hub import services
from hub.clock import ManualClock
from hub.domain.errors import InvalidSignature
from hub.domain.policy import Config, ConnectionConfig, LinkRule, Policy
from hub.domain.values import COMMENT, INCIDENT, Mark, Ref, Reply, Request
from hub.domain.vocabulary import UnknownWord
from hub.store import journal
from hub.sync.hub import Hub
from hub.sync.inbound import intake
from tests.contract.world import MemorySecrets
from tests.contract.worlds.jira import JiraWorld
from tests.contract.worlds.pagerduty import PagerDutyWorld
from tests.contract.worlds.statuspage import StatuspageWorld
from tests.contract.worlds.teams import TeamsWorld
from tests.simulation.audit import Row
from tests.simulation.building import SimulatedWorld
from tests.simulation.coverage import Coverage, counting
from tests.simulation.faults import Faults
from tests.simulation.invariants import Invariants
from tests.simulation.runs import Result, simulate_in, until_quiet
from tests.simulation.world import World

STEPS = 160
READ_ONLY = frozenset({"GET", "HEAD"})


class Together(ManualClock):
    """The hub's clock; moving it moves the stand-ins' clocks too."""

    others: Sequence[ManualClock] = ()

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        for clock in self.others:
            clock.set(self.now())


class Outside(Invariants):
    """The checks that need no access to the vendor's state."""

    def after_commit(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if row.table == "journal" and row.old is None and row.new is not None:
                self.world.coverage.line(row.new["kind"], row.new["data"])


class Post:
    """Webhooks from the stand-ins, in flight."""

    def __init__(self, world: RealWorld) -> None:
        self.world = world
        self.flights: list[Any] = []
        self.waiting: list[tuple[str, Request]] = []

    def collect(self) -> None:
        f, rng = self.world.faults, self.world.net
        for name, place in self.world.places.items():
            for request in place.webhooks():
                if (self.world.stormy or f.webhook_loss >= 1.0) and rng.random() < f.webhook_loss:
                    self.world.counts["webhook_lost"] += 1
                    continue
                copies = 2 if self.world.stormy and rng.random() < f.webhook_duplicate else 1
                self.waiting += [(name, request)] * copies

    def deliver_one(self) -> bool:
        self.collect()
        web = self.world.actors["web"]
        if not self.waiting or web.busy:
            return False
        name, request = self.waiting.pop(
            self.world.net.randrange(len(self.waiting)) if self.world.faults.webhook_late else 0
        )
        self.world.counts["webhook"] += 1
        self.world.note(f"webhook {name} {request.path}")

        def take(hub: Hub) -> Reply:
            try:
                return intake.accept(hub, name, request)
            except InvalidSignature as e:
                words = f"a genuine webhook of {name} was refused for an invalid signature: {e}"
                self.world.violated("accepted is kept", words)
                raise

        if self.world.run(web, "intake", take) is None:
            self.waiting.append((name, request))  # the vendor sends it again
        return True


class RealWorld(SimulatedWorld):
    """A world with stand-ins. places: the vendors, by connection."""

    def furnish(self, config: Config | None, styles: Mapping[str, Any] | None) -> None:
        self.places: dict[str, Any] = {
            "pd": PagerDutyWorld("pd", reopen=True), "jira": JiraWorld(self.rng.random() < 0.5), "page": StatuspageWorld(),
            "chat": TeamsWorld("graph"),
        }  # fmt: skip
        self.clock = Together()
        self.clock.others = [p.clock for p in self.places.values()]
        for name, place in self.places.items():
            place.sandbox.rate_limited = False
            place.sandbox.exchange = self._watched(name, place.sandbox.exchange)
        vendors = {"pd": "pagerduty", "jira": "jira", "page": "statuspage", "chat": "teams"}
        rules = (
            LinkRule("pd"),
            LinkRule("jira"),
            LinkRule("chat"),
            LinkRule("page", services=frozenset({"checkout"}), hold=True),
        )
        self.config = Config(
            connections={n: ConnectionConfig(n, v, "enabled", i) for i, (n, v) in enumerate(vendors.items())},
            policy=Policy(links=rules, opens=frozenset({"pd"})),
            authority=counting(self.coverage),
            services={"checkout": "Checkout", "search": "Search"},
            people={"ada": {"name": "Ada", "email": "ada@example.com"}},
            base_url="https://hub.example.com",
        )
        self.servers = {}
        self.network = Post(self)  # type: ignore[assignment]
        self.invariants = Outside(self)
        self.texts, self.at_vendor = 0, False

    def clients(self, owner: str) -> Mapping[str, Any]:
        return {name: place.adapter for name, place in self.places.items()}

    def secrets(self, connection: str) -> MemorySecrets:
        found: MemorySecrets = self.places[connection].secrets
        return found

    def _watched(self, name: str, exchange: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps every exchange of a client library with this vendor: a crash point before and after, faults in between."""

        def watched(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Any:
            if not self.stack or self.at_vendor:
                return exchange(method, url, headers, body)
            self.boundary("send", name, f"{method} {url.split('?')[0][-60:]}", method not in READ_ONLY)
            alone = name == "chat"  # its client has one event loop thread, in which no other process can run
            if not alone:
                self.pause(name)
            fault = self._weather(name)
            if fault is not None:
                self.places[name].sandbox.faults.append(fault)
            if fault is not None and fault.kind != "status":
                self.clock.advance(10.0) if alone else self.wait(10.0)
            try:
                answer = exchange(method, url, headers, body)
            finally:
                self.places[name].sandbox.faults.clear()
            self.boundary("answered", name, url, method not in READ_ONLY)
            return answer

        return watched

    def _weather(self, name: str) -> Fault | None:
        f = self.faults
        for kind, probability, fault in (
            ("unavailable", f.unavailable, Fault("status", status=503)),
            ("throttled", f.throttled, Fault("status", status=429, headers={"Retry-After": "3"})),
            ("lost_before", f.lost_before, Fault("lost")),
            ("lost_after", f.lost_after, Fault("late")),
            ("lands_late", f.lands_late, Fault("later")),
        ):
            if self.chance(probability):
                self._strike(kind)
                return fault
        return None

    def tick(self, seconds: float) -> None:
        for part in (min(seconds, LATEST), seconds - LATEST):
            if part > 0:
                super().tick(part)
                for place in self.places.values():
                    place.sandbox.settle()

    # ------------------------------------------------------------------ people

    def act(self) -> None:
        """One action of a person, at a vendor or through the services."""
        self.at_vendor = True
        try:
            self._deed()
        finally:
            self.at_vendor = False

    def _deed(self) -> None:
        self.texts += 1
        kind = self.rng.random()
        incidents = [
            r[0] for r in self.store.db.execute("SELECT id FROM incidents WHERE merged_into IS NULL ORDER BY number")
        ]
        if len(incidents) < 2 and kind < 0.3:
            self.places["pd"].person_makes(INCIDENT)
            self.counts["edit"] += 1
            return
        if not incidents:
            return
        incident = self.rng.choice(incidents)
        if kind < 0.25:
            self._services(incident)
            return
        links = self.store.db.execute(
            "SELECT connection, remote_id FROM links WHERE incident_id = ? AND kind = 'incident' AND state = 'live' "
            "AND remote_id IS NOT NULL ORDER BY connection",
            (incident,),
        ).fetchall()
        if not links:
            return
        name, remote = self.rng.choice(links)
        place, ref = self.places[name], Ref(INCIDENT, remote)
        kinds = place.adapter.capabilities.kinds
        if kind < 0.45 and COMMENT in kinds:
            place.person_makes(COMMENT, ref)
        elif name != "chat":
            self._edit(place, ref)
        self.counts["edit"] += 1
        self.note(f"a person at {name} {remote}")

    def _edit(self, place: Any, ref: Ref) -> None:
        fields = place.adapter.capabilities.kinds[INCIDENT].fields
        field = self.rng.choice(sorted(n for n, f in fields.items() if f.read and f.write == "always"))
        shown = place.adapter.observe(ref)
        over = shown.fields.get("status") == "resolved"  # its poll lists open incidents; only the log shows the others
        if (
            shown.state == "present"
            and not shown.terminal
            and not (place is self.places["pd"] and over and field != "status")
        ):
            place.person_edits(ref, field, place.another(INCIDENT, field, shown.fields.get(field)))

    def _services(self, incident: str) -> None:
        web = self.actors["web"]
        if web.busy:
            return
        self.counts["services"] += 1
        held = self.store.db.execute("SELECT id FROM links WHERE plan LIKE '%\"hash\"%' ORDER BY id").fetchone()

        def approve(hub: Hub) -> None:
            shown = services.show_link(hub, held[0])
            if shown["content_hash"]:
                self.ledger.approve(shown)
                services.approve_link(hub, held[0], shown["content_hash"], actor="ada")

        fields = self.rng.choice((
            {"title": f"Title {self.texts}"}, {"severity": self.rng.choice(("SEV1", "SEV2", "SEV3"))},
            {"status": self.rng.choice(("acknowledged", "identified", "monitoring", "resolved"))},
        ))  # fmt: skip
        act = (
            approve
            if held and self.rng.random() < 0.6
            else lambda hub: services.edit_incident(hub, incident, fields, actor="ada")
        )
        try:
            self.at_vendor = False
            self.run(web, "services", act)
        except (services.Conflict, services.Invalid, services.NotFound) as e:
            self.note(f"  no: {e}")


LATEST = 15.0
"""Seconds after which a vendor has carried out what it accepted; within its declared limit."""


def simulate(seed: int, faults: Faults | None = None) -> Result:
    """Runs one seed through the real clients."""
    rng = random.Random(f"{seed}/real")
    drawn = faults or Faults(
        webhook_loss=rng.choice((0.0, 0.2, 1.0)), webhook_duplicate=rng.choice((0.0, 0.3)), webhook_late=rng.choice((0.0, 30.0)),
        wake_loss=rng.choice((0.0, 0.3)), crash=rng.choice((0.0, 0.01)), interleave=rng.choice((0.0, 0.05)),
        unavailable=rng.choice((0.0, 0.03)), throttled=rng.choice((0.0, 0.03)), lost_before=rng.choice((0.0, 0.03)),
        lost_after=rng.choice((0.0, 0.03)), lands_late=rng.choice((0.0, 0.03)),
    )  # fmt: skip
    result = Result(seed, drawn, coverage=Coverage())
    return simulate_in(RealWorld(f"{seed}/real", drawn, coverage=result.coverage), result, play)


def play(world: World) -> None:
    """Storm, rest, checks."""
    assert isinstance(world, RealWorld)
    world.people = world
    world.places["pd"].person_makes(INCIDENT)
    for _ in range(STEPS):
        kind = world.rng.random()
        if kind < 0.15:
            world.act()
        elif kind < 0.3:
            world.network.deliver_one()
        elif kind < 0.8 and world.queue.waiting:
            world.work()
        else:
            world.tick(world.rng.choice((0.5, 1.0, 5.0, 20.0, 70.0)))
        world.invariants.step()
    world.stormy = False
    world.note("--- faults off")
    until_quiet(world, set(world.places))
    world.coverage.checks["through the real clients"] += 1
    judge(world)


def judge(world: RealWorld) -> None:
    """Checks everything that is visible from outside."""
    db = world.store.db
    incidents = {i: (n, json.loads(f)) for i, n, f in db.execute("SELECT id, number, fields FROM incidents")}
    columns = (
        "incident_id, connection, remote_id, state, mark, held, frozen, refused, notes, plan, slot, created_at, reason"
    )
    for row in db.execute(f"SELECT {columns} FROM links WHERE kind = 'incident' ORDER BY id").fetchall():
        incident, name, remote, state, mark, held, frozen, refused, notes, plan, slot, _, reason = row
        number, fields = incidents[incident]
        place = world.places[name]
        if state == "pending" and fields["status"] not in ("resolved", "cancelled"):
            world.violated("convergence", f"INC-{number} has no object in {name}: {reason}")
        if remote is None or state != "live" or slot != "primary":
            continue
        found = place.adapter.find(Mark(INCIDENT, mark, _long_ago(world)))
        if len(found) > 1:
            world.violated("one object per link", f"INC-{number} in {name}: {[o.ref.id for o in found]}")
        shown = place.adapter.observe(Ref(INCIDENT, remote))
        excused = {n for c in (held, frozen, refused, notes) for n in json.loads(c or "{}")} | set(shown.consequences)
        excused |= set((json.loads(plan) or {}).get("waiting", ())) if plan else set()
        for field, declared in place.adapter.capabilities.kinds[INCIDENT].fields.items():
            relation = place.adapter.relations[INCIDENT].get(field)
            if field == "impacts":  # a page has one component, shared by all incidents that touch it
                continue
            if relation is None or declared.write != "always" or not declared.read or field in excused:
                continue
            if fields.get(field) is None:
                continue
            try:
                same = relation.fits(fields[field], shown.fields.get(field))
            except UnknownWord:
                same = False
            if not same:
                world.violated(
                    "convergence",
                    f"INC-{number} {field} is {fields[field]!r}, {name} shows {shown.fields.get(field)!r}",
                )
    with world.store.reading() as tx:
        for incident, (number, _) in incidents.items():
            broken = journal.verify(tx, incident)
            if broken:
                world.violated("journal chains unbroken", f"INC-{number}: {broken}")


def _long_ago(world: World) -> datetime:
    return ManualClock().now()
