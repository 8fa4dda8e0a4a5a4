"""A stand-in for PagerDuty: the account's state, what its people do, and how it delivers webhooks.

The API is in `sandbox_api` (incidents) and `sandbox_admin` (the account), what happens to an incident in `sandbox_acts`, how it is shown in `sandbox_shapes`.
Time acts when somebody looks: at every request, in `tick()` and in `settle()`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from adapters.pagerduty import sandbox_admin
from adapters.pagerduty.sandbox_acts import ANNOUNCED, Acts
from adapters.pagerduty.sandbox_shapes import Incident, Service, Shape, Subscription, User
from adapters.sandboxing import Outgoing, Sandbox

GIVES_UP_AFTER = timedelta(hours=48)
DISABLED_FOR = timedelta(hours=24)
DROPS_UNTIL_DISABLED = 3
EVENTS_DELAY = 3.0
"""Seconds between the 202 of the Events API and the incident."""


def _people() -> dict[str, User]:
    named = (("PADA001", "Ada"), ("PBOB002", "Bob"), ("PCYD003", "Cyd"), ("PLOCK00", "Lockstep"))
    return {id: User(id, name, f"{name.lower()}@example.com") for id, name in named}


def _services() -> dict[str, Service]:
    named = (("PCHECKO", "Checkout", [["PADA001"], ["PBOB002"]]), ("PSEARCH", "Search", [["PBOB002"], ["PCYD003"]]))
    return {
        id: Service(id, name, hashlib.sha256(id.encode()).hexdigest()[:32], f"{id}EP", levels)
        for id, name, levels in named
    }


@dataclass
class PagerDutySandbox(Sandbox):
    """token: the API key it accepts. priorities: name → id; empty = the feature is off. hidden: ids of incidents that are
    answered 404 (not allowed). bare_throttle: 429 comes without headers and body. custom_fields: names that are defined.
    extensions: as `GET /extensions` lists them."""

    token: str = "u+sandbox-token"
    users: dict[str, User] = field(default_factory=_people)
    services: dict[str, Service] = field(default_factory=_services)
    priorities: dict[str, str] = field(default_factory=lambda: {f"P{n}": f"PPRIO0{n}" for n in range(1, 6)})
    custom_fields: set[str] = field(default_factory=set)
    extensions: list[Shape] = field(default_factory=list)
    bare_throttle: bool = False
    incidents: dict[str, Incident] = field(default_factory=dict, init=False)
    subscriptions: dict[str, Subscription] = field(default_factory=dict, init=False)
    hidden: set[str] = field(default_factory=set, init=False)
    number: int = field(default=0, init=False)
    queue: list[tuple[datetime, Callable[[], None]]] = field(default_factory=list, init=False)
    lock: threading.RLock = field(default_factory=threading.RLock, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.acts = Acts(self)
        sandbox_admin.install(self)
        answer = self.app.wsgi_app

        def one_at_a_time(environ: Any, start_response: Any) -> Iterable[bytes]:
            with self.lock:
                self.tick()
                return answer(environ, start_response)

        self.app.wsgi_app = one_at_a_time  # type: ignore[method-assign]

    def id(self, first: str, size: int = 14) -> str:
        """A fresh id of PagerDuty's look."""
        return first + self.ids.new()[1 - size :].upper()

    # Time.

    def tick(self) -> None:
        """Lets what is due happen: events taken in, acknowledgements that run out, escalations, subscriptions enabled."""
        with self.lock:
            now = self.clock.now()
            due = [act for at, act in self.queue if at <= now]
            self.queue = [(at, act) for at, act in self.queue if at > now]
            for act in due:
                act()
            for subscription in self.subscriptions.values():
                if subscription.disabled_until and subscription.disabled_until <= now:
                    subscription.disabled_until, subscription.drops = None, 0
            self.acts.pass_time()

    def settle(self) -> None:
        super().settle()
        with self.lock:
            waiting, self.queue = self.queue, []
            for _, act in waiting:
                act()
            self.tick()

    def accept_event(self, body: Shape) -> None:
        self.queue.append((self.clock.now() + timedelta(seconds=EVENTS_DELAY), lambda: self.acts.event(body)))

    # What people do.

    def agent(self, user: str) -> Shape:
        return self.users[user].ref()

    def people_create(
        self, title: str, service: str = "PCHECKO", *, user: str = "PADA001", priority: str | None = None,
        urgency: str = "high", key: str | None = None, assignees: Sequence[str] = (),
    ) -> str:  # fmt: skip
        """The id of an incident made by hand."""
        with self.lock:
            made = self.acts.create(
                self.services[service], title, self.agent(user), assignees=assignees, priority=priority, urgency=urgency,
                key=key or self.ids.new(), by_hand=True,
            )  # fmt: skip
            return made.id

    def people_set_status(self, id: str, status: str, user: str = "PADA001", note: str | None = None) -> None:
        """Acknowledge, resolve (with a resolution note), or reopen."""
        with self.lock:
            if status == "resolved":
                self.acts.resolve_with(self.incidents[id], self.agent(user), note)
            else:
                self.acts.set_status(self.incidents[id], status, self.agent(user), user)

    def people_set_title(self, id: str, title: str) -> None:
        with self.lock:
            self.acts.set_title(self.incidents[id], title)

    def people_set_severity(self, id: str, priority: str | None, urgency: str, user: str = "PADA001") -> None:
        with self.lock:
            self.acts.set_priority(self.incidents[id], priority, self.agent(user))
            self.acts.set_urgency(self.incidents[id], urgency, self.agent(user))

    def people_assign(self, id: str, users: Sequence[str], user: str = "PADA001") -> None:
        with self.lock:
            self.acts.assign(self.incidents[id], users, self.agent(user))

    def people_escalate(self, id: str, level: int, user: str = "PADA001") -> None:
        with self.lock:
            self.acts.escalate(self.incidents[id], level, self.agent(user))

    def people_move(self, id: str, service: str, user: str = "PADA001") -> None:
        with self.lock:
            self.acts.set_service(self.incidents[id], service, self.agent(user))

    def people_snooze(self, id: str, seconds: float, user: str = "PADA001") -> None:
        with self.lock:
            self.acts.snooze(self.incidents[id], seconds, self.agent(user))

    def people_merge(self, target: str, sources: Sequence[str], user: str = "PADA001") -> None:
        with self.lock:
            self.acts.merge(self.incidents[target], [self.incidents[s] for s in sources], self.agent(user))

    def people_note(self, id: str, text: str, user: str = "PADA001") -> str:
        with self.lock:
            return self.acts.note(self.incidents[id], text, self.agent(user)).id

    def people_edit_note(self, id: str, note: str, text: str) -> None:
        with self.lock:
            found = next(n for n in self.incidents[id].notes if n.id == note)
            found.content, found.updated_at = text, self.clock.now()

    def people_delete_note(self, id: str, note: str) -> None:
        with self.lock:
            self.incidents[id].notes = [n for n in self.incidents[id].notes if n.id != note]

    def people_publish(self, id: str, message: str, user: str = "PADA001") -> None:
        with self.lock:
            self.acts.publish(self.incidents[id], message, self.agent(user))

    def snapshot(self, id: str) -> Shape:
        """What a person sees of an incident, theirs words; comments as they stand there, mark line included."""
        with self.lock:
            i = self.incidents[id]
            return {
                "id": i.id,
                "url": i.ref()["html_url"],
                "title": i.title,
                "status": i.status,
                "severity": [i.priority, i.urgency],
                "services": i.service,
                "assignees": list(i.assignees),
                "comments": [n.content for n in i.notes],
                "updates": [u["message"] for u in i.updates],
                "custom_fields": dict(i.custom_fields),
            }

    # Webhooks.

    def people_subscribe(self, url: str, events: Sequence[str] = (), about: Shape | None = None) -> Subscription:
        """A V3 subscription; its `secrets[0]` is what the person copies. No events named: every one there is."""
        with self.lock:
            made = Subscription(
                self.id("P"),
                url,
                [self.ids.token(24)],
                list(events or ANNOUNCED),
                about or {"type": "account_reference"},
            )
            self.subscriptions[made.id] = made
            return made

    def rotate_secret(self, id: str) -> str:
        """A new signing secret; deliveries are signed with both until the next rotation."""
        with self.lock:
            secrets = self.subscriptions[id].secrets
            secrets[:] = [self.ids.token(24), secrets[0]]
            return secrets[0]

    def announce(self, event: str, data: Shape, agent: Shape | None, *, about: str, service: str = "") -> None:
        """Queues the event for every subscription that wants it."""
        for subscription in self.subscriptions.values():
            wanted = subscription.filter
            if wanted["type"] == "service_reference" and wanted.get("id") != service:
                continue
            if event in subscription.events:
                self.queue_delivery(subscription, event, data, agent, about)

    def queue_delivery(
        self, subscription: Subscription, event: str, data: Shape, agent: Shape | None, about: str
    ) -> None:
        if not subscription.active or subscription.disabled_until:
            return
        happened = self.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        envelope = {
            "id": self.ids.new().upper(),
            "event_type": event,
            "resource_type": event.split(".")[0],
            "occurred_at": happened,
            "agent": agent,
            "client": None,
            "data": data,
        }
        body = json.dumps({"event": envelope}).encode()
        signed = [hmac.new(s.encode(), body, hashlib.sha256).hexdigest() for s in subscription.secrets]
        id = self.ids.new()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "PagerDuty-Webhook/V3.0",
            "X-PagerDuty-Signature": ",".join(f"v1={s}" for s in signed),
            "X-Webhook-Id": id,
            "X-Webhook-Subscription": subscription.id,
        }
        self.emit(subscription.url, body, headers, about, id)

    # How PagerDuty delivers: what a sender asks, whoever it is (the demo's thread, the simulation, a test).

    def ready(self) -> list[Outgoing]:
        """What may be sent now: of each subscription and incident the oldest only; the later ones wait behind it."""
        with self.lock:
            heads: dict[tuple[str, str], Outgoing] = {}
            for outgoing in self.outgoing:
                heads.setdefault((outgoing.headers["X-Webhook-Subscription"], outgoing.about), outgoing)
            return list(heads.values())

    def retry_after(self, outgoing: Outgoing, status: int | None) -> float | None:
        """Seconds until the next attempt, or None: no other. status: of the answer, None = none came within 5 s.

        Time-outs, 5xx and 429 are retried for 48 hours; any other answer that is not 2xx is dropped at once.
        """
        if status is not None and status != 429 and not 500 <= status < 600:
            return None
        if self.clock.now() - outgoing.made_at >= GIVES_UP_AFTER:
            return None
        return float(min(3600, 5 * 2 ** min(outgoing.attempt, 12)))

    def delivered(self, outgoing: Outgoing) -> None:
        """It was answered 2xx."""
        with self.lock:
            self._forget(outgoing)
            subscription = self.subscriptions.get(outgoing.headers["X-Webhook-Subscription"])
            if subscription:
                subscription.drops = 0

    def dropped(self, outgoing: Outgoing) -> None:
        """It will not be tried again. The third in a row disables its subscription for a day and throws its queue away."""
        with self.lock:
            self._forget(outgoing)
            subscription = self.subscriptions.get(outgoing.headers["X-Webhook-Subscription"])
            if subscription is None:
                return
            subscription.drops += 1
            if subscription.drops >= DROPS_UNTIL_DISABLED:
                subscription.disabled_until = self.clock.now() + DISABLED_FOR
                self.outgoing[:] = [o for o in self.outgoing if o.headers["X-Webhook-Subscription"] != subscription.id]

    def _forget(self, outgoing: Outgoing) -> None:
        self.outgoing[:] = [o for o in self.outgoing if o is not outgoing]
