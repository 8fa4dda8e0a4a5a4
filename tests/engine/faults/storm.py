"""A storm of incidents, with people editing in all four systems. Their edits are recorded for the checks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import func, select

from hub import services
from hub.domain.values import INCIDENT, Json
from hub.store.tables import inbox, links, outbox, timers, unmatched_objects
from hub.sync.hub import Hub
from workers.demo import check
from workers.demo.vendors import Vendors

EVERY = 10
"""One in so many incidents concerns customers and gets a page entry: a page allows one request a second."""

PAUSE = 0.25


@dataclass
class Told:
    """One incident. id: its PagerDuty id. edits: (field path, the hub's value) of people's edits not yet found in the journal."""

    id: str
    number: int
    public: bool
    incident: str = ""
    remote: dict[str, str] = field(default_factory=dict)
    edits: list[tuple[str, Json]] = field(default_factory=list)


@dataclass
class Storm:
    """hub: one in the test's process, on the same database. waits: what `settled` last waited for, as text."""

    vendors: Vendors
    hub: Hub
    told: list[Told] = field(default_factory=list)
    waves: int = 0
    waits: str = ""

    # --- what people do -----------------------------------------------------------------------------------------

    def begin(self, count: int) -> None:
        """Opens `count` incidents in PagerDuty."""
        for number in range(len(self.told), len(self.told) + count):
            public = number % EVERY == 0
            service = "PCHECKO" if public else "PSEARCH"
            id = self.vendors.pagerduty.people_create(f"Incident {number}", service, priority="P2")
            self.told.append(Told(id, number, public))

    def edit(self) -> None:
        """In every incident that all its systems show: adds a comment in one of them and, the first time, edits a field."""
        v, self.waves = self.vendors, self.waves + 1
        self._look()
        for t in [t for t in self.told if self._whole(t)]:
            text = f"Wave {self.waves} of incident {t.number}"
            where = (t.number + self.waves) % 3
            if where == 0:
                v.pagerduty.people_note(t.id, text)
            elif where == 1:
                v.jira.people_comment(t.remote["jira"], text)
            else:
                v.teams.people_reply(t.remote["teams"], text)
            t.edits.append(("text", text))
            if not any(cell != "text" for cell, _ in t.edits):
                self._field(t)

    def _field(self, t: Told) -> None:
        v = self.vendors
        if t.public:
            v.statuspage.people_set_status(t.remote["statuspage"], "identified", f"Found it ({t.number}).")
            t.edits += [("status", "identified"), ("text", f"Found it ({t.number}).")]
        elif t.number % 3 == 0:
            v.pagerduty.people_set_status(t.id, "acknowledged")
            t.edits.append(("status", "acknowledged"))
        elif t.number % 3 == 1:
            v.jira.people_set(t.remote["jira"], summary=f"Renamed {t.number}")
            t.edits.append(("title", f"Renamed {t.number}"))
        else:
            v.teams.people_command("sev 1", t.remote["teams"])
            t.edits.append(("severity", "SEV1"))

    # --- progress of the hub ------------------------------------------------------------------------------------

    def _whole(self, t: Told, without: str = "") -> bool:
        wanted = {"pagerduty", "jira", "teams"} | ({"statuspage"} if t.public else set())
        return wanted - {without} <= set(t.remote)

    def _look(self) -> None:
        """Finds the hub's incident for each, and approves the drafts for customers."""
        with self.hub.store.reading() as tx:
            columns = (links.c.id, links.c.incident_id, links.c.connection, links.c.remote_id, links.c.state)
            rows = tx.execute(select(*columns).where(links.c.kind == INCIDENT)).all()
        whose = {row.remote_id: row.incident_id for row in rows if row.connection == "pagerduty"}
        by_incident: dict[str, dict[str, str]] = {}
        for row in rows:
            if row.remote_id:
                by_incident.setdefault(row.incident_id, {})[row.connection] = row.remote_id
            elif row.state == "held":
                draft = services.show_link(self.hub, row.id)
                services.approve_link(self.hub, row.id, draft["content_hash"], actor="cleo")
        for t in self.told:
            t.incident = whose.get(t.id, "")
            t.remote = by_incident.get(t.incident, {})

    def begun(self) -> bool:
        """Whether every system shows every incident."""
        self._look()
        return all(self._whole(t) for t in self.told)

    def begun_without(self, vendor: str) -> bool:
        """Whether every system but this one shows every incident."""
        self._look()
        return all(self._whole(t, vendor) for t in self.told)

    def settled(self) -> bool:
        """Whether all edits have arrived everywhere and no work is left."""
        self.waits = self._waits_for()
        return not self.waits

    def _waits_for(self) -> str:
        if any(box.outgoing for box in self.vendors.all.values()):
            return f"webhooks { ({n: len(b.outgoing) for n, b in self.vendors.all.items()}) }"
        if not self.begun():
            return f"objects {[(t.number, sorted(t.remote)) for t in self.told if not self._whole(t)]}"
        for name, what in WAITING.items():
            with self.hub.store.reading() as tx:
                if count := tx.scalar(what):
                    return f"{count} × {name}"
        for t in self.told:
            missing = check.lost(self.hub, t.incident, t.edits)
            if missing:
                return "; ".join(missing)
        return ""

    def until(self, true: Callable[[], bool], seconds: float) -> float:
        """Waits until `true()` is; returns the seconds. Raises AssertionError with what it waited for."""
        clock, pause = self.vendors.clock, threading.Event()
        begun = clock.monotonic()
        while not true():
            if clock.monotonic() - begun > seconds:
                raise AssertionError(f"not in {seconds:.0f} s: {self.waits or true}")
            pause.wait(PAUSE)
        return clock.monotonic() - begun


def _count(table: object, condition: object) -> object:
    return select(func.count()).select_from(table).where(condition)  # type: ignore[arg-type]


WAITING = {
    "inbox row not read": _count(inbox, inbox.c.state == "new"),
    "intention open": _count(outbox, outbox.c.state.in_(("due", "claimed", "unknown"))),
    "link pending": _count(links, links.c.state == "pending"),
    "link behind": _count(links, links.c.behind_since.is_not(None)),
    "link to be looked at": _count(links, links.c.refresh_due.is_not(None)),
    "unmatched object waiting": _count(unmatched_objects, unmatched_objects.c.state == "waiting"),
    "look for duplicates": _count(timers, timers.c.kind == "duplicates"),
    "link back": _count(timers, timers.c.kind == "backlink"),
}
