"""The test bench for a fault: stand-ins, gates before some of them, a sender of webhooks that records what was accepted, and a hub
of real processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import requests

from adapters.sandboxing import Outgoing
from tests.engine.faults.gate import Gate
from tests.engine.faults.storm import Storm
from tests.engine.faults.verdict import problems
from workers.demo.deployment import Deployment
from workers.demo.vendors import Postman, Vendors, free_port

PATIENCE = 420.0
"""Most seconds from the end of a fault until all systems are in step. The longest waits are the product's own: a lease of 60 s,
a vendor's window for unknown outcomes of up to 60 s, a circuit breaker of up to 300 s."""

EACH = 6.0
"""More seconds for each incident: the vendors' rate limits apply to a storm too (a Teams channel takes 4 requests a second)."""


@dataclass
class Recorder(Postman):
    """accepted: every webhook that the hub answered with 2xx, and when. refused: the other answers."""

    accepted: list[tuple[Outgoing, datetime]] = field(default_factory=list)
    refused: list[int | None] = field(default_factory=list)

    def _post(self, session: requests.Session, outgoing: Outgoing) -> int | None:
        status = super()._post(session, outgoing)
        if status is not None and 200 <= status < 300:
            self.accepted.append((outgoing, self.vendors.clock.now()))
        else:
            self.refused.append(status)
        return status


@dataclass
class Rig:
    """size: number of incidents in the storm; half of them begin before the fault, half during it."""

    vendors: Vendors
    deployment: Deployment
    postman: Recorder
    gates: Mapping[str, Gate]
    size: int
    storm: Storm = field(init=False)
    seconds: float = -1.0

    def __post_init__(self) -> None:
        self.storm = Storm(self.vendors, self.deployment.hub())

    @property
    def patience(self) -> float:
        return PATIENCE + EACH * self.size

    def ready(self) -> bool:
        """Whether the web process answers and reaches the database."""
        try:
            return requests.get(f"{self.deployment.base}/health/ready", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def calm(self) -> None:
        """Begins the first half of the storm, waits until all systems show it, and makes the first edits."""
        storm = self.storm
        storm.until(lambda: bool(self.vendors.pagerduty.subscriptions), 60)
        storm.begin((self.size + 1) // 2)
        storm.until(storm.begun, self.patience)
        storm.edit()

    def more(self) -> None:
        """Begins the second half; people go on editing the first."""
        self.storm.begin(self.size // 2)
        self.storm.edit()

    def more_outside(self) -> None:
        """The same while the hub's database refuses writes: the edits make no request to the hub."""
        self.storm.begin(self.size // 2)
        for t in self.storm.told:
            if "jira" in t.remote:
                self.vendors.jira.people_comment(t.remote["jira"], f"Outside {t.number}")
                t.edits.append(("text", f"Outside {t.number}"))

    def start_without(self, vendor: str) -> None:
        """Begins the storm while one vendor cannot be reached; waits until all others show every incident."""
        storm = self.storm
        storm.until(lambda: bool(self.vendors.pagerduty.subscriptions), 60)
        storm.begin(self.size)
        storm.until(lambda: storm.begun_without(vendor), 120)

    def mend(self) -> None:
        """Corrects the addresses in the configuration; processes that start afterwards read it."""
        config = self.deployment.folder / "lockstep.toml"
        text = config.read_text()
        for vendor, wrong in self.deployment.urls.items():
            text = text.replace(f'"{wrong}"', f'"{self.vendors.url(vendor)}"')
        config.write_text(text)
        self.storm.hub.store.close()
        self.storm.hub = self.deployment.hub()

    def recover(self) -> float:
        """After a fault: waits until all systems are in step, then checks everything. Returns the seconds until in step."""
        clock = self.vendors.clock
        begun = clock.monotonic()
        self.storm.until(self.storm.begun, self.patience)
        self.storm.edit()
        self.storm.until(self.storm.settled, self.patience)
        self.seconds = clock.monotonic() - begun
        for box in self.vendors.all.values():
            box.rate_limited = False
        if found := problems(self.storm, self.postman.accepted):
            raise AssertionError("\n".join(found))
        return self.seconds


@contextlib.contextmanager
def rig(
    folder: Path,
    size: int,
    more: Mapping[str, str],
    *,
    gated: Sequence[str] = (),
    wrong: Mapping[str, str] | None = None,
    untrusted: Sequence[str] = (),
) -> Iterator[Rig]:
    """gated: vendors behind a gate. wrong: vendor → a wrong address ("{port}": its stand-in's). untrusted: vendors that present
    a certificate which no client trusts. more: environment."""
    vendors = Vendors()
    folder.mkdir(parents=True, exist_ok=True)
    gates = {name: Gate(vendors.ports[name]) for name in gated}
    strange = {name: Gate(vendors.ports[name], folder) for name in untrusted}
    for name, gate in gates.items():  # the vendor uses its public address in its own links
        box = vendors.all[name]
        box.base_url = box.base_url.replace(vendors.url(name), gate.url)
    places = {
        **{name: gate.url for name, gate in (gates | strange).items()},
        **{name: place.format(port=vendors.ports[name]) for name, place in (wrong or {}).items()},
    }
    deployment = Deployment(
        vendors, folder, free_port(), urls=places, more={"LOCKSTEP_LOG_LEVEL": "WARNING", **more}, creates=100_000
    )
    deployment.prepare()
    postman = Recorder(vendors)
    with contextlib.ExitStack() as stack:
        for gate in (gates | strange).values():
            stack.enter_context(gate.served())
        stack.enter_context(vendors.served())
        stack.enter_context(deployment.up())
        stack.enter_context(postman.at_work())
        made = Rig(vendors, deployment, postman, gates | strange, size)
        stack.callback(made.storm.hub.store.close)
        yield made
