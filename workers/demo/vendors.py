"""The four stand-in vendors, each served on a loopback port of its own, and the postman who delivers their webhooks.

The stand-ins keep to their vendors' documents, rate limits and retry rules included; only the pauses between a webhook's
retries are shortened, so that the demo need not wait for minutes.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
from waitress.server import create_server
from waitress.wasyncore import close_all

from adapters.jira.sandbox import JiraSandbox
from adapters.pagerduty.sandbox import PagerDutySandbox
from adapters.sandboxing import Outgoing, Sandbox
from adapters.statuspage.sandbox import StatuspageSandbox
from adapters.teams.sandbox import TeamsSandbox
from hub.clock import SystemClock, SystemIds

LONGEST_PAUSE = 2.0
"""Seconds between two attempts to deliver a webhook."""

SOON = 0.05


AT_ONCE = 16
"""Requests that one stand-in answers at once."""

IDLE_SECONDS = 20
"""A connection on which nothing has come for so long is closed, as real vendors do: a client that keeps it longer finds out."""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _door() -> socket.socket:
    """A port that is ours from now on: one that was only seen to be free may be somebody else's when it is needed."""
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    return door


@dataclass
class Vendors:
    """ports: where each is served; doors: what holds them until then."""

    clock: SystemClock = field(default_factory=SystemClock)
    ids: SystemIds = field(default_factory=SystemIds)
    ports: dict[str, int] = field(default_factory=dict)
    doors: dict[str, socket.socket] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.doors = {name: _door() for name in ("pagerduty", "jira", "statuspage", "teams")}
        self.ports = {name: int(door.getsockname()[1]) for name, door in self.doors.items()}
        self.pagerduty = PagerDutySandbox(self.clock, self.ids, base_url=self.url("pagerduty"))
        self.jira = JiraSandbox(self.clock, self.ids, base_url=self.url("jira"), search_lag=2.0)
        self.statuspage = StatuspageSandbox(self.clock, self.ids, base_url=self.url("statuspage") + "/v1")
        self.teams = TeamsSandbox(self.clock, self.ids, base_url=self.url("teams"))
        self.component = self.statuspage.add_component("Checkout")
        self.statuspage.add_component("Search")

    @property
    def all(self) -> dict[str, Sandbox]:
        return {
            "pagerduty": self.pagerduty,
            "jira": self.jira,
            "teams": self.teams,
            "statuspage": self.statuspage,
        }

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    @contextmanager
    def served(self) -> Iterator[None]:
        """Connections are kept between requests, as real vendors keep them."""
        served: list[tuple[Any, dict[int, Any]]] = []
        for name, sandbox in self.all.items():
            sockets: dict[int, Any] = {}
            self.doors[name].close()
            server = create_server(
                sandbox.app, sockets, host="127.0.0.1", port=self.ports[name], threads=AT_ONCE, channel_timeout=IDLE_SECONDS,
                cleanup_interval=5, clear_untrusted_proxy_headers=False,
            )  # fmt: skip
            served.append((server, sockets))
            threading.Thread(target=server.run, name=f"stand-in {name}", daemon=True).start()
        try:
            yield
        finally:
            for server, sockets in served:
                server.task_dispatcher.shutdown(timeout=1)
                close_all(sockets, ignore_all=True)


@dataclass
class Postman:
    """Delivers what the stand-ins want delivered. lose: how many of the next webhooks vanish; double: how many come twice;
    delay: seconds that each waits. All are the network's faults: the vendor believes that it has sent them."""

    vendors: Vendors
    lose: int = 0
    double: int = 0
    delay: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    _due: dict[int, float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run, name="postman", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(5)

    def _run(self) -> None:
        session = requests.Session()
        while not self._stop.wait(SOON):
            for sandbox in self.vendors.all.values():
                if sandbox.landing or sandbox is self.vendors.pagerduty:
                    self.vendors.pagerduty.tick()
                ready = self.vendors.pagerduty.ready() if sandbox is self.vendors.pagerduty else list(sandbox.outgoing)
                for outgoing in ready:
                    self._deliver(session, sandbox, outgoing)

    def _deliver(self, session: requests.Session, sandbox: Sandbox, outgoing: Outgoing) -> None:
        now = self.vendors.clock.monotonic()
        due = self._due.setdefault(id(outgoing), now + self.delay)
        if due > now:
            return
        if self.lose > 0:
            self.lose -= 1
            self.counts["lost"] += 1
            self._done(sandbox, outgoing)
            return
        copies = 2 if self.double > 0 else 1
        self.double -= copies - 1
        self.counts["doubled"] += copies - 1
        status = None
        for _ in range(copies):
            status = self._post(session, outgoing)
        self.counts["sent"] += copies
        if status is not None and 200 <= status < 300:
            self._done(sandbox, outgoing)
            return
        outgoing.attempt += 1
        self.counts["retried"] += 1
        self._due[id(outgoing)] = now + min(LONGEST_PAUSE, 0.5 * 2**outgoing.attempt)

    def _post(self, session: requests.Session, outgoing: Outgoing) -> int | None:
        try:
            return session.post(outgoing.url, data=outgoing.body, headers=outgoing.headers, timeout=5).status_code
        except requests.RequestException:
            return None

    def _done(self, sandbox: Sandbox, outgoing: Outgoing) -> None:
        self._due.pop(id(outgoing), None)
        if sandbox is self.vendors.pagerduty:
            self.vendors.pagerduty.delivered(outgoing)
        elif outgoing in sandbox.outgoing:
            sandbox.outgoing.remove(outgoing)
