"""A whole hub under load: `lockstep up` with two workers, and the four stand-ins on loopback, each with its real protocol.

The stand-ins run in one thread each of this process, answer after a set delay, and record when which object was written. A thread
pool sends their webhooks at once. The measured time begins when a webhook is sent and ends when the stand-in has answered the
write.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import NullPool, create_engine, text

from adapters.sandboxing import Outgoing, Sandbox
from hub.sync.hub import Hub
from tests.bench.databases import SQLITE, fresh
from workers.demo.deployment import Deployment
from workers.demo.vendors import Vendors, free_port

SYSTEMS = ("pagerduty", "jira", "teams", "statuspage")
WRITING = ("POST", "PUT", "PATCH", "DELETE")
LIFTED = re.compile(r"^\[connections\..*\]$", re.MULTILINE)
PUBLIC = '[[policy.links]]\nconnection = "statuspage"\nservices = ["checkout"]\nhold = true\n'


@dataclass
class Town:
    """deployment, vendors: as in the demo. delay: seconds until a stand-in answers. limits: whether it enforces its rate limits.
    public: whether the status page is connected. services: number of services that the incidents are spread over; with one
    service, each change of its component on the page shows at every open incident and changes the others' cards. checkout:
    folder of another version whose hub is run, with its own environment; None: this one. writes: (system, method, path, time
    of the answer) of every accepted write; sent: (system, object, time) of every webhook; times are monotonic seconds."""

    delay: float = 0.05
    limits: bool = False
    public: bool = True
    services: int = 1
    checkout: Path | None = None
    writes: list[tuple[str, str, str, float]] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    refused: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    sent: list[tuple[str, str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.vendors = Vendors()
        for name, box in self.vendors.all.items():
            box.rate_limited = self.limits
            self._slow(name, box)
        self._more = [self._service(n) for n in range(1, self.services)]
        self._pool = ThreadPoolExecutor(16, "webhook")
        self._local = threading.local()

    def _service(self, number: int) -> tuple[str, str]:
        """Adds a service to all vendors; returns (id in PagerDuty, component on the page)."""
        v, id, name = self.vendors, f"PSVC{number:03}", f"Service {number}"
        v.pagerduty.services[id] = replace(
            v.pagerduty.services["PCHECKO"], id=id, name=name, routing_key=f"{number:032x}"
        )
        v.jira.components += (name,)
        return id, v.statuspage.add_component(name)

    def _slow(self, name: str, box: Sandbox) -> None:
        """Delays a stand-in's answers and records writes. Outermost, so that no lock of the stand-in is held during the delay."""
        answer = box.app.wsgi_app

        def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            seen: list[str] = []

            def begin(status: str, headers: Any, exc_info: Any = None) -> Any:
                seen.append(status)
                return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

            time.sleep(self.delay)
            content = answer(environ, begin)
            self.calls[name] += 1
            status = int(seen[0].split()[0])
            if status in (420, 429):
                self.refused[name] += 1
            if environ["REQUEST_METHOD"] in WRITING and status < 400:
                self.writes.append((name, environ["REQUEST_METHOD"], environ["PATH_INFO"], time.monotonic()))
            return content

        box.app.wsgi_app = app  # type: ignore[method-assign]

    @contextlib.contextmanager
    def alive(self, kind: str = SQLITE) -> Iterator[Town]:
        with tempfile.TemporaryDirectory(prefix="lsbench") as folder, fresh(kind) as url:
            self.deployment = Deployment(self.vendors, Path(folder), free_port(), creates=1_000_000)
            self.deployment.prepare()
            self._configure(url)
            self._engine = create_engine(url, poolclass=NullPool)
            with self.vendors.served(), self.deployment.up():
                stop = threading.Event()
                carrier = threading.Thread(target=self._carry, args=(stop,), daemon=True)
                carrier.start()
                try:
                    yield self
                finally:
                    stop.set()
                    carrier.join(10)
                    self._pool.shutdown(wait=False, cancel_futures=True)

    def _configure(self, url: str) -> None:
        """The demo's configuration without approvals, with this run's database; without limits where the vendors have none."""
        path = Path(self.deployment.environ["LOCKSTEP_CONFIG"])
        config = path.read_text(encoding="utf-8")
        path.write_text(
            (
                config if self.limits else LIFTED.sub(r"\g<0>\ncalls_per_minute = 1000000\ncalls_at_once = 12", config)
            ).replace(PUBLIC, self._public() if self.public else "")
            + "".join(self._mapped(n, *ids) for n, ids in enumerate(self._more, 1)),
            encoding="utf-8",
        )
        self.deployment.environ["LOCKSTEP_DATABASE_URL"] = url
        if self.checkout is not None:
            self.deployment.python, self.deployment.root = str(python_of(self.checkout)), self.checkout
            self.deployment.environ["PYTHONPATH"] = str(self.checkout)

    def _public(self) -> str:
        names = ", ".join(f'"{name}"' for name in ["checkout", *(f"service-{n}" for n in range(1, self.services))])
        return PUBLIC.replace("true", "false").replace('"checkout"', names)

    def _mapped(self, number: int, pagerduty: str, component: str) -> str:
        name = f"Service {number}"
        ids = f'pagerduty = "{pagerduty}", jira = "{name}", statuspage = "{component}"'
        return f'\n[services.service-{number}]\nname = "{name}"\nids = {{ {ids} }}\n'

    def hub(self) -> Hub:
        """A hub in this process on the same database, for queries. Not for another checkout."""
        return self.deployment.hub()

    @property
    def pid(self) -> int:
        """The process id of `lockstep up`."""
        assert self.deployment.process is not None
        return self.deployment.process.pid

    # --- webhooks -----------------------------------------------------------------------------------------------

    def _carry(self, stop: threading.Event) -> None:
        while not stop.wait(0.02):
            self.carry()

    def carry(self) -> None:
        """Sends the stand-ins' webhooks; those of one object in order if the vendor guarantees it."""
        for name, box in self.vendors.all.items():
            if box is self.vendors.pagerduty:
                self.vendors.pagerduty.tick()
                ready = list(self.vendors.pagerduty.ready())
            else:
                ready = list(box.outgoing)
            for outgoing in ready:
                if not getattr(outgoing, "carried", False):
                    outgoing.carried = True  # type: ignore[attr-defined]
                    self._pool.submit(self._post, name, box, outgoing)

    def _post(self, name: str, box: Sandbox, outgoing: Outgoing) -> None:
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.trust_env = False  # no look-up of a proxy for each request
        self.sent.append((name, outgoing.about, time.monotonic()))
        try:
            status = self._local.session.post(
                outgoing.url, data=outgoing.body, headers=outgoing.headers, timeout=10
            ).status_code
        except requests.RequestException:
            status = 0
        if not 200 <= status < 300:
            outgoing.carried = False  # type: ignore[attr-defined]
        elif box is self.vendors.pagerduty:
            self.vendors.pagerduty.delivered(outgoing)
        elif outgoing in box.outgoing:
            box.outgoing.remove(outgoing)

    # --- people's actions, and waiting --------------------------------------------------------------------------

    def open(self, count: int) -> list[str]:
        """Opens incidents in PagerDuty, the services in turn; returns their PagerDuty ids."""
        where, people = ["PCHECKO", *(id for id, _ in self._more)], self.vendors.pagerduty
        return [people.people_create(f"Broken, {n}", where[n % len(where)], priority="P2") for n in range(count)]

    def quiet(self, patience: float) -> float:
        """Waits until nothing is left to read or to write; returns seconds."""
        left = text(
            "SELECT (SELECT count(*) FROM links WHERE refresh_due IS NOT NULL) + (SELECT count(*) FROM inbox WHERE state = 'new')"
            " + (SELECT count(*) FROM outbox WHERE state IN ('due', 'claimed', 'unknown'))"
        )

        def nothing() -> bool:
            with self._engine.connect() as tx:
                return tx.scalar(left) == 0

        return until(nothing, patience, "quiet")

    def settled(self, count: int, patience: float) -> float:
        """Waits until `count` incidents have a live link in each system, and nothing is left to write; returns seconds."""
        systems = len(SYSTEMS) - (not self.public)
        live = text("SELECT count(*) FROM links WHERE kind = 'incident' AND state = 'live' AND remote_id IS NOT NULL")
        left = text("SELECT count(*) FROM outbox WHERE state IN ('due', 'claimed', 'unknown')")

        def all_linked() -> bool:
            with self._engine.connect() as tx:
                return tx.scalar(live) >= count * systems and tx.scalar(left) == 0

        return until(all_linked, patience, f"{count} incidents in {systems} systems")

    def remote_ids(self) -> list[dict[str, str]]:
        """For each incident: system → remote id."""
        found: dict[str, dict[str, str]] = defaultdict(dict)
        with self._engine.connect() as tx:
            for row in tx.execute(text("SELECT incident_id, connection, remote_id FROM links WHERE kind = 'incident'")):
                found[row.incident_id][row.connection] = row.remote_id
        return list(found.values())

    def subscribed(self) -> None:
        until(lambda: bool(self.vendors.pagerduty.subscriptions), 60, "PagerDuty's webhook subscription")


def python_of(checkout: Path) -> Path:
    """The interpreter of a checkout's own environment."""
    return checkout / ".venv" / "bin" / "python"


class NotInTime(RuntimeError):
    """The awaited condition did not hold in time."""


def until(true: Callable[[], bool], patience: float, what: str, pause: float = 0.1) -> float:
    """Waits until `true()` is; returns the seconds. Raises NotInTime."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > patience:
            raise NotInTime(f"waited {patience:.0f} s for {what}")
        time.sleep(pause)
    return time.monotonic() - began
