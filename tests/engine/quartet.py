"""A whole hub in this process: the real adapters of the four vendors, their stand-ins, one clock that the test moves, and a worker
that does everything that is due. For tests that check the end of a change, wherever it began."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from werkzeug.test import Client, TestResponse

from hub import services
from hub.cli.doctor import Line, _connection, _work
from hub.clock import ManualClock, SeededIds
from hub.domain.policy import Config, ConnectionConfig, LinkRule, Policy
from hub.domain.values import Json, Request
from hub.store import tokens
from hub.store.due import due
from hub.store.unit import Store
from hub.sync import tasks
from hub.sync.hub import Hub
from hub.sync.limits.budget import Budget
from hub.sync.limits.guard import guarded
from hub.sync.setup import register
from hub.web.app import create_app
from tests.contract.worlds.jira import JiraWorld
from tests.contract.worlds.pagerduty import PagerDutyWorld
from tests.contract.worlds.statuspage import StatuspageWorld
from tests.contract.worlds.teams import TeamsWorld

OTHERS: Mapping[str, tuple[str, ...]] = {
    name: tuple(n for n in ("pagerduty", "jira", "teams", "statuspage") if n != name)
    for name in ("pagerduty", "jira", "teams", "statuspage")
}


class _Clock(ManualClock):
    """The hub's clock; moving it moves the stand-ins' clocks too."""

    def __init__(self, others: list[ManualClock]) -> None:
        super().__init__()
        self.others = others

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        for clock in self.others:
            clock.set(self.now())


@dataclass
class Wakes:
    """Keys that wait for the worker, each once."""

    waiting: list[tuple[str, str]] = field(default_factory=list)

    def wake(self, task: str, name: str) -> None:
        if (task, name) not in self.waiting:
            self.waiting.append((task, name))


class Quartet:
    """worlds: connection → its vendor's world. url: the database's. state: the first state of the connections."""

    def __init__(self, url: str = "sqlite://", state: str = "enabled") -> None:
        self.pagerduty = PagerDutyWorld("pagerduty", reopen=True)
        self.jira = JiraWorld(True)
        self.teams = TeamsWorld("graph")
        self.teams.sandbox.push.subscriptions.clear()  # the hub makes its own subscriptions
        self.statuspage = StatuspageWorld()
        self.worlds: dict[str, Any] = {
            "pagerduty": self.pagerduty, "jira": self.jira, "teams": self.teams, "statuspage": self.statuspage,
        }  # fmt: skip
        self.clock = _Clock([w.clock for w in self.worlds.values()])
        policy = Policy(
            links=(
                LinkRule("jira", severity_at_least="SEV3"),
                LinkRule("teams"),
                LinkRule("statuspage", services=frozenset({"checkout"}), hold=True),
            ),
            opens=frozenset({"pagerduty"}),
        )
        store = Store(url)
        store.create_all()
        self.wakes = Wakes()
        self.hub = Hub(
            store=store,
            clock=self.clock,
            ids=SeededIds(11),
            wake=self.wakes,
            adapters={name: guarded(name, world.adapter) for name, world in self.worlds.items()},
            config=Config(
                {n: ConnectionConfig(n, n, state, i) for i, n in enumerate(self.worlds)},
                policy,
                services={"checkout": "Checkout", "search": "Search"},
                people={"ada": {"name": "Ada", "email": "ada@example.com"}},
                base_url="https://hub.example.com",
            ),
            budget=Budget(self.clock, enforce=False),
            secrets=lambda name: self.worlds[name].secrets,
        )
        register(self.hub)
        self.web: Client = create_app(self.hub).test_client()
        _, token = tokens.create(store, self.clock, self.hub.ids, "tester", ["admin"])
        self.bearer = {"Authorization": f"Bearer {token}"}

    # --- time and work ------------------------------------------------------------------------------------------

    def settle(self, seconds: float = 60, *, webhooks: bool = True, step: float = 1.0) -> None:
        """Lets that many seconds pass, doing whatever is due every `step` seconds. webhooks False: all of them are lost."""
        for _ in range(int(seconds / step)):
            for name, world in self.worlds.items():
                for request in world.webhooks():
                    if webhooks:
                        self.send(name, request)
            self.work()
            self.clock.advance(step)
            for world in self.worlds.values():
                world.sandbox.settle()

    def work(self) -> None:
        with self.hub.store.reading() as tx:
            found = due(tx, self.clock.now())
        for task, name in found:
            self.wakes.wake(task, name)
        while self.wakes.waiting:
            task, name = self.wakes.waiting.pop(0)
            tasks.run(self.hub, task, name)

    # --- webhooks and doctor ------------------------------------------------------------------------------------

    def send(self, name: str, request: Request) -> TestResponse:
        """Sends a webhook through the hub's own route."""
        path = "/".join(["", "in", name, *request.path.strip("/").split("/")[2:]])
        return self.web.open(
            path, method=request.method, data=request.body, query_string=dict(request.query),
            headers=[(k, v) for k, v in request.headers.items() if k not in ("content-length",)],
        )  # fmt: skip

    def api(self, method: str, path: str, **body: Any) -> TestResponse:
        return self.web.open(f"/api/v1/{path}", method=method, headers=self.bearer, **body)

    def doctor(self, name: str) -> list[Line]:
        """What `lockstep doctor` reports about a connection."""
        return list(_connection(self.hub, name))

    def doctor_work(self) -> list[Line]:
        """What `lockstep doctor` reports about the work: what waits for a person, and what was set aside."""
        return list(_work(self.hub))

    # --- the incident of a test ---------------------------------------------------------------------------------

    def begins(self, title: str = "Checkout is slow") -> str:
        """Opens an incident in PagerDuty and waits until all four show it. Returns its id in the hub."""
        self.settle(2)
        before = {i["id"] for i in services.list_incidents(self.hub)["items"]}
        self.pagerduty.sandbox.people_create(title, priority="P2", assignees=["PADA001"])
        self.settle(30)
        (new,) = [i["id"] for i in services.list_incidents(self.hub)["items"] if i["id"] not in before]
        draft = services.show_link(self.hub, self.link(new, "statuspage")["id"])
        services.approve_link(self.hub, draft["id"], draft["content_hash"], actor="cleo")
        self.settle(60)
        assert self.behind(new) == []
        return str(new)

    def link(self, incident: str, connection: str) -> dict[str, Any]:
        (found,) = [k for k in services.show_incident(self.hub, incident)["links"] if k["connection"] == connection]
        return found

    def fields(self, incident: str) -> dict[str, Json]:
        return dict(services.show_incident(self.hub, incident)["fields"])

    def behind(self, incident: str) -> list[str]:
        """Connections whose links are not live or not in step."""
        links = services.show_incident(self.hub, incident)["links"]
        return [k["connection"] for k in links if k["state"] != "live" or k["lag"] or k["frozen"] or k["refused"]]

    def others_go_on(self, incident: str, without: str, severity: str = "SEV1") -> None:
        """Asserts that a fault affects one connection only: a change reaches every other system."""
        services.edit_incident(self.hub, incident, {"severity": severity}, actor="ada")
        self.settle(90)
        assert [name for name in self.behind(incident) if name != without] == []
