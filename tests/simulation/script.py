"""Scripted runs: the same world, with faults that the test chooses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hub import services
from hub.domain.values import COMMENT, INCIDENT, Json, Ref
from hub.sync.hub import Hub
from tests.simulation import rest
from tests.simulation.building import SimulatedWorld
from tests.simulation.company import CONNECTIONS
from tests.simulation.faults import CALM, Faults
from tests.simulation.people import People
from tests.simulation.rest import rows
from tests.simulation.runs import echo, until_quiet
from tests.simulation.server import Server, Thing
from tests.simulation.styles import STYLES, Style


class Play:
    """A world and the actions of a script in it. styles: replace those of the usual four vendors."""

    def __init__(
        self,
        name: str,
        crash_at: int | None = None,
        faults: Faults = CALM,
        styles: Mapping[str, Style] | None = None,
    ) -> None:
        usual = {c: STYLES[vendor]() for c, vendor in CONNECTIONS.items()}
        self.world = SimulatedWorld(name, faults, crash_at, styles={**usual, **(styles or {})})
        self.world.people = None
        self.people = People(self.world)

    # --- what people do ---------------------------------------------------------------------------------------------

    def ask(self, act: Callable[[Hub], Any]) -> Any:
        """A request to the services; after a crash of the web process the person repeats it."""
        web = self.world.actors["web"]
        life = web.lives
        answer = self.world.run(web, "services", act)
        if web.lives != life:
            try:
                answer = self.world.run(web, "services", act)
            except services.Conflict:
                return None  # the first request had taken effect
        return answer

    def open(self, **fields: Json) -> None:
        given = {"title": "Checkout is down", "severity": "SEV2", "services": ["checkout"], **fields}
        self.people.intend(given)
        self.ask(lambda hub: services.open_incident(hub, given, actor="ada", dedup_key="one"))

    def edit(self, incident: str = "1", **fields: Json) -> None:
        self.people.intend(fields)
        self.ask(lambda hub: services.edit_incident(hub, incident, fields, actor="bob"))

    def approve(self) -> None:
        """Approves whatever is held."""
        for row in rows(self.world, "SELECT id FROM links WHERE plan LIKE '%\"hash\"%' ORDER BY id"):
            self.ask(lambda hub, link=row["id"]: self._approve(hub, link))

    def _approve(self, hub: Hub, link: str) -> None:
        shown = services.show_link(hub, link)
        if shown["content_hash"]:
            self.world.ledger.approve(shown)
            services.approve_link(hub, link, shown["content_hash"], actor="ada")

    def at(self, connection: str, **fields: Json) -> None:
        """A person edits the incident's object at a vendor."""
        server, thing = self.server(connection), self.thing(connection)
        for name, value in fields.items():
            server.change(thing, name, value, "cy")

    def says(self, connection: str, text: str) -> Thing:
        self.world.ledger.said[text] = connection
        return self.server(connection).make(COMMENT, {"text": text}, "cy", self.thing(connection).ref)

    def command(self, verb: str, argument: str = "") -> None:
        if verb in ("resolve", "ack"):
            self.world.ledger.intended["status"].append("resolved" if verb == "resolve" else "acknowledged")
        self.world.network.command(self.server("chat"), self.thing("chat"), verb, argument, "TU-ada")

    # --- what happens in between ------------------------------------------------------------------------------------

    def during(self, call: str, act: Callable[[], Any], moment: str = "before") -> None:
        """Runs `act` during the next call of this name ("jira update"), before or after the vendor acts."""
        self.world.hooks.append((moment, call, act))

    def fate(self, call: str, fault: str) -> None:
        """Sets the fault of the next call of this name: lost_before, lost_after, lands_late, unavailable, ..."""
        self.world.fates.append((call, fault))

    def work(self) -> None:
        """Runs until nothing but polls is due."""
        until_quiet(self.world, ())

    def settle(self) -> None:
        until_quiet(self.world, self.world.servers)
        assert not self.world.hooks, f"never happened: {self.world.hooks}"
        assert not self.world.fates, f"never happened: {self.world.fates}"

    def end(self) -> None:
        """Settles, then checks all invariants, and that nothing changes any more."""
        self.settle()
        rest.check(self.world)
        echo(self.world)

    # --- what is seen -----------------------------------------------------------------------------------------------

    def server(self, connection: str) -> Server:
        return self.world.servers[connection]

    def link(self, connection: str, number: int = 1) -> dict[str, Any]:
        (found,) = rows(
            self.world,
            "SELECT l.* FROM links l JOIN incidents i ON i.id = l.incident_id WHERE l.kind = 'incident' AND "
            "l.connection = ? AND l.slot = 'primary' AND i.number = ?",
            connection,
            number,
        )
        return found

    def thing(self, connection: str, number: int = 1) -> Thing:
        return self.server(connection).things[Ref(INCIDENT, self.link(connection, number)["remote_id"])]

    def fields(self, number: int = 1) -> dict[str, Json]:
        (found,) = rows(self.world, "SELECT fields FROM incidents WHERE number = ?", number)
        given: dict[str, Json] = found["fields"]
        return given

    def journal(self, kind: str) -> list[dict[str, Any]]:
        return [line["data"] for lines in self.world.ledger.journal.values() for line in lines if line["kind"] == kind]

    def objects(self, connection: str) -> list[Thing]:
        return self.server(connection).of_kind(INCIDENT)

    def shown(self, name: str) -> dict[str, Json]:
        """Connection → the field's value at each vendor that has the field."""
        return {
            c: self.thing(c).fields[name] for c in CONNECTIONS if name in self.server(c).capability(INCIDENT).fields
        }
